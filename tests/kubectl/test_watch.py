"""`kubectl abr watch`: bars that move on a terminal, a line for each change anywhere else."""

import signal

from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.kubectl.core.objects import COMPLETED, FAILED, RUNNING, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_ref, write_status
from tests.operator_process import StartOperator

SUSPENDED = RUNNING | {"Synced": "Unknown Suspended"}
HIDE_CURSOR, UP = b"\x1b[?25l", b"\x1b[1A"


def _progress(percent: int) -> dict[str, object]:
    return {"percentDone": percent, "bytesPerSecond": 52_428_800, "summary": f"{percent}% of 2.9 GiB"}


def test_in_a_terminal(plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """With an operator, from the start of a backup to its end: bars with rate and time left, redrawn in place."""
    user.secret_for(astra)
    user.ref("one", astra.add_backup("completes", seconds=8))
    user.ref("two", astra.add_backup("fails", seconds=4))
    write_ref(user, "paused", SUSPENDED, spec={"suspend": True})
    start_operator()
    with plugin.terminal("watch") as terminal:
        terminal.wait_for("MiB/s")
        terminal.wait_for("BackupFailed: The backup failed: ")
        assert terminal.end() == 0
        # The table stays as it was last, and so does the cursor.
        rows = {line.split()[0]: line for line in terminal.text.splitlines()}
        assert list(rows) == ["NAME", "one", "paused", "two"]
        assert rows["NAME"].split() == ["NAME", "STATE", "PROGRESS", "RATE", "LEFT", "REMARK"]
        assert "━" * 20 + "   100%" in rows["one"]
        assert rows["paused"].endswith("suspended")
        assert terminal.shows_cursor
    assert HIDE_CURSOR in terminal.sent
    assert UP in terminal.sent


def test_without_a_terminal(plugin: Plugin, user: User) -> None:
    """One line for each change, and no escape codes; it ends when all have finished."""
    write_ref(user, "runs", RUNNING | SYNCED, state="running", progress=_progress(42))
    write_ref(user, "paused", SUSPENDED, spec={"suspend": True}, state="running")
    with plugin.running("watch", FORCE_COLOR="1") as watching:
        watching.wait_for("42%")
        write_status(user, "abr/runs", RUNNING | SYNCED, state="running", progress=_progress(43))
        watching.wait_for("43%")
        # Nothing that is shown has changed.
        user.kubectl("label", "abr", "runs", "x=y")
        write_status(user, "abr/runs", COMPLETED | SYNCED, state="completed", progress=_progress(100))
        assert watching.end() == 0
    assert watching.lines == [
        "runs: running, 42% of 2.9 GiB, 50.0 MiB/s",
        "paused: running (suspended)",
        "runs: running, 43% of 2.9 GiB, 50.0 MiB/s",
        "runs: completed, 100% of 2.9 GiB",
    ]
    assert watching.errors == ""


def test_all_have_finished_already(plugin: Plugin, user: User) -> None:
    """It ends at once, whatever has become of them; so it does where there are none."""
    empty = plugin.run("watch")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert f"no refs in the namespace {user.namespace}" in empty.stderr
    write_ref(user, "done", COMPLETED | SYNCED, state="completed", labels={"team": "shop"})
    write_ref(user, "bad", FAILED | SYNCED, state="failed")
    assert plugin.run("watch", "done", "bad").stdout.splitlines() == [
        "bad: failed (BackupFailed: Succeeded says so.)",
        "done: completed",
    ]
    assert plugin.run("watch", "-l", "team=shop").stdout == "done: completed\n"
    assert "have the labels team=x" in plugin.run("watch", "-l", "team=x").stderr


def test_one_that_is_deleted(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """It has finished, and that is said."""
    write_ref(user, "goes", RUNNING | SYNCED, state="running")
    with behind_proxy.running("watch", "goes") as watching:
        proxy.requests.wait_for(1, verb="watch")
        user.kubectl("delete", "abr", "goes")
        assert watching.end() == 0
    assert watching.lines == ["goes: running", "goes: running (deleted)"]


def test_while_the_api_server_is_away(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """What is shown stays, with a remark, until it is back."""
    write_ref(user, "runs", RUNNING | SYNCED, state="running")
    with behind_proxy.terminal("watch", "runs") as terminal:
        terminal.wait_for("running")
        proxy.requests.wait_for(1, verb="watch")
        with proxy.fault(kind="error-event", event={"type": "ERROR", "object": {"message": "broken"}}, count=1):
            with proxy.fault(kind="status", status=503):
                terminal.wait_for("trying again")
                assert "runs" in terminal.text
            write_status(user, "abr/runs", COMPLETED | SYNCED, state="completed")
            assert terminal.end() == 0
        assert "trying again" not in terminal.text
        assert "completed" in terminal.text


def test_more_than_the_terminal_has_lines_for(plugin: Plugin, user: User) -> None:
    """Those that run come first, the rest is counted; in the end all are there."""
    for number in range(5):
        write_ref(user, f"done-{number}", COMPLETED | SYNCED, state="completed")
    write_ref(user, "runs", RUNNING | SYNCED, state="running")
    with plugin.terminal("watch", lines=6) as terminal:
        terminal.wait_for("… and 4 more")
        assert terminal.text.splitlines()[1].startswith("runs")
        write_status(user, "abr/runs", COMPLETED | SYNCED, state="completed")
        assert terminal.end() == 0
    assert terminal.sent.count(b"done-4") == 1


def test_an_interrupt_in_a_terminal(plugin: Plugin, user: User) -> None:
    """The cursor is back, and no traceback is shown."""
    write_ref(user, "runs", RUNNING | SYNCED, state="running")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with plugin.terminal("watch") as terminal:
            terminal.wait_for("running")
            terminal.send(number)
            assert terminal.end() == code
            assert terminal.shows_cursor
            assert "Traceback" not in terminal.text


def test_a_dumb_terminal(plugin: Plugin, user: User) -> None:
    """On one that cannot draw again, each change is a line as well."""
    write_ref(user, "done", COMPLETED | SYNCED, state="completed")
    command = ["env", "TERM=dumb", "kubectl", "abr", "watch"]
    with plugin.terminal_of(command) as terminal:
        assert terminal.end() == 0
    assert terminal.sent == b"done: completed\r\n"


def test_nobody_reads_any_longer(plugin: Plugin, user: User) -> None:
    """As in `kubectl abr list | true`: that is no error which needs words."""
    write_ref(user, "done", COMPLETED | SYNCED, state="completed")
    ended = plugin.shell("(kubectl abr list; echo $? >&3) 3>&2 | true")
    assert ended.stderr.strip() in {"0", "141"}
