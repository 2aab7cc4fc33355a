"""Which refs one of several operators looks after: all those of an app, so that they still cost one request."""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`; index from 0."""

    index: int = 0
    count: int = 1

    def owns(self, account_id: str, app_id: str) -> bool:
        """Whether this shard looks after the refs of that app. IDs are in lower case."""
        return zlib.crc32(f"{account_id}/{app_id}".encode()) % self.count == self.index

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`.

        Raises:
            ValueError: it is not that, or I is not from 0 to N-1.
        """
        index, slash, count = text.partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
            raise ValueError(f"{text!r} is not I/N with I from 0 to N-1, such as 0/3")
        return cls(int(index), int(count))
