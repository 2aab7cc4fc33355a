"""Which of many goes ahead when their list has failed, and finds out for all of them whether the server is at fault."""

from collections.abc import Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """Who may go ahead. `is_observed`: whether its backup has ever been described or denied by the server."""

    uid: str
    is_observed: bool


def choose(candidates: Sequence[Candidate], last: str | None) -> str:
    """The uid of the one that goes ahead.

    It is never the one that went ahead last time, while there is another: its backup alone may be at fault. What was
    observed before is more likely to be answered than what somebody has just written.

    Args:
        candidates: one at least, in the order in which they began to wait.
        last: the uid of the one that went ahead last time; None when none has.
    """
    return min(candidates, key=lambda each: (each.uid == last, not each.is_observed)).uid
