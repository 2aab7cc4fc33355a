"""`kubectl abr wait`, run by the real kubectl: what it prints, how long it waits, and its exit codes."""

import asyncio
import signal
import time
from contextlib import ExitStack

import pytest

from astra_mirror.kubectl.api import Api
from astra_mirror.kubectl.command_line import group
from astra_mirror.kubectl.connection import connect
from astra_mirror.kubectl.core.choice import Place
from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.observed import Changed, Lost, Observation, Query
from astra_mirror.kubectl.observing import observing
from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.kubectl.core.objects import COMPLETED, FAILED, RUNNING, STALLED, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_monitor, write_ref, write_status
from tests.operator_process import StartOperator

EXPIRED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "code": 410}


def test_the_exit_code_says_how_backups_have_ended(
    plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """With an operator: each is printed as it ends, all are waited for, and the last line lists them."""
    user.secret_for(astra)
    good = astra.add_backup("stuck", seconds=0.001)
    user.ref("good", good)
    user.ref("bad", astra.add_backup("fails", seconds=1))
    start_operator()
    with plugin.running("wait", "good", "bad", "--timeout=60s") as waiting:
        assert waiting.wait_for("bad failed").startswith("bad failed: BackupFailed: The backup failed: ")
        good.set(state="completed")
        assert waiting.end() == 1
    assert [line.split(":")[0] for line in waiting.lines] == ["bad failed", "good succeeded", "succeeded"]
    assert waiting.lines[-1] == "succeeded: good; failed: bad"
    again = plugin.run("wait", "good")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "succeeded: good")
    # That there is no such backup in Astra Control is known at once.
    user.ref("lost", astra.add_backup("vanishes", seconds=0.01))
    user.wait_reason("lost", "BackupNotFound")
    began = time.monotonic()
    lost = plugin.run("wait", "lost", "good")
    assert (lost.returncode, time.monotonic() - began < 25) == (1, True)
    assert "lost failed: BackupNotFound: " in lost.stdout


def test_what_cannot_be_told_is_decided_after_thirty_seconds(plugin: Plugin, user: User) -> None:
    """Each cause of a 3, side by side: after thirty seconds without a change, while others are still waited for."""
    stale = RUNNING | {"Ready": "Unknown ObservationStale", "Synced": "False Unreachable"}
    write_ref(user, "stalled", RUNNING | STALLED | {"Ready": "False Unauthorized"})
    write_ref(user, "stale", stale)
    write_ref(user, "unseen")
    write_ref(user, "suspended", RUNNING | {"Synced": "Unknown Suspended"}, spec={"suspend": True})
    write_ref(user, "edited", COMPLETED | SYNCED)
    user.kubectl("patch", "abr", "edited", "--type=merge", '--patch={"spec":{"interval":"7s"}}')
    write_ref(user, "running", RUNNING | SYNCED)
    write_ref(user, "failed", FAILED | SYNCED)
    reasons = {
        "stalled": "Unauthorized",
        "stale": "ObservationStale",
        "unseen": "NoOperator",
        "suspended": "Suspended",
        "edited": "NoOperator",
        "missing": "NotFound",
        "abm/missing": "NotFound",
    }
    commands = {
        "each": ("wait", *reasons, "running", "--timeout=40s"),
        "with-a-failure": ("wait", "stalled", "failed"),
        "timed-out": ("wait", "stalled", "--timeout=5s"),
        "no-label": ("wait", "-l", "team=nobody"),
        "no-server": ("wait", "stalled", "--kubeconfig", str(_without_server(plugin))),
    }
    began = time.monotonic()
    with ExitStack() as stack:
        running = {name: stack.enter_context(plugin.running(*each)) for name, each in commands.items()}
        assert running["timed-out"].end() == 2
        assert running["timed-out"].lines[-1] == "timed out: stalled"
        for name, reason in reasons.items():
            running["each"].wait_for(f"{name} cannot be told: {reason}")
            assert time.monotonic() - began > 30
        # The one that runs was waited for all the time, and 3 outranks 2.
        assert {name: each.end() for name, each in running.items()} == {
            "each": 3,
            "with-a-failure": 1,
            "timed-out": 2,
            "no-label": 3,
            "no-server": 3,
        }
    names = ", ".join(sorted(reasons, key=list(reasons).index))
    told = running["each"].lines[-1]
    assert told.startswith("cannot be told: ")
    assert set(told.removeprefix("cannot be told: ").split("; ")[0].split(", ")) == set(names.split(", "))
    assert told.endswith("; timed out: running")
    assert running["with-a-failure"].lines[-1] == "failed: failed; cannot be told: stalled"
    assert "no ref in the namespace" in running["no-label"].lines[0]
    assert (
        "NoAPIServer: the API server https://127.0.0.1:1 cannot be reached: Connect call"
        in running["no-server"].lines[0]
    )


def _without_server(plugin: Plugin) -> object:
    path = plugin.kubeconfig.with_name("without-server")
    lines = plugin.kubeconfig.read_text().splitlines()
    text = "\n".join("    server: https://127.0.0.1:1" if "server:" in line else line for line in lines)
    path.write_text(text)
    return path


def test_a_monitor(plugin: Plugin, user: User) -> None:
    """Its objectives decide, and it is waited for beside refs."""
    met = {"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet"} | SYNCED
    missed = {"Ready": "False ObjectiveMissed", "ObjectivesMet": "False ObjectiveMissed", "Stalled": "True X"} | SYNCED
    write_monitor(user, "met", met)
    write_monitor(user, "missed", missed)
    write_ref(user, "good", COMPLETED | SYNCED)
    ended = plugin.run("wait", "abm/met", "good")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "succeeded: abm/met, good")
    ended = plugin.run("wait", "abm/met", "abm/missed")
    assert ended.returncode == 1
    assert "abm/missed failed: ObjectiveMissed: ObjectivesMet says so." in ended.stdout


def test_one_that_is_deleted_meanwhile(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """It is gone, which is a failure, and that is said."""
    write_ref(user, "goes", RUNNING | SYNCED, labels={"team": "shop"})
    write_ref(user, "moves", RUNNING | SYNCED, labels={"team": "shop"})
    write_ref(user, "stays", RUNNING | SYNCED, labels={"team": "shop"})
    with ExitStack() as stack:
        by_name, by_label = (
            stack.enter_context(behind_proxy.running("wait", *each))
            for each in (("goes", "stays"), ("-l", "team=shop"))
        )
        proxy.requests.wait_for(3, verb="watch")
        user.kubectl("delete", "abr", "goes")
        # One that loses the label is not waited for any longer; one that gets it is.
        user.kubectl("label", "abr", "moves", "team-")
        write_ref(user, "comes", RUNNING | SYNCED, labels={"team": "shop"})
        assert by_name.wait_for("goes") == by_label.wait_for("goes") == "goes failed: Deleted: it was deleted"
        write_status(user, "abr/stays", COMPLETED | SYNCED)
        write_status(user, "abr/comes", COMPLETED | SYNCED)
        assert (by_name.end(), by_label.end()) == (1, 1)
    assert by_name.lines[-1] == "succeeded: stays; failed: goes"
    assert by_label.lines[-1] in {"succeeded: stays, comes; failed: goes", "succeeded: comes, stays; failed: goes"}


@pytest.mark.parametrize("fault", ["error-event", "410", "cut", "503"])
def test_a_watch_that_breaks_is_begun_anew(behind_proxy: Plugin, proxy: FaultProxy, user: User, fault: str) -> None:
    """By an ERROR event, by an answer that its resourceVersion is too old, by a lost connection: nothing is missed."""
    write_ref(user, "good", RUNNING | SYNCED)
    faults: dict[str, dict[str, object]] = {
        "error-event": {"kind": "error-event", "event": {"type": "ERROR", "object": EXPIRED}, "count": 1},
        "410": {"kind": "status", "status": 410, "verb": "watch", "count": 2},
        "cut": {"kind": "cut", "verb": "watch", "count": 2},
        "503": {"kind": "status", "status": 503, "count": 2},
    }
    path = "*/appbackuprefs"
    with proxy.fault(path=path, **faults[fault]), behind_proxy.running("wait", "good", "--timeout=60s") as waiting:
        proxy.requests.wait_for(3 if fault != "error-event" else 2, verb="watch" if fault != "503" else None, path=path)
        write_status(user, "abr/good", COMPLETED | SYNCED)
        assert waiting.end() == 0, waiting.errors
    listed = len(proxy.requests.matching(verb="list", path=path))
    # After a 410 all is listed anew; after another failure the watch goes on where it was.
    assert listed == {"error-event": 2, "410": 3, "cut": 1, "503": 3}[fault]
    watches = proxy.requests.matching(verb="watch", path=path)
    assert all("resourceVersion=" in each.query and "fieldSelector=metadata.name" in each.query for each in watches)


async def test_an_api_server_that_is_frozen(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """It is noticed although the connection stays open: a watch must bring something, or end, in half a minute."""
    await asyncio.to_thread(write_ref, user, "good", RUNNING | SYNCED)
    connection = await connect(Place(str(behind_proxy.kubeconfig)))
    query = Query(Kind.REF, user.namespace, names=frozenset({"good"}))
    async with asyncio.timeout(30), observing(Api(connection, silence=1.0), [query]) as observations:
        await asyncio.to_thread(proxy.requests.wait_for, 1, verb="watch")
        with proxy.fault(kind="silent", open_only=True):
            await asyncio.to_thread(write_status, user, "abr/good", COMPLETED | SYNCED)
            seen: list[Observation] = []
            while not any(isinstance(each, Changed) and each.seen.condition("Ready").status == "True" for each in seen):
                seen += await observations.next(None)
    await connection.close()
    assert any(isinstance(each, Lost) and "has not answered in time" in each.text for each in seen)


def test_an_interrupt(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """130, and no traceback."""
    write_ref(user, "running", RUNNING | SYNCED)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        proxy.requests.clear()
        with behind_proxy.running("wait", "running") as waiting:
            proxy.requests.wait_for(1, verb="watch")
            waiting.process.send_signal(number)
            assert waiting.end() == code
        assert "Traceback" not in waiting.errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name what to wait for: NAME, abm/NAME or -l SELECTOR."),
        (("a", "-l", "b=c"), "NAME and --selector exclude each other."),
        (("a", "-A"), "leave --all-namespaces out."),
        (("pod/a",), "'pod/a' is no name: NAME is an AppBackupRef, abm/NAME an AppBackupMonitor."),
        (("a", "--timeout", "2"), "'2' is not a duration: write numbers with units, such as 15s, 1m30s or 24h"),
        (("a", "--timeout", "-1s"), "is not a duration"),
        (("a", "-n", "A"), "'A' is no name of a namespace"),
        (("a", "--nonsense"), "No such option"),
        (("-l", "a b c"), "unable to parse requirement"),
    ],
)
def test_a_wrong_command_line(plugin: Plugin, arguments: tuple[str, ...], words: str) -> None:
    """64, with what to type instead."""
    ended = plugin.run("wait", *arguments)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert words in ended.stderr


def test_without_a_timeout_there_is_no_limit() -> None:
    """None is passed on, which means that."""
    with group.commands["wait"].make_context("wait", ["a"]) as context:
        assert context.params["timeout"] is None
    with group.commands["wait"].make_context("wait", ["a", "--timeout", "2h"]) as context:
        assert context.params["timeout"] == 7200


def test_one_look(plugin: Plugin, user: User) -> None:
    """With --timeout 0 nothing is waited for, but for the answer of the API server."""
    write_ref(user, "good", COMPLETED | SYNCED)
    write_ref(user, "running", RUNNING | SYNCED)
    ended = plugin.run("wait", "good", "running", "--timeout", "0")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (2, "succeeded: good; timed out: running")


def test_a_role_for_one_ref_is_enough(reader_of_one: Plugin, user: User) -> None:
    """Each of some names has a watch of its own, which such a role allows."""
    write_ref(user, "mine", COMPLETED | SYNCED)
    ended = reader_of_one.run("wait", "mine")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "succeeded: mine"), ended.stdout


def test_all_namespaces(plugin: Plugin, user: User) -> None:
    """With the namespace beside each name."""
    write_ref(user, "good", COMPLETED | SYNCED, labels={"in": user.namespace})
    ended = plugin.run("wait", "-A", "-l", f"in={user.namespace}")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, f"succeeded: good ({user.namespace})")
