"""What these tests need beside the usual: the fault proxy before the API server, and tenants with a namespace each."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import Operator, StartOperator, run_operator


@pytest.fixture
def proxy(installed: ControlPlane) -> Iterator[FaultProxy]:
    """A fault proxy before the API server."""
    certificate, key = installed.certificate_for("127.0.0.1")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        yield proxy


@pytest.fixture
def start_behind_proxy(installed: ControlPlane, astra: Simulator, proxy: FaultProxy) -> Iterator[StartOperator]:
    """Starts operators that reach the API server by the fault proxy."""
    running: list[Operator] = []
    kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror", server=proxy.url)

    def start(*options: str) -> Operator:
        operator = run_operator(kubeconfig, "--allowed-url", astra.url, *options)
        running.append(operator)
        return operator

    yield start
    proxy.clear()
    for operator in running:
        operator.stop()


@pytest.fixture
def tenant(installed: ControlPlane) -> Iterator[Callable[..., User]]:
    """Makes people with a namespace of their own each; a test may have many."""
    made: list[str] = []

    def make(prefix: str = "tenant") -> User:
        name = f"{prefix}-{secrets.token_hex(4)}"
        installed.kubectl("create", "namespace", name)
        made.append(name)
        return User(installed, name)

    yield make
    if made:
        installed.kubectl("delete", "namespace", *made, "--wait=false")
