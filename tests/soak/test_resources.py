"""What operators may hold at the end of a soak: what they held at its start, or what their leader held then."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from dev.soak.procfs import Use
from dev.soak.resources import contexts_left, growth, left_behind, most

if TYPE_CHECKING:
    from dev.soak.process import Process

_LEADER = Use(1.0, 80.0, 9, 4, {"follow": 3, "poll": 1})
_STANDBY = Use(1.5, 60.0, 2, 2, {"elect": 1, "follow": 1})


def test_whoever_stood_by_may_hold_what_the_leader_held() -> None:
    """It leads when the other has lost its Lease; what is measured of memory stays its own."""
    tasks = {"follow": 3, "poll": 1, "elect": 1}
    found = most({"leader": _LEADER, "standby": _STANDBY})
    assert found["standby"] == replace(_STANDBY, sockets=9, tasks=tasks)
    assert found["leader"] == replace(_LEADER, tasks=tasks)


def test_an_operator_that_does_not_tell_its_tasks_has_none_compared() -> None:
    """Another version's, which is given by its command."""
    assert most({"other": replace(_LEADER, tasks=None)})["other"].tasks is None


def _samples(early: float, late: float) -> list[Use]:
    """Ten minutes, one sample a second."""
    return [Use(float(at), early if at < 300 else late, 2, 2) for at in range(600)]


def test_memory_that_grows_is_found() -> None:
    """By more than ten MiB from the second fifth to the last."""
    assert not growth({"one": _samples(80, 89)}, 0, 600)
    assert [each.subject for each in growth({"one": _samples(80, 91)}, 0, 600)] == ["one"]
    assert not growth({"one": _samples(80, 91)[270:330]}, 270, 330), "in a minute, all may happen late"


def test_a_process_that_was_started_later_takes_later_what_is_taken_once() -> None:
    """A second one of the same run that was there from the beginning is held to what it had."""
    samples = _samples(80, 120)
    later = [each for each in samples if each.at >= 130]
    found = growth({"first": samples[:100], "there": samples, "later": later}, 0, 600)
    assert [each.subject for each in found] == ["there"]


def test_whoever_stood_by_may_grow_as_large_as_the_leader_was() -> None:
    """And not larger."""
    assert not growth({"leader": _samples(80, 60), "standby": _samples(60, 89)}, 0, 600)
    found = growth({"leader": _samples(80, 60), "standby": _samples(60, 91)}, 0, 600)
    assert [each.subject for each in found] == ["standby"]


def test_a_peak_beyond_the_pods_limit_is_found() -> None:
    """However short it is."""
    samples = [*_samples(80, 80), Use(300.5, 513, 2, 2)]
    assert [each.invariant for each in growth({"one": samples}, 0, 600)] == ["memory stays under the pod's limit"]


def test_sockets_that_are_left_are_found() -> None:
    """But for those that the renewal of a Lease keeps from being closed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        process = cast("Process", SimpleNamespace(name="one", pid=other.pid))
        assert not left_behind(process, _LEADER, replace(_LEADER, sockets=25), is_elected=True)
        found = left_behind(process, _LEADER, replace(_LEADER, sockets=12), is_elected=False)
        other.kill()
    assert found == ["has 12 sockets, 9 at the start: {}"]


def test_tls_contexts_that_are_left_are_found_in_whoever_was_started_later() -> None:
    """Beyond those that are kept for a while; its tasks and sockets are not compared."""
    before = [_LEADER, replace(_STANDBY, tasks={"SSLContext": 2})]
    later = {number: replace(_LEADER, sockets=40, tasks={"other": 9, "SSLContext": number}) for number in (26, 27)}
    assert not contexts_left(before, later[26])
    assert contexts_left(before, later[27]) == ["has 27 TLS contexts, where 26 are allowed"]
    assert not contexts_left(before, replace(_LEADER, tasks=None))
