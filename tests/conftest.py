"""The real parts that tests run against: a control plane, a simulated Astra Control, the operator itself."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import Operator, run_operator
from tests.privileges.audit import Audit

pytest_plugins = ["tests.privileges.plugin"]
# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("astra-mirror", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("astra-mirror")


@pytest.fixture(scope="session")
def control_plane(audit: Audit) -> Iterator[ControlPlane]:
    """A control plane with an audit log, for all tests."""
    with ControlPlane.start(audit=True) as control_plane:
        yield control_plane
        audit(control_plane)


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with manifests/default applied, as the README says."""
    control_plane.kubectl("apply", "-k", "manifests/default")
    control_plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
    control_plane.kubectl("wait", "--for=condition=Established", "crd/appbackupmonitors.astra-mirror.io")
    for kind in ("appbackuprefs", "appbackupmonitors"):
        _wait_until_it_works(control_plane, "get", kind, "--all-namespaces")
        _wait_until_it_works(control_plane, "explain", kind)
    return control_plane


def _wait_until_it_works(control_plane: ControlPlane, *arguments: str) -> None:
    """A new kind is served, and described, a moment after it is established, of which no condition tells."""
    pause = threading.Event()
    for _ in range(150):
        with suppress(KubectlError):
            control_plane.kubectl(*arguments)
            return
        pause.wait(0.2)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def user(installed: ControlPlane, namespace: str) -> User:
    """Somebody with kubectl and a namespace of their own, on a cluster where the operator's manifests are applied."""
    return User(installed, namespace)


@pytest.fixture
def astra() -> Iterator[Simulator]:
    """A simulated Astra Control, at a loopback address of its own.

    A port alone may have been another simulator's a moment ago, whose operator, of a test in the other worker, asks on.
    """
    host = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    with Simulator.start(host=host) as astra:
        yield astra


@pytest.fixture
def start_operator(installed: ControlPlane, astra: Simulator) -> Iterator[Callable[..., Operator]]:
    """Starts operators under the shipped RBAC, which may call the simulator."""
    running: list[Operator] = []
    kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror")

    def start(*options: str) -> Operator:
        operator = run_operator(kubeconfig, "--allowed-url", astra.url, *options)
        running.append(operator)
        return operator

    yield start
    for operator in running:
        operator.stop()
