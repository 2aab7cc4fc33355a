"""An operator is blamed for standing still when it was at work, and not when its machine was."""

import pytest

from dev.soak.health import is_hold


@pytest.mark.parametrize(
    ("waited", "worked", "expected"),
    [(2.5, 2.4, True), (2.5, 0.3, False), (1.9, 1.9, False), (2.5, 4.0, True), (30.0, 0.0, False)],
)
def test_a_hold(waited: float, worked: float, *, expected: bool) -> None:
    """Its threads may work for longer than it was waited for."""
    assert is_hold(waited, worked) is expected
