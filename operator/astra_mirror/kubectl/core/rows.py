"""An object as a row: for a table, for a progress bar, for a line of a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from astra_mirror.kubectl.core.ages import length_text
from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.seen import Seen
from astra_mirror.kubectl.core.verdicts import NO_OBJECTIVES, NO_OPERATOR, STALE, SUSPENDED, Outcome, Verdict, judge
from astra_mirror.support.text import bytes_text, printable


class Tone(Enum):
    """How an object is, for a color."""

    GOOD = auto()
    BAD = auto()
    BUSY = auto()
    IDLE = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """What is shown of an object; a text is empty where there is nothing to show.

    Attributes:
        key: which one it is.
        state: the backup's state; of a monitor, whether its objectives are met.
        percent: how much of the backup is done.
        summary: the same in words, with the size.
        rate: bytes a second.
        left: how long it still takes; of a monitor, until its earliest deadline.
        age: of the object.
        remark: what is unusual.
        tone: how it is.
    """

    key: Key
    state: str
    percent: int | None
    summary: str
    rate: str
    left: str
    age: str
    remark: str
    tone: Tone

    @property
    def change(self) -> tuple[object, ...]:
        """What of it is more than the passing of time."""
        return (self.state, self.summary, self.rate, self.remark)


def row_of(seen: Seen, now: datetime) -> Row:
    """The row of an object."""
    verdict = judge(seen, now)
    is_ref = seen.key.kind is Kind.REF
    is_busy = is_ref and verdict.outcome is Outcome.IN_PROGRESS
    ends = seen.progress.ends if is_ref else seen.deadline
    return Row(
        key=seen.key,
        state=printable(_state(seen)),
        percent=seen.progress.percent if is_ref else None,
        summary=printable(seen.progress.summary) if is_ref else "",
        rate=f"{bytes_text(seen.progress.rate)}/s" if is_busy and seen.progress.rate is not None else "",
        left=length_text(ends - now) if ends is not None and (is_busy or not is_ref) else "",
        age="" if seen.created is None else length_text(now - seen.created),
        remark=printable(_remark(seen, verdict)),
        tone=_tone(verdict),
    )


def row_without_object(key: Key, verdict: Verdict) -> Row:
    """The row of an object that does not exist, or is not known yet."""
    return Row(key, "", None, "", "", "", "", printable(verdict.text), _tone(verdict))


def gone_row(row: Row) -> Row:
    """The row of an object that was deleted, from the last one."""
    return Row(row.key, row.state, row.percent, row.summary, "", "", row.age, "deleted", Tone.BAD)


def line_of(row: Row, *, with_namespace: bool) -> str:
    """A row as a line of a log."""
    left = f"{row.left} left" if row.left else ""
    facts = ", ".join(filter(None, (row.state, row.summary, row.rate, left)))
    line = f"{row.key.shown(with_namespace=with_namespace)}: {facts or 'no state'}"
    return f"{line} ({row.remark})" if row.remark else line


def _state(seen: Seen) -> str:
    ready, met = seen.condition("Ready"), seen.condition("ObjectivesMet")
    return seen.state or met.reason or ready.reason


def _remark(seen: Seen, verdict: Verdict) -> str:
    synced = seen.condition("Synced")
    if verdict.reason in {SUSPENDED, NO_OPERATOR} or seen.is_suspended:
        return verdict.text if verdict.reason == NO_OPERATOR else "suspended"
    if verdict.reason == STALE:
        return f"{STALE}: {verdict.text}"
    if verdict.outcome in {Outcome.FAILED, Outcome.UNDECIDED}:
        return f"{verdict.reason}: {verdict.text}"
    if synced.status == "False":
        return f"{synced.reason}: {synced.message}"
    if seen.condition("Ready").reason == "BackupCompletedHooksFailed":
        return seen.condition("Ready").message
    return _counts(seen.counts) if seen.key.kind is Kind.MONITOR else ""


def _counts(counts: Mapping[str, int]) -> str:
    """A monitor's backups: how many there are, run and failed."""
    named = (("inProgress", "in progress"), ("failed", "failed"))
    parts = [f"{counts[name]} {words}" for name, words in named if counts.get(name)]
    complete = f"{counts.get('completed', 0)} of {counts['selected']} complete" if "selected" in counts else ""
    return ", ".join(filter(None, (complete, *parts)))


def _tone(verdict: Verdict) -> Tone:
    match verdict.outcome:
        case Outcome.SUCCEEDED:
            return Tone.GOOD
        case Outcome.FAILED:
            return Tone.BAD
        case Outcome.IN_PROGRESS:
            return Tone.BUSY
        case _:
            return Tone.IDLE if verdict.reason in {SUSPENDED, NO_OBJECTIVES} else Tone.BAD
