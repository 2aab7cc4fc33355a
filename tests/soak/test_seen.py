"""An object without conditions is found, also one that never had any; later where something has kept it from sight."""

import time
from collections.abc import Sequence
from typing import Any, Final

from dev.soak import seen
from dev.soak.history import Version

_CONDITIONS: Final = [{"type": str(number)} for number in range(4)]


def _version(age: float, conditions: list[Any], *, is_last: bool = False) -> Version:
    metadata = {"namespace": "ns", "name": "ref", "resourceVersion": "1"}
    item = {"metadata": metadata, "status": {"conditions": conditions}}
    return Version(time.time() - age, item, follows=False, is_last=is_last)


def _is_found(
    *versions: Version, swallowed: tuple[float, float] | None = None, outages: Sequence[tuple[float, float]] = ()
) -> bool:
    now = time.time()
    times = [] if swallowed is None else [(now - swallowed[0], now - swallowed[1])]
    return bool(seen.check([versions], times, [(now - begin, now - end) for begin, end in outages]))


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


def test_an_object_that_nobody_could_have_written() -> None:
    """The two minutes are of the time in which the API server was there, however its outages overlap."""
    assert not _is_found(_version(200, []), outages=[(210, 110)])
    assert _is_found(_version(230, []), outages=[(240, 130)])
    assert _is_found(_version(200, []), outages=[(300, 210)])
    assert not _is_found(_version(200, []), outages=[(150, 110), (160, 70), (140, 130)])
    assert _is_found(_version(200, []), outages=[(160, 90), (150, 110), (140, 130)])
    assert _is_found(_version(400, []), _version(270, _CONDITIONS), outages=[(260, 100)])
