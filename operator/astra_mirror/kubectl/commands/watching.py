"""`kubectl abr watch`: the progress of some backups, until all have finished."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from astra_mirror.kubectl.cluster import opened, roll_of
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.following import has_finished
from astra_mirror.kubectl.core.names import Key
from astra_mirror.kubectl.core.roll import Entry, Roll
from astra_mirror.kubectl.core.rows import Row, gone_row, row_of, row_without_object
from astra_mirror.kubectl.core.verdicts import GONE, missing
from astra_mirror.kubectl.core.waiting import PATIENCE
from astra_mirror.kubectl.display import Display, display_for
from astra_mirror.kubectl.errors import ApiError
from astra_mirror.kubectl.observing import Observations, observing
from astra_mirror.kubectl.output import warn

_TICK: Final = 1.0
"""Seconds between two drawings without news: what is left of the time is shown in seconds."""


async def run(choice: Choice) -> ExitCode:
    """Show them until all have finished."""
    async with opened(choice.place) as cluster:
        roll, queries = roll_of(choice, cluster.namespace)
        async with observing(cluster.api, queries) as observations:
            await _read(roll, observations)
            if not roll.entries:
                where = "any namespace" if choice.is_everywhere else f"the namespace {cluster.namespace}"
                warn(f"no refs in {where}" + (f" have the labels {choice.selector}" if choice.selector else ""))
                return ExitCode.OK
            with display_for(with_namespace=choice.is_everywhere) as display:
                await _follow(roll, observations, display)
    has_unknown = any(each.seen is None for each in roll.entries.values())
    return ExitCode.UNDECIDED if has_unknown else ExitCode.OK


async def _read(roll: Roll, observations: Observations) -> None:
    """Wait until all is there.

    Raises:
        ApiError: it cannot be had. Later on, what is shown stays, and another attempt follows.
    """
    while not roll.is_read:
        for each in await observations.next(None):
            roll.take(each)
        for trouble in roll.troubles:
            raise ApiError(trouble)


async def _follow(roll: Roll, observations: Observations, display: Display) -> None:
    missing_until = time.monotonic() + PATIENCE
    while True:
        now, at = datetime.now(UTC), time.monotonic()
        is_patient = at < missing_until
        unfinished = {key for key, each in roll.entries.items() if not _has_finished(each, now, is_patient)}
        rows = sorted(_rows(roll, now), key=lambda row: (row.key not in unfinished, row.key.order))
        display.show(rows, next(roll.troubles, ""))
        if not unfinished:
            return
        until = at + _TICK if display.is_moving else missing_until if is_patient else None
        for each in await observations.next(until):
            roll.take(each)


def _has_finished(entry: Entry, now: datetime, is_patient: bool) -> bool:
    if entry.is_gone:
        return True
    return not is_patient if entry.seen is None else has_finished(entry.seen, now)


def _rows(roll: Roll, now: datetime) -> Iterator[Row]:
    for key, entry in roll.entries.items():
        yield _row(key, entry, now)


def _row(key: Key, entry: Entry, now: datetime) -> Row:
    if entry.seen is None:
        return row_without_object(key, GONE if entry.is_gone else missing(key))
    row = row_of(entry.seen, now)
    return gone_row(row) if entry.is_gone else row
