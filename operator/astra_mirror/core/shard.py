"""Which refs one of several operators looks after: all those of an app, so that they still cost one request."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from astra_mirror.api.meta import UUIDText

_IDS = TypeAdapter(tuple[UUIDText, UUIDText])


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`; index from 0."""

    index: int = 0
    count: int = 1

    def owns(self, account_id: str, app_id: str) -> bool:
        """Whether this shard looks after the refs of that app. IDs are in lower case."""
        return zlib.crc32(f"{account_id}/{app_id}".encode()) % self.count == self.index

    def owns_unreadable(self, spec: object) -> bool:
        """Whether this shard says of an object that its spec, a JSON value, cannot be read.

        It is the one that looks after the app where the spec names one, else the first.
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
            ValueError: it is not that, or I is not from 0 to N-1.
        """
        index, slash, count = text.partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
            raise ValueError(f"{text!r} is not I/N with I from 0 to N-1, such as 0/3")
        return cls(int(index), int(count))
