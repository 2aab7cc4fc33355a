"""What of a Secret is looked at, and what is kept of it: a digest, and the values only where they are small.

Tenants decide how large their Secrets are and how often they change. A content that has to wait is held while it is
small; a large one is forgotten, and read again when its turn comes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

READ_KEYS: Final = ("ca.crt", "config.yaml", "token", "url")
"""The keys that are looked at."""
HELD_CHARACTERS: Final = 16384
"""Up to this size, in base64, a content is kept while it waits."""


@dataclass(frozen=True, slots=True)
class Content:
    """The values of the keys that are looked at, in base64. `data` is None where they are too large to be kept.

    Two contents of the same `digest` are the same.
    """

    digest: bytes
    data: Mapping[str, str] | None = field(repr=False, compare=False)

    def kept(self) -> "Content":
        """What may be kept of it for an unknown time."""
        if self.data is None or sum(map(len, self.data.values())) <= HELD_CHARACTERS:
            return self
        return Content(self.digest, None)

    def without_data(self) -> "Content":
        """What is kept of it once it counts."""
        return Content(self.digest, None)


def content_of(data: object) -> Content:
    """The content of a Secret whose field `data` this is, as it came from the API server; anything else is as empty."""
    given = data if isinstance(data, Mapping) else {}
    read = {key: value for key in READ_KEYS if isinstance(value := given.get(key), str)}
    digest = hashlib.sha256()
    for key, value in read.items():
        # The length says where a value ends, so that no two contents look alike.
        digest.update(f"{key} {len(value)} ".encode())
        digest.update(value.encode())
    return Content(digest.digest(), read)
