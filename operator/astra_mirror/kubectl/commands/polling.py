"""`kubectl abr poll`: have Astra Control asked now, and wait for its answer."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from astra_mirror.kubectl.cluster import Cluster, keys_of, opened
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode, highest
from astra_mirror.kubectl.core.names import REQUESTED_AT, Key
from astra_mirror.kubectl.core.observed import queries_for
from astra_mirror.kubectl.core.polls import GRACE, answer, is_answered, next_request, obstacle, unanswered
from astra_mirror.kubectl.core.roll import Roll
from astra_mirror.kubectl.core.seen import read
from astra_mirror.kubectl.core.verdicts import UNREAD, Outcome, Verdict
from astra_mirror.kubectl.core.waiting import (
    OF_POLLS,
    End,
    Ending,
    Pending,
    advance,
    end_text,
    last_line,
    next_decision_at,
    timed_out,
)
from astra_mirror.kubectl.errors import ApiError
from astra_mirror.kubectl.observing import observing
from astra_mirror.kubectl.output import say


async def run(choice: Choice, *, limit: float) -> ExitCode:
    """Request a poll of each, and wait for at most `limit` seconds."""
    async with opened(choice.place) as cluster:
        keys = keys_of(choice.names, cluster.namespace)
        requested = await asyncio.gather(*(_request(cluster, key) for key in keys))
        ends = [each for each in requested if isinstance(each, End)]
        for each in ends:
            say(end_text(each, OF_POLLS))
        values = {key: value for key, value in zip(keys, requested, strict=True) if isinstance(value, str)}
        if values:
            answers = _Answers(cluster, values, limit)
            ends += await answers.wait()
    say(last_line(ends, OF_POLLS))
    return highest(each.ending.code for each in ends)


async def _request(cluster: Cluster, key: Key) -> str | End:
    """Request a poll; the value that was written, or why it was not."""
    try:
        seen = read(key.kind, await cluster.api.get_object(key))
        value = next_request(seen.requested_at, datetime.now(UTC))
        await cluster.api.annotate(key, REQUESTED_AT, value)
    except ApiError as error:
        return End(key, Ending.UNDECIDED, Verdict(Outcome.UNDECIDED, "NotRequested", str(error)))
    return value


class _Answers:
    """Waits for the answers to requests, and prints each."""

    def __init__(self, cluster: Cluster, values: Mapping[Key, str], limit: float) -> None:
        self._cluster, self._values = cluster, values
        began = time.monotonic()
        self._grace_ends, self._deadline = began + GRACE, began + limit
        self._ends: dict[Key, End] = {}

    async def wait(self) -> list[End]:
        queries = queries_for(list(self._values))
        roll = Roll(queries, self._values)
        pending: dict[Key, Pending] = {}
        async with observing(self._cluster.api, queries) as observations:
            while True:
                at = time.monotonic()
                self._note(self._held_back(roll, at))
                pending, ended = advance(pending, self._verdicts(roll), at)
                self._note(ended)
                if at >= self._deadline:
                    self._note(timed_out(pending))
                if len(self._ends) == len(self._values):
                    return list(self._ends.values())
                for each in await observations.next(self._wake_up_at(pending, at)):
                    roll.take(each)

    def _held_back(self, roll: Roll, at: float) -> list[End]:
        """Those for which no poll will be made now."""
        found = []
        for key, value in self._open(roll):
            seen = roll.entries[key].seen
            if seen is not None and not is_answered(seen, value):
                verdict = obstacle(seen, grace_is_over=at >= self._grace_ends)
                found += [] if verdict is None else [End(key, Ending.UNDECIDED, verdict)]
        return found

    def _verdicts(self, roll: Roll) -> dict[Key, Verdict]:
        found = {}
        for key, value in self._open(roll):
            seen = roll.entries[key].seen
            if seen is not None and is_answered(seen, value):
                found[key] = answer(seen)
            else:
                found[key] = roll.unknown(key) or (UNREAD if seen is None else unanswered(seen))
        return found

    def _open(self, roll: Roll) -> list[tuple[Key, str]]:
        return [(key, value) for key, value in self._values.items() if key not in self._ends and key in roll.entries]

    def _note(self, ends: list[End]) -> None:
        for each in ends:
            self._ends[each.key] = each
            say(end_text(each, OF_POLLS))

    def _wake_up_at(self, pending: Mapping[Key, Pending], at: float) -> float:
        moments = [self._deadline, next_decision_at(pending) or self._deadline]
        return min(moments + [self._grace_ends] * (at < self._grace_ends))
