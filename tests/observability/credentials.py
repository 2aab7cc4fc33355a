"""The credentials that the tests of the log have the operator hold, and what may not be left of them."""

from typing import Final

TOKEN: Final = "eyJhbGciOiJSUzI1NiIs.token-of-the+operator/="
PASSWORD: Final = 'pässword "with" a \\ and words'


def remains(value: str) -> list[str]:
    """Parts of a value that must not be seen."""
    return [value[4:12], value[-9:-1]]
