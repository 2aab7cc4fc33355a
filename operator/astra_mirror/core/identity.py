"""The check that a JSON value has the metadata of a Kubernetes object, made before anything else of it is read.

Every object of the API server has this metadata. A proxy in between may send anything, and one malformed object must
not affect the others.
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
