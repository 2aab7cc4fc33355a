"""Passes the events of the watches on to the engine."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from astra_mirror.core.identity import has_identity


class Engine(Protocol):
    """The engine, as this package uses it."""

    def seen(self, body: Mapping[str, Any], *, listed_at: float | None = None) -> None:
        """Record an object; one of a list that was requested at `listed_at` may have a lower version than known."""

    def deleted(self, uid: str, namespace: str) -> None:
        """Record that an object no longer exists."""

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""

    def is_other_shards(self, uid: str, generation: int) -> bool:
        """Whether the object, as of that generation, belongs to another shard."""

    def forget_others(self, uids: set[str]) -> None:
        """Forget the objects of other shards that are not in `uids`."""

    def knows(self, uid: str) -> bool:
        """Whether the engine has that object."""

    def objects(self) -> dict[str, tuple[str, str]]:
        """The objects that the engine has: uid to namespace and name."""


class Feed:
    """Feeds the engine with what the watches report.

    Attributes:
        has_relisted: set when a watch has started with a new list; deletions before it are not reported.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.has_relisted = asyncio.Event()

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """Whether the event has to be passed to `take`.

        The echo of the operator's own PATCH need not be, because its response was handled already. A malformed object
        is skipped; the periodic list finds what was missed.
        """
        if not has_identity(event["object"]):
            return False
        return event["type"] != "MODIFIED" or self._engine.is_news(event["object"]["metadata"])

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Pass on an event of the watch or, with the type None, an object of the list requested at `listed_at`."""
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            self._engine.deleted(metadata["uid"], metadata["namespace"])
        else:
            self._engine.seen(event["object"], listed_at=listed_at if event["type"] is None else None)

    def relisted(self) -> None:
        """Record that a watch lists all objects again."""
        self.has_relisted.set()
