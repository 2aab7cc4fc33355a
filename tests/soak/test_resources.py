"""What operators may hold at the end of a soak is what any of them held at its start."""

from dataclasses import replace

from dev.soak.process import Use
from dev.soak.resources import most

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
