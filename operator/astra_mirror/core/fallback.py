"""What a failed request says about the refs that it was not made for: they share it, or somebody asks for them apart.

A list that fails says nothing about any backup: the request for the single backup decides. But a thousand refs of a
dead server must not find that out one by one.
"""

from enum import Enum
from typing import Final

from astra_mirror.core.outcome import Failed, SyncReason

_SAME_FOR_EVERY_REQUEST: Final = frozenset({SyncReason.UNAUTHORIZED, SyncReason.RATE_LIMITED})
_NOT_OF_WHAT_WAS_ASKED: Final = _SAME_FOR_EVERY_REQUEST | {
    SyncReason.UNREACHABLE,
    SyncReason.SERVER_ERROR,
    SyncReason.URL_NOT_ALLOWED,
}


class AfterList(Enum):
    """What to do for the refs of a list that failed."""

    SHARE = "every other request would fail like this one: it is the failure of each ref"
    ONE_AHEAD = "the server or the connection may be at fault, or the list by its size: the request for one finds out"
    ASK_APART = "the list is at fault: leave it alone for a while, and ask otherwise"


def after_list(failure: Failed) -> AfterList:
    """What follows when a list was not answered."""
    if failure.reason in _SAME_FOR_EVERY_REQUEST:
        return AfterList.SHARE
    return AfterList.ONE_AHEAD if concerns_all(failure) else AfterList.ASK_APART


def concerns_all(failure: Failed) -> bool:
    """Whether the failure does not come from what was asked for: another ref's request would fare no better."""
    return failure.reason in _NOT_OF_WHAT_WAS_ASKED
