"""The turns of lists that have waited long for admission: while a list has its turn, no other list is admitted.

Without them, a large list would wait for as long as smaller ones follow each other without a gap. Turns are round robin
over namespaces, and between two of them other lists are admitted as usual, so that nobody shuts others out by turns.
"""

from collections.abc import Collection, Hashable
from typing import Final

from astra_mirror.core.body import MAX_HOLD_SECONDS, MAX_WAIT_SECONDS, Body

TURN_SECONDS: Final = 2.5 * MAX_HOLD_SECONDS
"""The time from the beginning of a turn to the next.

Within `MAX_HOLD_SECONDS` all lists that were admitted before have ended or are evicted, so that the list is admitted;
another `MAX_HOLD_SECONDS` later it has ended or is evicted itself. The rest is for other lists.

So a list that is alone in its namespace waits at most `TURN_SECONDS` for each namespace whose lists wait at the same
time, itself included, as it may have had the last turn, and `MAX_HOLD_SECONDS` until it is admitted.
"""


class Turns:
    """Which list has its turn, and which namespaces had theirs."""

    def __init__(self) -> None:
        self.body: Body | None = None
        self.next_at = float("-inf")
        """When the next turn may begin."""
        self._had: dict[Hashable, float] = {}
        """When each namespace last had a turn."""

    def begin(self, waiting: Collection[Body], now: float) -> None:
        """Give a list its turn, if it is time for the next turn and one has waited for long.

        Args:
            waiting: all lists that wait for admission.
            now: the time.
        """
        if now < self.next_at:
            return
        overdue = [body for body in waiting if now >= body.waits_since + MAX_HOLD_SECONDS]
        if not overdue:
            return
        # Nobody who waits now has waited while an older turn took place.
        self._had = {key: last for key, last in self._had.items() if now < last + MAX_WAIT_SECONDS}
        never = float("-inf")
        first = min(overdue, key=lambda body: (self._had.get(body.path[0], never), body.waits_since, body.number))
        # Within a connection the oldest goes first.
        self.body = min((body for body in waiting if body.path == first.path), key=lambda body: body.number)
        self._had[first.path[0]] = now
        self.next_at = now + TURN_SECONDS

    def end(self, body: Body) -> None:
        """End the turn of a list, if it has one."""
        if self.body is body:
            self.body = None
