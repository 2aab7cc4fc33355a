"""An API server that is away, frozen or half there ends nothing, and nothing stays wrong after it."""

import json
import urllib.error
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy, TCPProxy
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import Operator, StartOperator, run_operator

_AGAIN = "--timeout=5s"


@pytest.fixture
def wire(installed: ControlPlane) -> Iterator[TCPProxy]:
    """What leads to the API server, and can be frozen or cut."""
    with TCPProxy(int(installed.url.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
def start_behind(installed: ControlPlane, astra: Simulator) -> Iterator[Callable[..., Operator]]:
    """Starts operators that reach the API server by the URL of a proxy."""
    running: list[Operator] = []

    def start(url: str, *options: str) -> Operator:
        kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror", server=url)
        running.append(run_operator(kubeconfig, "--allowed-url", astra.url, *options))
        return running[-1]

    yield start
    for operator in running:
        operator.stop()


def _readyz(operator: Operator) -> str:
    try:
        return operator.http("/readyz")
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def _series(operator: Operator, name: str) -> str:
    return operator.metric(f"astra_mirror_{name} ")


def test_a_start_while_the_api_server_is_away(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The process waits for it, alive and not ready, says so once, and then does its work."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    installed.stop_apiserver()
    try:
        operator = start_operator()
        operator.wait_for_log(rf"The API server {installed.url} is away, trying every second")
        assert operator.http("/healthz") == "ok\n"
        assert _readyz(operator) == "the API server is away\n"
        assert _series(operator, "apiserver_up") == "0.0"
    finally:
        installed.start_apiserver()
    operator.wait_for_log("is back after")
    user.wait("ref", "Ready")
    assert _readyz(operator) == "ok\n"
    assert _series(operator, "apiserver_up") == "1.0"
    assert operator.log.count("is away") == 1
    assert operator.log.count("Cannot connect") == 1
    assert operator.stop() == 0


def test_a_stop_while_the_api_server_is_away(
    installed: ControlPlane, wire: TCPProxy, start_behind: Callable[..., Operator]
) -> None:
    """A signal ends it with 0, before and after its start, and nothing is waited for."""
    del installed
    wire.freeze()
    operator = start_behind(f"https://127.0.0.1:{wire.port}", "--leader-elect")
    operator.wait_for_log("is away")
    assert operator.stop() == 0
    wire.thaw()
    operator = start_behind(f"https://127.0.0.1:{wire.port}", "--leader-elect")
    operator.wait_for_log("Holding the Lease")
    wire.freeze()
    operator.wait_for_log("is away")
    assert operator.stop() == 0
    wire.thaw()


def test_a_lease_that_is_lost_is_got_back(
    user: User, astra: Simulator, wire: TCPProxy, start_behind: Callable[..., Operator]
) -> None:
    """In the same process: it neither polls nor writes meanwhile, and then all is right within five seconds."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    operator = start_behind(f"https://127.0.0.1:{wire.port}", "--leader-elect", "--namespace", user.namespace)
    user.wait_reason("ref", "BackupInProgress")
    assert _series(operator, "leader") == "1.0"
    # A request that is under way when the Lease is lost ends without an answer, and the ref is polled all the same.
    with astra.fault("*", kind="hang"):
        wire.freeze()
        operator.wait_for_log("is away")
        operator.wait_for_log("The Lease .* was lost")
    astra.requests.clear()
    backup.set(state="completed", percentDone=100)
    user.ref("new", backup)
    assert operator.http("/healthz") == "ok\n"
    assert _readyz(operator) == "the API server is away\n"
    assert (_series(operator, "leader"), _series(operator, "apiserver_up")) == ("0.0", "0.0")
    assert not astra.requests.matching("*")
    wire.thaw()
    user.kubectl("wait", "--for=condition=Ready", "abr/ref", "abr/new", _AGAIN)
    assert operator.log.count("Holding the Lease") == 2
    assert (_series(operator, "leader"), _series(operator, "apiserver_up")) == ("1.0", "1.0")
    assert "Traceback" not in operator.log


def test_another_one_leads_meanwhile(
    user: User,
    astra: Simulator,
    wire: TCPProxy,
    start_behind: Callable[..., Operator],
    start_operator: StartOperator,
) -> None:
    """Who was cut off finds another leader, leaves its statuses alone, and takes over from it in turn."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    options = ("--leader-elect", "--namespace", user.namespace)
    first = start_behind(f"https://127.0.0.1:{wire.port}", *options)
    user.wait_reason("ref", "BackupInProgress")
    wire.freeze()
    second = start_operator(*options)
    time = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})"
    lost = first.wait_for_log(rf"{time} .*The Lease .* was lost")[1]
    held = second.wait_for_log(rf"{time} .*Holding the Lease")[1]
    # As texts, which have the order of the times: at no time do both write.
    assert lost < held
    backup.set(state="completed", percentDone=100)
    user.wait("ref", "Ready")
    version = user.get("ref")["metadata"]["resourceVersion"]
    wire.thaw()
    first.wait_for_log("is back after")
    assert _series(first, "leader") == "0.0"
    assert second.stop() == 0
    first.wait_for_log("(?s)Holding the Lease.*Holding the Lease")
    user.ref("new", backup)
    user.wait("new", "Ready")
    assert user.get("ref")["metadata"]["resourceVersion"] == version


def test_a_watch_that_breaks_cancels_nothing_else(
    installed: ControlPlane, user: User, astra: Simulator, start_behind: Callable[..., Operator]
) -> None:
    """It starts anew by itself; the watch of another namespace goes on as it is, and so do the polls."""
    certificate, key = installed.certificate_for("127.0.0.1")
    event = {"type": "ERROR", "object": {"kind": "Status", "message": "broken"}}
    refs = "*/appbackuprefs"
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001))
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        operator = start_behind(proxy.url, "--namespace", "default", "--namespace", user.namespace)
        user.wait_reason("ref", "BackupInProgress")
        proxy.requests.wait_for(1, verb="watch", path=refs, namespace="default")
        with proxy.fault(kind="error-event", event=event, path=refs, namespace=user.namespace, count=1):
            operator.wait_for_log(f"The watch on AppBackupRefs of the namespace {user.namespace} starts anew")
        proxy.requests.wait_for(2, verb="watch", path=refs, namespace=user.namespace)
        (other,) = proxy.requests.matching(verb="watch", path=refs, namespace="default")
        assert other.ended is None
        user.ref("new", astra.add_backup("completes", seconds=0))
        user.wait("new", "Ready")
        limits = [parse_qs(each.query)["limit"] for each in proxy.requests.matching(verb="list", path=refs)]
        assert {int(limit) for (limit,) in limits} <= {1, 50}
        assert operator.stop() == 0
    assert "Traceback" not in operator.log


def test_what_was_deleted_while_the_watch_was_broken(
    installed: ControlPlane, user: User, astra: Simulator, start_behind: Callable[..., Operator]
) -> None:
    """The watch does not report it: the comparison with the list that follows its new beginning does."""
    certificate, key = installed.certificate_for("127.0.0.1")
    refs = "*/appbackuprefs"
    user.secret_for(astra)
    for name in ("gone", "stays"):
        user.ref(name, astra.add_backup("completes", seconds=0), interval="1h")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        operator = start_behind(proxy.url, "--namespace", user.namespace)
        user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
        with proxy.fault(kind="swallow", path=refs):
            user.kubectl("delete", "abr", "gone")
            event = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
            with proxy.fault(kind="error-event", event=event, path=refs, count=1):
                proxy.requests.wait_for(1, verb="get", path="*/appbackuprefs/gone")
        user.ref("new", astra.add_backup("completes", seconds=0))
        user.wait("new", "Ready")
        assert operator.metric('astra_mirror_refs{state="completed"}') == "2.0"
        assert json.loads(user.kubectl("get", "abr", "-o", "json"))["items"]
        operator.stop()


def test_a_signal_waits_for_the_statuses_that_are_known(
    installed: ControlPlane, user: User, astra: Simulator, start_behind: Callable[..., Operator]
) -> None:
    """They are written before the Lease goes, though the API server takes its time for each."""
    certificate, key = installed.certificate_for("127.0.0.1")
    user.secret_for(astra)
    for number in range(40):
        user.ref(f"ref-{number}", astra.add_backup("completes", seconds=0), interval="1h")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        with proxy.fault(verb="patch", latency=0.8):
            operator = start_behind(proxy.url, "--leader-elect", "--namespace", user.namespace)
            proxy.requests.wait_for(17, verb="patch", path="*/status")
            assert operator.stop() == 0
        assert len(proxy.requests.matching(verb="patch", path="*/status")) == 40
        release = proxy.requests.matching(verb="update", path="*/leases/*")[-1]
        assert all(
            each.ended is not None and each.ended <= release.at
            for each in proxy.requests.matching(verb="patch", path="*/status")
        )
    found = json.loads(user.kubectl("get", "abr", "-o", "json"))["items"]
    assert {each["status"]["state"] for each in found} == {"completed"}
