"""The concurrency slots of the status writer, such that PATCHes without a response do not block other namespaces.

A PATCH without a response after a second releases its slot and goes on without one. Only a limited number may do so;
beyond it, slots are kept, but namespaces with such PATCHes never hold all slots together.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

SLOTS: Final = 16
CORRECTION_SLOTS: Final = SLOTS // 4
HUNG_FOR_NAMESPACE: Final = 4
HUNG: Final = 48
_FREE_FOR_OTHERS: Final = SLOTS // 4
"""Slots that namespaces with overdue PATCHes leave to the others."""
_CORRECTIONS_FREE_FOR_OTHERS: Final = 1
"""Slots for corrections that they leave to the others."""


@dataclass(slots=True)
class _Write:
    namespace: str
    is_correction: bool
    has_slot: bool = True
    is_overdue: bool = False


class WriteSlots:
    """The writes under way. Each item has at most one write at a time."""

    def __init__(self) -> None:
        self._writes: dict[Hashable, _Write] = {}
        self._overdue: Counter[str] = Counter()
        self._hung: Counter[str] = Counter()
        self._used = 0
        self._corrections = 0

    def __contains__(self, item: Hashable) -> bool:
        return item in self._writes

    def __len__(self) -> int:
        """The number of slots in use."""
        return self._used

    @property
    def are_used(self) -> bool:
        """Whether anything is being written, with a slot or without."""
        return bool(self._writes)

    @property
    def has_one(self) -> bool:
        """Whether any slot is free."""
        return self._used < SLOTS

    def admits(self, namespace: str, *, is_correction: bool) -> bool:
        """Whether a write in that namespace may start, given that a slot is free."""
        if is_correction and self._corrections >= CORRECTION_SLOTS:
            return False
        if namespace not in self._overdue:
            return True
        held = [each for each in self._writes.values() if each.has_slot and each.namespace in self._overdue]
        if is_correction and sum(map(_is_correction, held)) >= CORRECTION_SLOTS - _CORRECTIONS_FREE_FOR_OTHERS:
            return False
        return len(held) < SLOTS - _FREE_FOR_OTHERS

    def start(self, item: Hashable, namespace: str, *, is_correction: bool) -> None:
        """Record that the write of `item` starts, and give it a slot."""
        self._writes[item] = _Write(namespace, is_correction)
        self._used += 1
        self._corrections += is_correction

    def overdue(self, item: Hashable) -> None:
        """Record that the write of `item` has had no response for a second."""
        write = self._writes[item]
        write.is_overdue = True
        self._overdue[write.namespace] += 1
        self._give_up(write)

    def end(self, item: Hashable) -> None:
        """Record that the write of `item` has ended; an overdue write may now release its slot."""
        write = self._writes.pop(item)
        if write.has_slot:
            self._release(write)
        else:
            self._hung[write.namespace] -= 1
        if write.is_overdue:
            self._overdue[write.namespace] -= 1
        for counter in (self._hung, self._overdue):
            if not counter[write.namespace]:
                del counter[write.namespace]
        if write.is_overdue:
            for each in self._writes.values():
                if each.is_overdue and each.has_slot:
                    self._give_up(each)

    def _give_up(self, write: _Write) -> None:
        if self._hung[write.namespace] < HUNG_FOR_NAMESPACE and self._hung.total() < HUNG:
            self._hung[write.namespace] += 1
            write.has_slot = False
            self._release(write)

    def _release(self, write: _Write) -> None:
        self._used -= 1
        self._corrections -= write.is_correction


def _is_correction(write: _Write) -> bool:
    return write.is_correction
