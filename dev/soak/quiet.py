"""Whether anything is written while nothing changes, but for what time alone changes."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from dev.soak import conditions
from dev.soak.history import Version

_LIE_SECONDS: Final = 100.0
"""For so long a lie may have consequences: the end of a watch that is frozen is noticed after 90 s."""
_DISPUTE_SECONDS: Final = 150.0
"""For so long two operators may be of two opinions: a probe a minute, a correction a minute, and one more."""


def restless(
    versions: Sequence[Version], since: float, patches: int, lies: Container[str], *, has_rivals: bool
) -> str | None:
    """How often a status was written in the quiet time; None where that is as it should be.

    Args:
        versions: those of one object, oldest first.
        since: when the quiet time began.
        patches: how many writes of its status the operators have asked for since; one that changes nothing makes no
            version.
        lies: the numbers of versions that somebody else has written.
        has_rivals: whether two operators write it.
    """
    if versions[-1].is_last or (has_rivals and _is_disputed(versions, since)):
        return None
    lied_at = max((each.at for each in versions if each.number in lies), default=float("-inf"))
    late = [number for number, each in enumerate(versions) if each.at > since and each.at - lied_at > _LIE_SECONDS]
    # Time alone changes a failing status at most once: a missing Secret becomes Stalled, an observation becomes stale,
    # or a probe brings new words.
    told = sum(number > 0 and _says_it_again(versions[number - 1], versions[number]) for number in late)
    allowed = 1 if _is_failing(versions[-1]) else 0
    is_corrected = since - lied_at < _LIE_SECONDS
    if len(late) > min(told, allowed) or (patches > allowed and not is_corrected):
        return f"{len(late)} versions and {patches} PATCHes"
    return None


def _says_it_again(before: Version, after: Version) -> bool:
    """Whether both tell of the same failure."""
    old, new = _synced(before), _synced(after)
    return _is_failing(after) and old.get("reason") == new.get("reason")


def _is_disputed(versions: Sequence[Version], since: float) -> bool:
    """Whether two operators may be of different opinions: about a failure, until each has found out by itself.

    Where none is asked any more, because it fails for good or is suspended, each shows what it saw last for ever.
    """
    first = max((number for number, each in enumerate(versions) if each.at <= since - _DISPUTE_SECONDS), default=0)
    return any(_synced(each).get("status") != "True" for each in versions[first:])


def _is_failing(version: Version) -> bool:
    return bool(_synced(version).get("status") == "False")


def _synced(version: Version) -> Mapping[str, Any]:
    return conditions.by_type(version.status).get("Synced", {})
