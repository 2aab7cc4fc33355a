"""Chooses the ref whose canary request finds out, after a list has failed, whether the server is at fault."""

from collections.abc import Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """A ref that may be chosen. `is_observed`: whether its backup has ever been described or denied by the server."""

    uid: str
    is_observed: bool


def choose(candidates: Sequence[Candidate], last: str | None) -> str:
    """The uid of the chosen ref.

    It is never the ref that was chosen last time while there is another: its backup alone may be at fault. A ref that
    has been observed before is more likely to get an answer than a new one.

    Args:
        candidates: one at least, the longest-waiting first.
        last: the uid that was chosen last time; None if none has been.
    """
    return min(candidates, key=lambda each: (each.uid == last, not each.is_observed)).uid
