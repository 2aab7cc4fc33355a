"""An operator is blamed for standing still when it was at work, and not when its machine was."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from dev.soak.health import Health, is_hold


@pytest.mark.parametrize(
    ("waited", "worked", "expected"),
    [(2.5, 2.4, True), (2.5, 0.3, False), (1.9, 1.9, False), (2.5, 4.0, True), (30.0, 0.0, False)],
)
def test_a_hold(waited: float, worked: float, *, expected: bool) -> None:
    """Its threads may work for longer than it was waited for."""
    assert is_hold(waited, worked) is expected


def _fail() -> float:
    raise ValueError("a fault of the soak's own")


def test_a_prober_that_has_ended_says_so() -> None:
    """Nobody takes its silence for health."""
    process: Any = SimpleNamespace(
        name="one", address=lambda: "127.0.0.1:1", code=None, ended_at=None, processor_seconds=_fail
    )
    health = Health(process)
    health.start()
    for thread in threading.enumerate():
        if thread.name == "health of one":
            thread.join()
    with pytest.raises(RuntimeError, match="the soak's prober of one has ended"):
        health.findings()
