"""The API server and etcd killed, frozen, slow or full, or talking nonsense: cells of docs/reliability.md."""

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from dev.controlplane import ControlPlane, KubectlError
from dev.faultproxy import FaultProxy
from dev.simulator import Backup, Simulator
from tests.cases.support import within
from tests.e2e.user import User
from tests.operator_process import Operator, run_operator
from tests.privileges.audit import Audit

_AGAIN: Final = "--timeout=5s"
_REFS: Final = 3


@pytest.fixture(scope="module")
def breakable(audit: Audit) -> Iterator[ControlPlane]:
    """A control plane of these tests' own, with the operator's manifests."""
    with ControlPlane.start(audit=True) as control_plane:
        control_plane.kubectl("apply", "-k", "manifests/default")
        control_plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
        yield control_plane
        audit(control_plane)


class _Scene:
    """Some refs whose backups are running, and the operator that says so."""

    def __init__(self, user: User, astra: Simulator, operator: Operator) -> None:
        self.user = user
        self.operator = operator
        self._astra = astra
        self._backups: list[Backup] = []

    def begin(self) -> None:
        """Wait until each ref says that its backup is running."""
        self.user.secret_for(self._astra)
        for number in range(_REFS):
            self._backups.append(self._astra.add_backup("stuck", seconds=0.001))
            self.user.ref(f"ref-{number}", self._backups[-1])
        for number in range(_REFS):
            self.user.wait_reason(f"ref-{number}", "BackupInProgress")

    def complete(self) -> None:
        """Let the backups complete, and the operator learn of it."""
        for backup in self._backups:
            backup.set(state="completed", percentDone=100)
        self._astra.requests.clear()
        self._astra.requests.wait_for(2)

    def learns_of_another(self) -> None:
        """A new ref is looked after: the watches work."""
        self.user.ref("new", self._astra.add_backup("completes", seconds=0))
        self.user.wait("new", "Ready")

    def is_right(self, timeout: str = _AGAIN) -> None:
        """Wait until the statuses say that, and that the operator is the same process and in good health."""
        self.user.kubectl("wait", "--for=condition=Ready", "abr", "--all", timeout)
        assert self.operator.http("/healthz") == "ok\n"
        assert "Traceback" not in self.operator.log


@pytest.fixture
def scene(breakable: ControlPlane, astra: Simulator) -> Iterator[_Scene]:
    """On the control plane that may be broken."""
    namespace = f"test-{secrets.token_hex(4)}"
    breakable.kubectl("create", "namespace", namespace)
    kubeconfig = breakable.kubeconfig_for("astra-mirror-system", "astra-mirror")
    operator = run_operator(kubeconfig, "--allowed-url", astra.url, "--settled-interval", "1s")
    try:
        scene = _Scene(User(breakable, namespace), astra, operator)
        scene.begin()
        yield scene
    finally:
        assert operator.stop() == 0
        breakable.kubectl("delete", "namespace", namespace, "--wait=false")


@contextmanager
def frozen(control_plane: ControlPlane, name: str) -> Iterator[None]:
    """Let a server of the control plane do nothing for the time of a `with` block."""
    control_plane.processes.send(name, signal.SIGSTOP)
    try:
        yield
    finally:
        control_plane.processes.send(name, signal.SIGCONT)


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
def test_a_server_that_is_frozen(breakable: ControlPlane, scene: _Scene, name: str) -> None:
    """It is away, and what was learned meanwhile is written within five seconds of its thaw."""
    with frozen(breakable, name):
        # Who has nothing to write and hears nothing has no reason to ask.
        scene.complete()
        scene.operator.wait_for_log("is away")
        assert scene.operator.http("/healthz") == "ok\n"
    scene.is_right()


def test_an_etcd_that_is_killed_and_comes_back(breakable: ControlPlane, scene: _Scene) -> None:
    """The API server is away with it, and all is right within five seconds of the first write that it takes."""
    breakable.stop_etcd()
    try:
        scene.complete()
        scene.operator.wait_for_log("is away")
    finally:
        breakable.start_etcd()
    within(60, lambda: _takes_writes(scene.user), bool)
    scene.is_right()


def _takes_writes(user: User) -> bool:
    try:
        user.kubectl("create", "configmap", f"probe-{secrets.token_hex(4)}", "--request-timeout=2s")
    except KubectlError:
        return False
    return True


def test_an_etcd_that_is_full(breakable: ControlPlane, scene: _Scene) -> None:
    """Reads succeed and writes are refused: the API server is there, and each ref has its backoff, a minute at most."""
    breakable.etcd.fill(full=True)
    try:
        scene.complete()
        scene.operator.wait_for_log("database space exceeded")
    finally:
        breakable.etcd.fill(full=False)
    scene.is_right("--timeout=60s")


@contextmanager
def _sluggish(control_plane: ControlPlane, name: str) -> Iterator[None]:
    """Let a server run for a fifth of the time, a twentieth of a second at once."""
    stop = threading.Event()

    def hold_up() -> None:
        while not stop.wait(0.05):
            control_plane.processes.send(name, signal.SIGSTOP)
            stop.wait(0.2)
            control_plane.processes.send(name, signal.SIGCONT)

    thread = threading.Thread(target=hold_up)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
def test_a_server_that_is_slow(breakable: ControlPlane, scene: _Scene, name: str) -> None:
    """It is not taken for one that is away, and what is learned is written while it is slow."""
    with _sluggish(breakable, name):
        scene.complete()
        scene.is_right("--timeout=20s")
    assert "is away" not in scene.operator.log


@pytest.fixture
def behind_proxy(installed: ControlPlane, user: User, astra: Simulator) -> Iterator[tuple[_Scene, FaultProxy]]:
    """On the usual control plane, by a proxy that answers for it."""
    chain, key = installed.certificate_for("127.0.0.1")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=chain, key=key) as proxy:
        kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror", server=proxy.url)
        operator = run_operator(kubeconfig, "--allowed-url", astra.url, "--settled-interval", "1s")
        try:
            scene = _Scene(user, astra, operator)
            scene.begin()
            yield scene, proxy
        finally:
            proxy.clear()
            assert operator.stop() == 0


_JSON: Final = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "30"}},
        {"kind": "status", "status": 429, "headers": {"Retry-After": "30"}},
        {"kind": "cut"},
        {"kind": "cut-answer"},
    ],
    ids=["500", "503", "429", "cut", "cut-answer"],
)
def test_an_api_server_that_fails(behind_proxy: tuple[_Scene, FaultProxy], fault: dict[str, Any]) -> None:
    """Every request, for some seconds: it is away, and all is right within five seconds of its return."""
    scene, proxy = behind_proxy
    with proxy.fault(**fault):
        scene.complete()
        scene.operator.wait_for_log("is away")
    scene.is_right()


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 200, "body": b"<html>it works</html>"},
        {"status": 200, "body": b"{}", "headers": _JSON},
        {"status": 200, "body": b'{"kind":"Status","apiVersion":"v1","status":"Success"}', "headers": _JSON},
        {"status": 200, "body": b"", "headers": _JSON},
        {"status": 404, "body": b"404 page not found"},
        {"status": 302, "headers": {"Location": "https://127.0.0.1:1/"}},
    ],
    ids=["html", "empty-object", "status", "nothing", "404", "redirect"],
)
@pytest.mark.parametrize("verb", ["patch", None], ids=["writes", "all"])
def test_an_api_server_that_talks_nonsense(
    behind_proxy: tuple[_Scene, FaultProxy], fault: dict[str, Any], verb: str | None
) -> None:
    """As a proxy does that has lost its way: no ref is given up, and each is right after its backoff.

    Where all requests meet it, the API server may count as away before the first write, and no write is sent then.
    """
    scene, proxy = behind_proxy
    with proxy.fault(kind="status", verb=verb, **fault):
        proxy.requests.clear()
        scene.complete()
        proxy.requests.wait_for(_REFS, verb=verb)
    scene.is_right("--timeout=20s")
    scene.learns_of_another()
