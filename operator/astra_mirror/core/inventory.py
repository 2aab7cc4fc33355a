"""Compares a list of all objects with those that the engine knows: which of these are missing there.

A list is evidence, not proof: it may come from a proxy or an old cache. So its kind and version are checked here, and
the caller confirms each difference by a GET before it drops or adds an object.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

LIST_KIND: Final = "PartialObjectMetadataList"
LIST_VERSION: Final = "meta.k8s.io/v1"


class ListNotUsableError(ValueError):
    """The response to a LIST is not a usable list; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The metadata of one object in a list."""

    uid: str
    namespace: str
    name: str
    version: str
    generation: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        entries: the objects.
        token: the continue token of the next page, "" on the last one.
        version: the list's resourceVersion.
    """

    entries: tuple[Entry, ...]
    token: str
    version: str


def page_of(body: object) -> Page:
    """The page in a decoded response.

    Raises:
        ListNotUsableError: the response is not a list of metadata.
    """
    if not isinstance(body, Mapping) or (body.get("kind"), body.get("apiVersion")) != (LIST_KIND, LIST_VERSION):
        raise ListNotUsableError(f"the answer is no {LIST_KIND} of {LIST_VERSION}")
    metadata, items = body.get("metadata"), body.get("items")
    if not isinstance(metadata, Mapping) or not metadata.get("resourceVersion"):
        raise ListNotUsableError("the list has no resourceVersion")
    if not isinstance(items, list):
        raise ListNotUsableError("the list has no items")
    return Page(tuple(map(_entry, items)), str(metadata.get("continue") or ""), str(metadata["resourceVersion"]))


def _entry(item: object) -> Entry:
    match item:
        case {
            "metadata": {
                "uid": str(uid),
                "namespace": str(namespace),
                "name": str(name),
                "resourceVersion": str(version),
                **others,
            }
        } if type(generation := others.get("generation", 0)) is int:
            return Entry(uid, namespace, name, version, generation)
        case _:
            raise ListNotUsableError("an item of the list has no uid, name, namespace, resourceVersion or generation")


def missing(
    known: Mapping[str, tuple[str, str]], listed: Collection[str], scope: str | None
) -> dict[str, tuple[str, str]]:
    """The known objects of a scope that were not listed: uid to namespace and name.

    Args:
        known: the objects that were known before the list was requested.
        listed: the uids of a complete list.
        scope: the namespace that was listed; None for all namespaces.
    """
    return {uid: where for uid, where in known.items() if uid not in listed and scope in {None, where[0]}}
