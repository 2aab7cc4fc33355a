"""How operators end is reported once, whatever it was; and one that has vanished is found, not failed on."""

from types import SimpleNamespace
from typing import Any

import pytest

from dev.soak.ends import ended, metrics
from dev.soak.process import NotReadyError

_BY_ITSELF = "an operator ends when it is told to, and then only"
_CODE = "the exit code is 0 after SIGTERM"


def _process(code: int | None, **more: Any) -> SimpleNamespace:
    as_meant = {"is_meant_to_end": True, "was_stopped": True, "has_given_up": False}
    return SimpleNamespace(name="one", code=code, log="", **as_meant | more)


def _stage(process: SimpleNamespace) -> Any:
    return SimpleNamespace(processes=[process], now_running=lambda: [process], topology="one", seed=1)


@pytest.mark.parametrize(
    ("process", "invariants"),
    [
        (_process(0), []),
        (_process(None, is_meant_to_end=False, was_stopped=False), []),
        (_process(1, is_meant_to_end=False, was_stopped=False), [_BY_ITSELF]),
        (_process(1), [_CODE]),
        (_process(1, has_given_up=True), []),
        (_process(-9, is_meant_to_end=False), [_BY_ITSELF, _CODE]),
    ],
)
def test_ends(process: SimpleNamespace, invariants: list[str]) -> None:
    """Each is found once, and the process is left as it was."""
    stage, reported, before = _stage(process), set[str](), dict(vars(process))
    assert [each.invariant for each in ended(stage, reported)] == invariants
    assert ended(stage, reported) == []
    assert vars(process) == before


def _nowhere() -> str:
    raise NotReadyError("one does not serve HTTP")


@pytest.mark.parametrize("address", [lambda: "127.0.0.1:1", _nowhere])
def test_an_operator_without_metrics_is_a_finding(address: Any) -> None:
    """It has ended meanwhile, say: that is no fault of the soak."""
    found = metrics(_stage(_process(1, address=address)))
    assert [each.invariant for each in found] == ["an operator serves its metrics"]
