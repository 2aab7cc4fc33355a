"""Starts and stops the three servers, and hands out kubeconfigs and certificates for them."""

import contextlib
import json
import secrets
import shutil
import socket
import ssl
import tempfile
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Final, Self

import trustme
import yaml

from dev.controlplane import kubectl, toolchain
from dev.controlplane.etcd import Etcd
from dev.controlplane.processes import Processes

_CONTROLLERS: Final = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "resourcequota-controller",
)
_AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


class ControlPlane:
    """A running control plane on loopback, with data of its own. Made by `start`; ended by `stop` or `with`."""

    def __init__(self, audit_log: Path | None, *, audit: bool, kubernetes: str | None = None) -> None:
        self._binaries = toolchain.binaries(kubernetes)
        self.folder = Path(tempfile.mkdtemp(prefix="astra-mirror-controlplane-"))
        self._audit_log = audit_log or (self.folder / "audit.log" if audit else None)
        self._token = secrets.token_urlsafe(24)
        etcd_port, self._peer_port, self._port = _free_ports(3)
        self.etcd = Etcd(f"http://127.0.0.1:{etcd_port}")
        self.processes = Processes(self._binaries, self.folder)
        self._authority = trustme.CA()
        self.kubeconfig = self.folder / "kubeconfig"

    @classmethod
    def start(cls, *, audit: bool = False, audit_log: Path | None = None, kubernetes: str | None = None) -> Self:
        """Start it and wait until it is ready.

        Args:
            audit: keep an audit log, for `audit_events`.
            audit_log: where, when not in the control plane's own folder.
            kubernetes: the version, such as `1.32`; by default the one in $KUBERNETES_VERSION, or else the newest.

        Raises:
            ToolchainError: the binaries cannot be had.
            StartError: a process did not become ready.
        """
        self = cls(audit_log, audit=audit, kubernetes=kubernetes)
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(self.stop)
            self._prepare()
            self.start_etcd()
            self.start_apiserver()
            self._start_controller_manager()
            self.processes.until_ready("kube-controller-manager", self._has_default_namespace)
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

    def stop(self) -> None:
        """End all processes and remove their data."""
        self.processes.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_apiserver(self) -> None:
        """End the API server and keep its data."""
        self.processes.stop("kube-apiserver")

    def stop_etcd(self) -> None:
        """End etcd and keep its data."""
        self.processes.stop("etcd")

    def start_apiserver(self) -> None:
        """Start the API server, at first or again, on the same port and data."""
        folder = self.folder
        audit = [f"--audit-log-path={self._audit_log}", f"--audit-policy-file={folder / 'audit-policy.yaml'}"]
        # In one file: beyond 100 MiB the API server would begin another one.
        audit.append("--audit-log-maxsize=10000")
        self.processes.spawn(
            "kube-apiserver",
            f"--etcd-servers={self.etcd.url}",
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
        self.processes.until_ready("kube-apiserver", lambda: self._is_ok(f"{self.url}/readyz"))

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
        client, peer = self.etcd.url, f"http://127.0.0.1:{self._peer_port}"
        self.processes.spawn(
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
        self.processes.until_ready("etcd", lambda: self._is_ok(f"{client}/health"))

    def _start_controller_manager(self) -> None:
        self.processes.spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={self.folder / 'server.key'}",
            f"--root-ca-file={self.folder / 'ca.pem'}",
        )

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


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
