"""Operators are started anew when they give up, whatever else happens to them at the same time."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from dev.soak.process import Build
from dev.soak.stage import Stage
from dev.soak.topology import SLOTS

_WAIT_SECONDS: Final = 30.0
_GIVES_UP: Final = "echo 'astra-mirror: the API server refuses the watch'; exit 1"
Make = Callable[[str], Stage]


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> Iterator[Make]:
    """Makes a stage of no more than operators, each of which is a shell script."""
    stages: list[Stage] = []

    def make(script: str) -> Stage:
        command = tmp_path / "operator"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
        nothing: Any = None
        places: Any = SimpleNamespace(
            **dict.fromkeys(["plain", "tls", "raw", "held", "echo", "closed"], "http://127.0.0.1:1")
        )
        slots: Any = [SimpleNamespace(kubeconfig=tmp_path / "kubeconfig")] * SLOTS
        stages.append(Stage(nothing, nothing, nothing, nothing, places, slots, tmp_path, 1, Build(command)))
        return stages[-1]

    yield make
    for stage in stages:
        stage.end_operators()


def _started(stage: Stage, *, has_ended: bool) -> Stage:
    """With the operator of the topology "one", which may have to end first."""
    stage.start_topology("one")
    deadline = time.monotonic() + _WAIT_SECONDS
    while has_ended and stage.running[0].code is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return stage


def test_an_operator_that_gives_up_is_started_anew(make: Make) -> None:
    """As a Deployment's is."""
    stage = _started(make(_GIVES_UP), has_ended=True)
    first = stage.running[0]
    stage.revive()
    assert stage.running[0] is not first
    assert first.is_meant_to_end


def test_an_operator_that_crashes_is_not(make: Make) -> None:
    """It is to be found."""
    stage = _started(make("exit 1"), has_ended=True)
    first = stage.running[0]
    stage.revive()
    assert stage.running[0] is first
    assert not first.is_meant_to_end


def test_an_operator_that_is_ended_meanwhile_is_left_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed between the look at those that run and their revival."""
    stage = _started(make(_GIVES_UP), has_ended=True)
    seen = stage.now_running()
    stage.end(0, signal.SIGKILL)
    monkeypatch.setattr(stage, "now_running", lambda: seen)
    stage.revive()
    assert stage.running == {}


def test_nothing_is_started_after_the_end(make: Make) -> None:
    """Not by what is still under way."""
    stage = _started(make("exec sleep 600"), has_ended=False)
    stage.end_operators()
    stage.start(0)
    assert stage.running == {}


@pytest.mark.parametrize(("topology", "slots"), [("one", [0, 0, 0]), ("pair", [0, 1, 0]), ("three-shards", [0, 1, 2])])
def test_each_number_is_an_operator(make: Make, topology: str, slots: list[int]) -> None:
    """A plan that means the third of one operator would do nothing."""
    stage = make("exec sleep 600")
    stage.topology = topology
    assert [stage.slot_in_use(number) for number in range(SLOTS)] == slots
