"""How much memory the lists take that are kept for monitors, and for which list there is none.

A list is kept until the next one: the refs of a monitor are compared with it, and it is judged again when nothing has
changed. A namespace may have any number of monitors, and a server may list any number of backups: a namespace that is
alone may use all the memory, and of many that use too much together each may use an equal part. What one has too much
goes when its list is read again; until then those that use little have a part of their own.
"""

from collections import Counter
from collections.abc import Iterable
from sys import getsizeof
from typing import Final, NamedTuple

from astra_mirror.core.body import MIB
from astra_mirror.core.monitor.listing import ListedBackup

KEPT_BYTES: Final = 96 * MIB
"""For the lists of all apps: about 250,000 backups. Twice as much at most, until those that are to go are due."""
SMALL_BYTES: Final = 32 * MIB
"""Beside that, for the lists of namespaces that keep little."""
LITTLE: Final = 256 * 1024
"""What one of these keeps at most: about 600 backups."""
LIST_BYTES: Final = 4 * MIB
"""For one list: about 10,000 backups. All of them are looked at at once when the list is judged."""
_FEW: Final = 128
"""A text that other backups have as well, such as a state, counts if it takes more than this."""
_PLACES: Final = 16
"""The bytes that refer to a backup: from its list, and from one sorted for a monitor."""


class _List(NamedTuple):
    namespace: str
    size: int


def size_of(backup: ListedBackup) -> int:
    """The bytes that a backup takes."""
    own = (getsizeof(each) for each in (backup, backup.id, backup.name, backup.time, backup.total_bytes))
    shared = (getsizeof(each) for each in (backup.state, backup.schedule_id, backup.hook_state))
    return _PLACES + sum(own) + sum(size for size in shared if size > _FEW)


class KeptLists:
    """The lists that are kept. Each is known by a number."""

    def __init__(self) -> None:
        self._lists: dict[int, _List] = {}
        self._held: Counter[str] = Counter()

    @property
    def size(self) -> int:
        """The bytes that all take."""
        return self._held.total()

    def add(self, number: int, namespace: str, size: int) -> None:
        """Count a list."""
        self._lists[number] = _List(namespace, size)
        self._held[namespace] += size

    def remove(self, number: int) -> None:
        """A list is kept no more."""
        gone = self._lists.pop(number)
        self._held[gone.namespace] -= gone.size
        if not self._held[gone.namespace]:
            del self._held[gone.namespace]

    def has_room(self, namespace: str, size: int, replaced: Iterable[int] = ()) -> bool:
        """Whether a list may be kept.

        Args:
            namespace: that of a monitor that reads it.
            size: the bytes that it takes.
            replaced: the numbers of lists that go for it, as far as they are counted.
        """
        gone = [self._lists[number] for number in replaced if number in self._lists]
        after = self.size + size - sum(each.size for each in gone)
        if after <= KEPT_BYTES:
            return True
        own = self._held[namespace] + size - sum(each.size for each in gone if each.namespace == namespace)
        limit = 2 * KEPT_BYTES + (SMALL_BYTES if own <= LITTLE else 0)
        is_within_part = own <= LITTLE or own * len({*self._held, namespace}) <= KEPT_BYTES
        return is_within_part and after <= limit
