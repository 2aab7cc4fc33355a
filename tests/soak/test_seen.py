"""An object without conditions is found, also one that never had any, and later where watches have swallowed it."""

import time
from typing import Any, Final

from dev.soak import seen
from dev.soak.history import Version

_CONDITIONS: Final = [{"type": str(number)} for number in range(4)]


def _version(age: float, conditions: list[Any], *, is_last: bool = False) -> Version:
    metadata = {"namespace": "ns", "name": "ref", "resourceVersion": "1"}
    item = {"metadata": metadata, "status": {"conditions": conditions}}
    return Version(time.time() - age, item, follows=False, is_last=is_last)


def _is_found(*versions: Version, swallowed: tuple[float, float] | None = None) -> bool:
    now = time.time()
    times = [] if swallowed is None else [(now - swallowed[0], now - swallowed[1])]
    return bool(seen.check([versions], times))


def test_an_object_without_conditions() -> None:
    """For two minutes."""
    assert not _is_found(_version(110, []))
    assert _is_found(_version(130, []))
    assert _is_found(_version(400, []), _version(270, _CONDITIONS))
    assert not _is_found(_version(400, []), _version(290, _CONDITIONS))


def test_an_object_that_was_deleted_before() -> None:
    """It needed none any more."""
    assert not _is_found(_version(400, []), _version(290, [], is_last=True))


def test_an_object_of_which_no_watch_has_told() -> None:
    """The list of every five minutes does."""
    assert not _is_found(_version(300, []), swallowed=(305, 295))
    assert _is_found(_version(340, []), swallowed=(345, 335))
    assert _is_found(_version(300, []), swallowed=(290, 280))
