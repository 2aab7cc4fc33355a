"""Row `a kubeconfig with a credential plugin ...`: the API server is reached as kubectl reaches it, by both clients."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy, Tunnel
from dev.simulator import Simulator
from tests.cases.support import raw_status, within
from tests.e2e.user import User
from tests.operator_process import Operator, run_operator

_ACCOUNT: Final = ("astra-mirror", "--namespace=astra-mirror-system")
_NOWHERE: Final = "kube.nowhere.invalid"


class _Started:
    """Starts an operator with a kubeconfig of the test's own."""

    def __init__(self, control_plane: ControlPlane, astra: Simulator, folder: Path) -> None:
        self._control_plane = control_plane
        self._astra = astra
        self.folder = folder
        self.running: list[Operator] = []

    def __call__(self, *, user: Any = None, environment: Mapping[str, str] | None = None, **cluster: str) -> Operator:
        """With these fields of the kubeconfig's cluster, and this user."""
        path = self.folder / "kubeconfig"
        original = self._control_plane.kubeconfig_for("astra-mirror-system", "astra-mirror")
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in cluster.items()}
        if user is not None:
            config["users"][0]["user"] = user
        path.write_text(yaml.safe_dump(config))
        self.running.append(run_operator(path, "--allowed-url", self._astra.url, environment=environment))
        return self.running[-1]


@pytest.fixture
def start(installed: ControlPlane, astra: Simulator, tmp_path: Path) -> Iterator[_Started]:
    """Starts operators."""
    started = _Started(installed, astra, tmp_path)
    yield started
    for operator in started.running:
        operator.stop()


def _is_served(user: User, astra: Simulator, operator: Operator) -> None:
    """A ref is seen, its Secret is read, its status is written, and a change is written as well."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    within(20, lambda: raw_status(user, "ref").get("state"), lambda state: state == "running")
    backup.set(state="completed", percentDone=100)
    within(10, lambda: raw_status(user, "ref").get("state"), lambda state: state == "completed")
    assert operator.is_running


def _port(control_plane: ControlPlane) -> str:
    return control_plane.url.rpartition(":")[2]


class _Plugin:
    """A credential plugin whose answer a test writes; its tokens end when the test says so."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self._control_plane = control_plane
        self._answer, self._calls = folder / "answer.json", folder / "calls"
        self._script = folder / "plugin"
        self._script.write_text(f"#!/bin/sh\necho called >> {self._calls}\ncat {self._answer}\n")
        self._script.chmod(0o700)
        self.user = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": str(self._script),
                "interactiveMode": "Never",
            }
        }

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0

    def give(self, *, seconds: float | None) -> Callable[[], None]:
        """Answer with a new token from now on, said to expire in so many seconds; what is returned revokes it."""
        name = f"bound-{secrets.token_hex(4)}"
        self._control_plane.kubectl("create", "secret", "generic", name, _ACCOUNT[1])
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={name}")
        status = {"token": self._control_plane.kubectl("create", "token", *_ACCOUNT, *bound).strip()}
        if seconds is not None:
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            status["expirationTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        new = self._answer.with_suffix(".new")
        new.write_text(json.dumps({**kind, "status": status}))
        new.replace(self._answer)
        return lambda: self._revoke(name)

    def _revoke(self, name: str) -> None:
        self._control_plane.kubectl("delete", "secret", name, _ACCOUNT[1])


@pytest.mark.parametrize("seconds", [None, 12.0], ids=["without-an-end", "with-an-end"])
def test_a_credential_plugin_whose_token_ends(
    installed: ControlPlane, user: User, astra: Simulator, start: _Started, seconds: float | None
) -> None:
    """The plugin is asked again when its token has expired or is refused, and the writer goes on."""
    plugin = _Plugin(installed, start.folder)
    revoke = plugin.give(seconds=seconds)
    operator = start(user=plugin.user)
    _is_served(user, astra, operator)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("later", backup)
    within(10, lambda: raw_status(user, "later").get("state"), lambda state: state == "running")
    calls = plugin.calls
    plugin.give(seconds=seconds)
    revoke()
    # The API server itself believes in a token for ten seconds more.
    within(40, lambda: plugin.calls, lambda number: number > calls)
    backup.set(state="completed", percentDone=100)
    within(20, lambda: raw_status(user, "later").get("state"), lambda state: state == "completed")
    user.ref("new", astra.add_backup("completes", seconds=0))
    within(30, lambda: raw_status(user, "new").get("state"), lambda state: state == "completed")
    assert operator.is_running


def test_a_tls_server_name(installed: ControlPlane, user: User, astra: Simulator, start: _Started) -> None:
    """The certificate is compared with that name, and not with the address."""
    certificate, key = installed.certificate_for("kube.internal")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        operator = start(server=proxy.url, tls_server_name="kube.internal")
        _is_served(user, astra, operator)
        operator.stop()


def test_a_proxy_that_the_kubeconfig_names(
    installed: ControlPlane, user: User, astra: Simulator, start: _Started
) -> None:
    """proxy-url, for an address that nothing else leads to."""
    with Tunnel() as tunnel:
        server = f"https://{_NOWHERE}:{_port(installed)}"
        operator = start(server=server, proxy_url=tunnel.url, tls_server_name="localhost")
        _is_served(user, astra, operator)
        operator.stop()
        assert set(tunnel.asked) == {f"{_NOWHERE}:{_port(installed)}"}


def test_a_proxy_that_the_environment_names(
    installed: ControlPlane, user: User, astra: Simulator, start: _Started
) -> None:
    """HTTPS_PROXY, for an address that nothing else leads to."""
    with Tunnel() as tunnel:
        environment = {"HTTPS_PROXY": tunnel.url, "NO_PROXY": "10.0.0.0/8,example.com"}
        server = f"https://{_NOWHERE}:{_port(installed)}"
        operator = start(server=server, tls_server_name="localhost", environment=environment)
        _is_served(user, astra, operator)
        operator.stop()
        assert set(tunnel.asked) == {f"{_NOWHERE}:{_port(installed)}"}


def test_addresses_that_no_proxy_leads_to(user: User, astra: Simulator, start: _Started) -> None:
    """NO_PROXY as a CIDR: no request goes to the proxy, by neither client."""
    with Tunnel() as tunnel:
        environment = {"HTTPS_PROXY": tunnel.url, "https_proxy": tunnel.url, "NO_PROXY": "127.0.0.0/8"}
        operator = start(environment=environment)
        _is_served(user, astra, operator)
        operator.stop()
        assert tunnel.asked == []
