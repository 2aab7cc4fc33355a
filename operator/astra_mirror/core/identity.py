"""What an object must say of itself before anything else of it is looked at.

The API server says it of each object. What stands in between may answer with anything, and one malformed object must
cost no more than itself.
"""

from collections.abc import Mapping
from typing import Final

_TEXTS: Final = ("uid", "resourceVersion", "name", "namespace")


def has_identity(body: object) -> bool:
    """Whether a JSON value is an object with metadata that names it, its version and its generation."""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    return (
        isinstance(metadata, Mapping)
        and all(isinstance(metadata.get(each), str) for each in _TEXTS)
        and type(metadata.get("generation")) is int
    )
