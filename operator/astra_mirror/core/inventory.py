"""What a list of all objects says about those that the engine knows: which are missing there.

A list is evidence, not proof: a proxy, an old cache or a wrong answer may have made it. So a list is checked for what
it says it is, and each difference that is found here is confirmed by a GET before anything is dropped or added.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

LIST_KIND: Final = "PartialObjectMetadataList"
LIST_VERSION: Final = "meta.k8s.io/v1"


class ListNotUsableError(ValueError):
    """An answer to a LIST is none; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a list of metadata has it."""

    uid: str
    namespace: str
    name: str
    version: str
    generation: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `token` asks for the next one, "" after the last."""

    entries: tuple[Entry, ...]
    token: str


def page_of(body: object) -> Page:
    """The page that a decoded answer holds.

    Raises:
        ListNotUsableError: it is not a list of metadata.
    """
    if not isinstance(body, Mapping) or (body.get("kind"), body.get("apiVersion")) != (LIST_KIND, LIST_VERSION):
        raise ListNotUsableError(f"the answer is no {LIST_KIND} of {LIST_VERSION}")
    metadata, items = body.get("metadata"), body.get("items")
    if not isinstance(metadata, Mapping) or not metadata.get("resourceVersion"):
        raise ListNotUsableError("the list has no resourceVersion")
    if not isinstance(items, list):
        raise ListNotUsableError("the list has no items")
    return Page(tuple(map(_entry, items)), str(metadata.get("continue") or ""))


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
    """The known objects of a scope, uid to namespace and name, that are not among the listed uids.

    Args:
        known: those that were known before the list was asked for.
        listed: the uids of a whole list.
        scope: the namespace that was listed; None for all.
    """
    return {uid: where for uid, where in known.items() if uid not in listed and scope in {None, where[0]}}
