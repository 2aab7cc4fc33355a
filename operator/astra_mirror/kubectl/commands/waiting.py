"""`kubectl abr wait`: until each of some backups has ended, with an exit code that says how."""

import time
from datetime import UTC, datetime

from astra_mirror.kubectl.cluster import opened, roll_of
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode, highest
from astra_mirror.kubectl.core.names import Key
from astra_mirror.kubectl.core.roll import Roll
from astra_mirror.kubectl.core.waiting import (
    End,
    Pending,
    advance,
    end_text,
    last_line,
    next_decision_at,
    timed_out,
)
from astra_mirror.kubectl.observing import Observations, observing
from astra_mirror.kubectl.output import say


async def run(choice: Choice, *, limit: float | None) -> ExitCode:
    """Wait for all, for at most `limit` seconds."""
    async with opened(choice.place) as cluster:
        roll, queries = roll_of(choice, cluster.namespace)
        async with observing(cluster.api, queries) as observations:
            ends = await _Wait(roll, observations, limit, with_namespace=choice.is_everywhere).run()
    say(last_line(ends, with_namespace=choice.is_everywhere))
    return highest(each.ending.code for each in ends)


class _Wait:
    """Prints each as it ends."""

    def __init__(self, roll: Roll, observations: Observations, limit: float | None, *, with_namespace: bool) -> None:
        self._roll, self._observations = roll, observations
        self._deadline = None if limit is None else time.monotonic() + limit
        self._with_namespace = with_namespace
        self._ends: dict[Key, End] = {}

    async def run(self) -> list[End]:
        pending: dict[Key, Pending] = {}
        while True:
            verdicts = self._roll.verdicts(datetime.now(UTC))
            open_ones = {key: each for key, each in verdicts.items() if key not in self._ends}
            pending, ended = advance(pending, open_ones, time.monotonic())
            self._note(ended)
            if not pending:
                return list(self._ends.values())
            if self._is_over():
                self._note(timed_out(pending))
                return list(self._ends.values())
            for each in await self._observations.next(self._wake_up_at(pending)):
                self._roll.take(each)

    def _note(self, ends: list[End]) -> None:
        for each in ends:
            self._ends[each.key] = each
            say(end_text(each, with_namespace=self._with_namespace))

    def _is_over(self) -> bool:
        """Whether there is no time left; each query is waited for once, so that a time of 0 means one look."""
        was_asked = self._roll.is_read or any(True for _ in self._roll.troubles)
        return was_asked and self._deadline is not None and time.monotonic() >= self._deadline

    def _wake_up_at(self, pending: dict[Key, Pending]) -> float | None:
        was_asked = self._roll.is_read or any(True for _ in self._roll.troubles)
        moments = (next_decision_at(pending), self._deadline if was_asked else None)
        return min((each for each in moments if each is not None), default=None)
