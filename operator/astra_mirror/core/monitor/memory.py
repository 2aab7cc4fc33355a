"""What is remembered of a monitor beside its status: the last list, what it has led to, and the last round of writes.

With each list, and at each failure, what is remembered is judged again, unless the same list still leads to the same.
"""

from dataclasses import dataclass, replace
from typing import Final

from astra_mirror.api.app_backup_monitor import Select
from astra_mirror.core.monitor.listing import ListRead, NotKept
from astra_mirror.core.monitor.report import NoAnswerInTime, RefsReport
from astra_mirror.core.monitor.selection import Ordered, is_costly, is_known, ordered
from astra_mirror.core.outcome import Failed, NotFound, Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last list has led to.

    Attributes:
        until: when the same list may lead to another status, in nanoseconds since 1970.
        generation: of the spec that it was judged for.
        interval: the one in force since, in seconds.
        handled: the requestedAt value in the status.
    """

    until: int
    generation: int
    interval: float
    handled: str | None


@dataclass(frozen=True, slots=True)
class Later:
    """A list for which it takes long to find out which of its backups count: it is judged when that is known.

    Attributes:
        read: the list.
        handled: the requestedAt value that it answers.
        has_new_secret: whether it is the first answer since the Secret changed.
    """

    read: ListRead
    handled: str | None
    has_new_secret: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered.

    Attributes:
        read: the last complete list of its target; None if the app was missing since, or before the first list.
        ordered: its selected backups in their order; None if there are too many to be kept.
        refs: the last round of writes.
        deadline: the earliest one in the status, in seconds since 1970, as soon as a poll of this process has ended.
        has_polled: whether one has ended: after a start, the first answer or failure decides.
        judged: the last reason of Ready that said something about the backups; None if there was none.
        standing: what `read` has led to; None after anything else but a round of writes.
        later: a later list than `read` that is not judged yet.
    """

    read: ListRead | None = None
    ordered: Ordered | None = None
    refs: RefsReport | None = None
    deadline: int | None = None
    has_polled: bool = False
    judged: str | None = None
    standing: Standing | None = None
    later: Later | None = None

    @property
    def number(self) -> int | None:
        """When the last list was requested, which tells it from others; None without one."""
        read = self.read if self.later is None else self.later.read
        return None if read is None else read.sent

    def standing_for(self, read: ListRead) -> Standing | None:
        """What this list has led to, if it is the last one again and is judged alike; else None."""
        if self.standing is None or self.read is None or self.ordered is None or read.whole is not self.read.whole:
            return None
        # The clock may have been set back.
        return self.standing if self.read.sent <= read.sent < self.standing.until else None

    def reading_again(self, read: ListRead) -> "Memory":
        """The same with another reading of the same list, which is judged alike."""
        known = None if self.ordered is None else replace(self.ordered, read=read)
        return replace(self, read=read, ordered=known)

    def putting_off(self, read: ListRead, handled: str | None, *, has_new_secret: bool) -> "Memory":
        """The same with a list that is judged later, in place of another one that has not been judged."""
        is_new = has_new_secret or (self.later is not None and self.later.has_new_secret)
        return replace(self, later=Later(read, handled, is_new))


NOTHING: Final = Memory()


def remembering(before: object, outcome: Outcome | None, select: Select | None, *, is_suspended: bool) -> Memory:
    """What is remembered after an outcome.

    Args:
        before: what was remembered, or anything else for nothing.
        outcome: the outcome.
        select: which backups count.
        is_suspended: whether the monitor is not polled.
    """
    memory = _after(before if isinstance(before, Memory) else NOTHING, outcome)
    if is_suspended:
        # The list would take memory for as long as that lasts. Another one is read at once afterwards.
        memory = replace(memory, read=None, later=None)
    elif isinstance(outcome, RefsReport):
        return memory
    read = memory.read
    if read is not None and read.ordered is not None:
        plain = replace(read, ordered=None)
        return replace(memory, read=plain, ordered=Ordered(plain, select, read.ordered))
    if read is not None and not is_known(read, select, memory.ordered) and is_costly(read, select):
        # What is remembered cannot be judged at once. The status says what is known until the next list.
        read = None
    return replace(memory, read=read, ordered=None if read is None else ordered(read, select, memory.ordered))


def is_for_later(outcome: Outcome | None, memory: object, select: Select | None) -> bool:
    """Whether an outcome is a list that cannot be judged at once."""
    if not isinstance(outcome, ListRead) or outcome.ordered is not None:
        return False
    known = memory.ordered if isinstance(memory, Memory) else None
    return not is_known(outcome, select, known) and is_costly(outcome, select)


def _after(memory: Memory, outcome: Outcome | None) -> Memory:
    if isinstance(outcome, RefsReport):
        return replace(memory, refs=outcome)
    if outcome is None or isinstance(outcome, NoAnswerInTime):
        return replace(memory, standing=None)
    memory = replace(memory, standing=None, later=None)
    match outcome:
        case ListRead() as read:
            return replace(memory, read=read, has_polled=True)
        case NotFound() | NotKept():
            return replace(memory, read=None, has_polled=True)
        case Failed():
            return replace(memory, has_polled=True)
        case _:
            return memory
