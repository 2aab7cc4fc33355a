"""Actions are performed in their lanes, and what has an end has ended before a run is over."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, cast

import pytest

from dev.soak.actions import Action, Lane, Script
from dev.soak.lanes import Runner
from dev.soak.stage import Stage


class _Stage:
    """A stage without a control plane: it discards what is logged."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def log(self, _: str) -> None:
        """Discard it."""


def _perform(stage: Stage, args: Mapping[str, Any], _: float) -> Callable[[], object] | None:
    done = cast("_Stage", stage).done
    done.append(args["name"])
    return (lambda: done.append(f"end of {args['name']}")) if args.get("ends") else None


def _fail(*_: object) -> None:
    raise ValueError("a fault of the soak's own")


def _be_busy(*_: object) -> None:
    """Until what comes next in the lane is late."""
    Event().wait(0.3)


def _run(*actions: Action) -> list[str]:
    stage = _Stage()
    runner = Runner(cast("Stage", stage), Script(1, 0.3, "one", actions), [], {"do": _perform, "fail": _fail})
    runner.run()
    return stage.done


def _action(at: float, name: str, lane: Lane = "users", seconds: float = 0.0, *, ends: bool = False) -> Action:
    return Action(at, lane, "do", {"name": name, "ends": ends}, seconds)


def test_a_lane_does_one_thing_after_the_other() -> None:
    """In the order of their times."""
    assert _run(_action(0.0, "a"), _action(0.1, "b"), _action(0.2, "c")) == ["a", "b", "c"]


def test_what_has_an_end_ends_in_its_time() -> None:
    """While other actions go on."""
    assert _run(_action(0.0, "a", seconds=0.2, ends=True), _action(0.1, "b")) == ["a", "b", "end of a"]


def test_what_is_left_ends_with_the_run() -> None:
    """Nothing that was broken stays so."""
    assert _run(_action(0.0, "a", seconds=60, ends=True)) == ["a", "end of a"]


def test_the_cluster_does_nothing_while_it_is_broken() -> None:
    """What comes next would wait for what is broken."""
    broken = _action(0.0, "a", "cluster", 0.2, ends=True)
    assert _run(broken, _action(0.1, "b", "cluster")) == ["a", "end of a", "b"]


def test_a_failure_of_the_soak_itself_ends_it() -> None:
    """It says nothing of the operator, and what would come later is not done."""
    stage = _Stage()
    script = Script(1, 0.3, "one", (Action(0.0, "users", "fail"), _action(0.2, "later")))
    runner = Runner(cast("Stage", stage), script, [], {"do": _perform, "fail": _fail})
    with pytest.raises(BaseExceptionGroup, match="the soak itself has failed"):
        runner.run()
    assert stage.done == []


def test_how_far_a_lane_is_behind_is_said() -> None:
    """What happens at the same time is not quite what the plan has."""
    actions = (Action(0.0, "users", "busy"), _action(0.05, "a"), _action(0.05, "b", "astra"))
    runner = Runner(cast("Stage", _Stage()), Script(1, 0.3, "one", actions), [], {"do": _perform, "busy": _be_busy})
    runner.run()
    assert runner.lag >= 0.2
