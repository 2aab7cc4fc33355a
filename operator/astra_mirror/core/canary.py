"""Chooses the object for the canary request after a list has failed, which shows whether the server is at fault."""

from collections.abc import Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """An object that may be chosen. `is_observed`: whether the server has ever described its backup, or denied it."""

    uid: str
    is_observed: bool


def choose(candidates: Sequence[Candidate], last: str | None) -> str:
    """The uid of the object that the canary request is sent for.

    It is never the same object twice in a row if there is another, because the fault may lie in its backup. A ref that
    has been observed is more likely to succeed than a new one.

    Args:
        candidates: at least one, in the order in which they began to wait.
        last: the uid that was chosen last time; None the first time.
    """
    return min(candidates, key=lambda each: (each.uid == last, not each.is_observed)).uid
