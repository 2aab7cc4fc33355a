"""Which refs belong to which of several operators: all refs of an app to the same, so that they share requests."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from astra_mirror.api.meta import UUIDText

_IDS = TypeAdapter(tuple[UUIDText, UUIDText])


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`; the index starts at 0."""

    index: int = 0
    count: int = 1

    def owns(self, account_id: str, app_id: str) -> bool:
        """Whether the refs of that app belong to this shard. IDs are in lower case."""
        return zlib.crc32(f"{account_id}/{app_id}".encode()) % self.count == self.index

    def owns_unreadable(self, spec: object) -> bool:
        """Whether this shard reports that the spec of an object, a JSON value, cannot be read.

        That is the shard of the app, where the spec names one, else the first shard.
        """
        names = spec if isinstance(spec, Mapping) else {}
        try:
            account, app = _IDS.validate_python((names.get("accountID"), names.get("appID")))
        except ValidationError:
            return self.index == 0
        return self.owns(account, app)

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`.

        Raises:
            ValueError: the text is not I/N, or I is not from 0 to N-1.
        """
        index, slash, count = text.partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
            raise ValueError(f"{text!r} is not I/N with I from 0 to N-1, such as 0/3")
        return cls(int(index), int(count))
