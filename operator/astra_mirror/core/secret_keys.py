"""Decodes the keys of a Secret to text, after a check of their size: a tenant may write a Secret of 1 MiB.

Error messages are written here. A library's message may quote the bytes, and they may be the token.
"""

import base64
from collections.abc import Mapping
from typing import Final

from astra_mirror.support.text import bytes_text

MAX_KEY: Final = 64 * 1024
"""The largest key, in bytes after base64."""
MAX_CA: Final = 256 * 1024
CA: Final = "ca.crt"
TOOLKIT: Final = "config.yaml"


class UnusableError(Exception):
    """A Secret cannot be used. The text completes the sentence `The Secret cannot be used: `, and quotes no content."""


def key_text(data: Mapping[str, str], key: str) -> str:
    """The text of a key, without surrounding white space; empty where the key is missing.

    Args:
        data: the Secret's `data`, base64 as the API server has it.
        key: the name of the key.

    Raises:
        UnusableError: the value is too large, or is not text.
    """
    value = data.get(key, "")
    limit = MAX_CA if key == CA else MAX_KEY
    size = len(value) // 4 * 3 - value[-2:].count("=")
    if size > limit:
        raise UnusableError(
            f"its key {key!r} has {bytes_text(size)}, and no more than {limit // 1024} KiB are read: shorten it"
        )
    try:
        return base64.b64decode(value, validate=True).decode().strip()
    except ValueError:
        # The value is not ASCII, not base64, or its bytes are not UTF-8.
        raise UnusableError(f"its key {key!r} is not UTF-8 text") from None
