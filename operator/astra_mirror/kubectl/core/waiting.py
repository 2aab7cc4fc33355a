"""When what is waited for has ended, and how.

A success and a failure end at once. What cannot be told ends when that has not changed for `PATIENCE`, counted from
when this process first saw it: an operator may be starting, or somebody may have just mended a Secret.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.names import Key
from astra_mirror.kubectl.core.verdicts import Outcome, Verdict

PATIENCE: Final = 30.0
"""Seconds for which a verdict stays undecided before it is final."""


class Ending(Enum):
    """How an object has ended, by the exit code if there were no others."""

    SUCCEEDED = ExitCode.OK
    FAILED = ExitCode.FAILED
    UNDECIDED = ExitCode.UNDECIDED
    TIMED_OUT = ExitCode.TIMED_OUT

    @property
    def code(self) -> ExitCode:
        """The exit code."""
        return ExitCode(self.value)


Words = Mapping[Ending, str]
OF_BACKUPS: Final[Words] = {
    Ending.SUCCEEDED: "succeeded",
    Ending.FAILED: "failed",
    Ending.UNDECIDED: "cannot be told",
    Ending.TIMED_OUT: "timed out",
}
OF_POLLS: Final[Words] = {
    Ending.SUCCEEDED: "polled",
    Ending.FAILED: "poll failed",
    Ending.UNDECIDED: "not polled",
    Ending.TIMED_OUT: "timed out",
}
_ENDINGS: Final = {
    Outcome.SUCCEEDED: Ending.SUCCEEDED,
    Outcome.FAILED: Ending.FAILED,
    Outcome.UNDECIDED: Ending.UNDECIDED,
}


@dataclass(frozen=True, slots=True)
class Pending:
    """One that has not ended: the verdict, and since when it has had this reason, in monotonic seconds."""

    verdict: Verdict
    since: float

    @property
    def decided_at(self) -> float | None:
        """When it ends if nothing changes; None if never."""
        return self.since + PATIENCE if self.verdict.outcome is Outcome.UNDECIDED else None


@dataclass(frozen=True, slots=True)
class End:
    """One that has ended."""

    key: Key
    ending: Ending
    verdict: Verdict


def advance(
    pending: Mapping[Key, Pending], verdicts: Mapping[Key, Verdict], at: float
) -> tuple[dict[Key, Pending], list[End]]:
    """Who is still waited for, and who has ended, when these are the verdicts `at` this moment.

    Args:
        pending: who was waited for, of whom those without a verdict are no longer.
        verdicts: on each that has not ended before.
        at: in monotonic seconds.
    """
    waiting, ended = {}, []
    for key, verdict in verdicts.items():
        before = pending.get(key)
        is_same = before is not None and _cause(before.verdict) == _cause(verdict)
        each = Pending(verdict, before.since if before is not None and is_same else at)
        is_final = verdict.outcome in {Outcome.SUCCEEDED, Outcome.FAILED}
        if is_final or (each.decided_at is not None and at >= each.decided_at):
            ended.append(End(key, _ENDINGS[verdict.outcome], verdict))
        else:
            waiting[key] = each
    return waiting, ended


def next_decision_at(pending: Mapping[Key, Pending]) -> float | None:
    """When the next one ends if nothing changes, in monotonic seconds; None if none does."""
    return min((each.decided_at for each in pending.values() if each.decided_at is not None), default=None)


def timed_out(pending: Mapping[Key, Pending]) -> list[End]:
    """All that have not ended, when there is no time left."""
    return [End(key, Ending.TIMED_OUT, each.verdict) for key, each in pending.items()]


def end_text(end: End, words: Words = OF_BACKUPS, *, with_namespace: bool = False) -> str:
    """What is said of one when it ends."""
    why = ": ".join(filter(None, (end.verdict.reason, end.verdict.text)))
    return f"{end.key.shown(with_namespace=with_namespace)} {words[end.ending]}: {why}"


def last_line(ends: Iterable[End], words: Words = OF_BACKUPS, *, with_namespace: bool = False) -> str:
    """How each has ended, in one line."""
    found = list(ends)
    parts = []
    for ending in Ending:
        names = ", ".join(each.key.shown(with_namespace=with_namespace) for each in found if each.ending is ending)
        if names:
            parts.append(f"{words[ending]}: {names}")
    return "; ".join(parts)


def _cause(verdict: Verdict) -> tuple[Outcome, str]:
    return (verdict.outcome, verdict.reason)
