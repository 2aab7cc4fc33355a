"""The keys of a Secret as text: bounded before they are decoded, because anybody may write a Secret of 1 MiB.

What cannot be used is said in words of our own. Whatever a library says of such bytes may quote them, and they may be
the token.
"""

import base64
from collections.abc import Mapping
from typing import Final

from astra_mirror.support.text import bytes_text

MAX_KEY: Final = 64 * 1024
"""Bytes of a key after base64."""
MAX_CA: Final = 256 * 1024
CA: Final = "ca.crt"
TOOLKIT: Final = "config.yaml"


class UnusableError(Exception):
    """A Secret cannot be used. The text continues `The Secret cannot be used: `, and quotes nothing of its content."""


def key_text(data: Mapping[str, str], key: str) -> str:
    """A key's text, without white space around it; empty where the key is missing.

    Args:
        data: the Secret's `data`, base64 as the API server has it.
        key: which one.

    Raises:
        UnusableError: it is too large or no text.
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
        # Of three kinds: no base64, base64 that is not even ASCII, and bytes that are no UTF-8.
        raise UnusableError(f"its key {key!r} is not UTF-8 text") from None
