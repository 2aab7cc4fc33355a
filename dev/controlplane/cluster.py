"""Starts and stops the three processes, and hands out kubeconfigs for them."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import trustme
import yaml

from dev.controlplane import kubectl, toolchain

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_CONTROLLERS: Final = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
)
_AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


class StartError(Exception):
    """A process did not become ready; the message has the end of its log."""


class ControlPlane:
    """A running control plane on loopback, with data of its own. Made by `start`; ended by `stop` or `with`."""

    def __init__(self, audit_log: Path | None, *, audit: bool) -> None:
        self._binaries = toolchain.binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="astra-mirror-controlplane-"))
        self._audit_log = audit_log or (self.folder / "audit.log" if audit else None)
        self._token = secrets.token_urlsafe(24)
        self._etcd_port, self._peer_port, self._port = _free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # Never written to: the guards see it close when this process ends, in whatever way.
        self._pipe_read, self._pipe_write = os.pipe()
        self._authority = trustme.CA()
        self.kubeconfig = self.folder / "kubeconfig"

    @classmethod
    def start(cls, *, audit: bool = False, audit_log: Path | None = None) -> Self:
        """Start it and wait until it is ready.

        Args:
            audit: keep an audit log, for `audit_events`.
            audit_log: where, when not in the control plane's own folder.

        Raises:
            ToolchainError: the binaries cannot be had.
            StartError: a process did not become ready.
        """
        self = cls(audit_log, audit=audit)
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(self.stop)
            self._prepare()
            self.start_etcd()
            self.start_apiserver()
            self._start_controller_manager()
            self._wait("kube-controller-manager", self._has_default_namespace)
            unfinished.pop_all()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def binaries(self) -> Path:
        """The folder with kubectl and the servers."""
        return self._binaries

    @property
    def pids(self) -> list[int]:
        """The guards' process ids."""
        return [process.pid for process in self._processes.values()]

    def kubectl(self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints, as the administrator or with another kubeconfig.

        Raises:
            KubectlError: it failed; the message has its words.
        """
        return kubectl.kubectl(self._binaries / "kubectl", kubeconfig or self.kubeconfig, *arguments, stdin=stdin)

    def kubectl_command(self, *arguments: str) -> list[str]:
        """The command line of kubectl as the administrator, for those who run it themselves."""
        return [str(self._binaries / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubeconfig_for(self, namespace: str, service_account: str, *, server: str | None = None) -> Path:
        """A kubeconfig for a ServiceAccount, with a token from the TokenRequest API; `server`: by way of a proxy."""
        where = f"--namespace={namespace}"
        # The controller manager makes a new namespace's own account a moment after the namespace.
        self.kubectl("wait", "--for=create", f"serviceaccount/{service_account}", where, "--timeout=30s")
        token = self.kubectl("create", "token", service_account, where, "--duration=24h").strip()
        suffix = f"-{server.rpartition(':')[2]}" if server else ""
        path = self.folder / f"kubeconfig-{namespace}-{service_account}{suffix}"
        self._write_kubeconfig(path, token, server)
        return path

    @property
    def authority_pem(self) -> str:
        """The authority that has issued the API server's certificate."""
        return self._authority.cert_pem.bytes().decode()

    def certificate_for(self, *names: str) -> tuple[Path, Path]:
        """A certificate of the same authority, for a proxy before the API server: the files of chain and key."""
        certificate = self._authority.issue_cert(*names)
        chain, key = self.folder / f"{names[0]}.pem", self.folder / f"{names[0]}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(key)
        return chain, key

    def audit_events(self, *, of: str = "") -> list[dict[str, Any]]:
        """What the API server was asked for so far, one entry a request, in the audit API's words.

        Args:
            of: a user; the entries of others may be left out.
        """
        if self._audit_log is None:
            raise ValueError("the control plane was started without an audit log")
        with self._audit_log.open() as lines:
            # The last line may be on its way.
            return [json.loads(line) for line in lines if of in line and line.endswith("\n")]

    def overwrite(self, path: str, value: bytes | None) -> None:
        """Put bytes into etcd as they are, behind the API server's back, or remove them with None.

        Args:
            path: what follows /registry/, such as `secrets/NAMESPACE/NAME`.
            value: what the API server is to find there.
        """
        key = b64encode(f"/registry/{path}".encode()).decode()
        action, body = ("deleterange", {"key": key}) if value is None else ("put", {"key": key})
        if value is not None:
            body["value"] = b64encode(value).decode()
        self._ask_etcd(f"kv/{action}", body)

    def fill_etcd(self, *, full: bool) -> None:
        """Let etcd refuse every write, as one does whose disk quota is used up; or no longer."""
        alarm = {"action": "ACTIVATE" if full else "DEACTIVATE", "memberID": "0", "alarm": "NOSPACE"}
        self._ask_etcd("maintenance/alarm", alarm)

    def _ask_etcd(self, path: str, body: Mapping[str, str]) -> None:
        url = f"http://127.0.0.1:{self._etcd_port}/v3/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10) as answer:
            answer.read()

    def stop(self) -> None:
        """End all processes and remove their data."""
        for name in reversed(list(self._processes)):
            self._stop(name)
        for descriptor in (self._pipe_read, self._pipe_write):
            os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_apiserver(self) -> None:
        """End the API server and keep its data."""
        self._stop("kube-apiserver")

    def stop_etcd(self) -> None:
        """End etcd and keep its data."""
        self._stop("etcd")

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of the servers itself, such as SIGSTOP to `etcd`; does nothing where it has ended."""
        guard = self._processes.get(name)
        if guard is None:
            return
        children = Path(f"/proc/{guard.pid}/task/{guard.pid}/children")
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), number)

    def start_apiserver(self) -> None:
        """Start the API server, at first or again, on the same port and data."""
        folder = self.folder
        audit = [f"--audit-log-path={self._audit_log}", f"--audit-policy-file={folder / 'audit-policy.yaml'}"]
        # In one file: beyond 100 MiB the API server would begin another one.
        audit.append("--audit-log-maxsize=10000")
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={folder / 'server.pem'}",
            f"--tls-private-key-file={folder / 'server.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={self.url}",
            f"--service-account-signing-key-file={folder / 'server.key'}",
            f"--service-account-key-file={folder / 'server.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # Pods are never run here, and a pod in a test must not need its ServiceAccount's token.
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            *(audit if self._audit_log else []),
        )
        self._wait("kube-apiserver", lambda: self._is_ok(f"{self.url}/readyz"))

    def _prepare(self) -> None:
        certificate = self._authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(self.folder / "server.pem", append=True)
        self._authority.cert_pem.write_to_path(self.folder / "ca.pem")
        (self.folder / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        (self.folder / "audit-policy.yaml").write_text(_AUDIT_POLICY)
        self._write_kubeconfig(self.kubeconfig, self._token)

    def _write_kubeconfig(self, path: Path, token: str, server: str | None = None) -> None:
        authority = b64encode(self._authority.cert_pem.bytes()).decode()
        name = "astra-mirror-dev"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server or self.url, "certificate-authority-data": authority}},
            ],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content))

    def start_etcd(self) -> None:
        """Start etcd, at first or again, on the same ports and data."""
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # The data lives no longer than the processes.
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._wait("etcd", lambda: self._is_ok(f"{client}/health"))

    def _start_controller_manager(self) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={self.folder / 'server.key'}",
            f"--root-ca-file={self.folder / 'ca.pem'}",
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        guard = [sys.executable, "-m", "dev.controlplane.guard", str(self._pipe_read), str(self.folder)]
        root = Path(__file__).parents[2]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*guard, str(self._binaries / name), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=[self._pipe_read],
                env=_environment(os.environ, root),
            )

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        # The guard ends the server and then itself.
        process.terminate()
        process.wait()

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            ended = self._processes[name].poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
                what = "ended" if ended else f"was not ready within {_START_SECONDS:g}s"
                raise StartError("\n".join([f"{name} {what}; the end of its log:", *log[-15:]]))
            time.sleep(_POLL_SECONDS)

    def _is_ok(self, url: str) -> bool:
        context = ssl.create_default_context(cadata=self._authority.cert_pem.bytes().decode())
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})
        try:
            with urllib.request.urlopen(
                request, timeout=5, context=context if url.startswith("https") else None
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _has_default_namespace(self) -> bool:
        return self._is_ok(f"{self.url}/api/v1/namespaces/default/serviceaccounts/default")


def _environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """The guard is found from any working directory."""
    path = [str(root), environment.get("PYTHONPATH", "")]
    return dict(environment) | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
