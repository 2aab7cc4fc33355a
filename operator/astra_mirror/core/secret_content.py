"""The part of a Secret that the operator reads: a digest, and the values while they are needed and small.

Tenants decide how large their Secrets are and how often they change. A content that has to wait is kept only if it is
small; a large one is dropped, and the Secret is read again later.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

READ_KEYS: Final = ("ca.crt", "config.yaml", "token", "url")
"""The keys that the operator reads."""
HELD_CHARACTERS: Final = 16384
"""The largest content, in characters of base64, that is kept while it waits."""


@dataclass(frozen=True, slots=True)
class Content:
    """The values of the keys that the operator reads, in base64. `data` is None once the values have been dropped.

    Contents with equal `digest` are equal.
    """

    digest: bytes
    data: Mapping[str, str] | None = field(repr=False, compare=False)

    def kept(self) -> "Content":
        """The content as it may be kept while it waits: without its values if they are large."""
        if self.data is None or sum(map(len, self.data.values())) <= HELD_CHARACTERS:
            return self
        return Content(self.digest, None)

    def without_data(self) -> "Content":
        """The content without its values."""
        return Content(self.digest, None)


def content_of(data: object) -> Content:
    """The content of a Secret, from its field `data` as decoded from JSON; what is not a mapping counts as empty."""
    given = data if isinstance(data, Mapping) else {}
    read = {key: value for key in READ_KEYS if isinstance(value := given.get(key), str)}
    digest = hashlib.sha256()
    for key, value in read.items():
        # The length marks where each value ends, so that different contents never hash the same bytes.
        digest.update(f"{key} {len(value)} ".encode())
        digest.update(value.encode())
    return Content(digest.digest(), read)
