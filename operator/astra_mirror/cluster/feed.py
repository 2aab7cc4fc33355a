"""Passes the events of the watches on to the engine."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from astra_mirror.core.identity import has_identity

logger = logging.getLogger(__name__)


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

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Pass on an event of the watch or, with the type None, an object of the list requested at `listed_at`.

        The echo of the operator's own PATCH is not passed on, because its response was handled already. A malformed
        object is skipped; the periodic list finds what was missed.
        """
        if not has_identity(event["object"]):
            return
        metadata = event["object"]["metadata"]
        try:
            self._pass_on(event, metadata, listed_at)
        # The object's content is untrusted: a defect in handling it must not end the list or the watch of all others.
        # The object is looked at again with its next event and with the periodic list.
        except Exception:
            about = metadata["namespace"], metadata["name"]
            logger.exception("The object %s/%s could not be taken in", *about, extra={"namespaces": [about[0]]})

    def _pass_on(self, event: Mapping[str, Any], metadata: Mapping[str, Any], listed_at: float) -> None:
        if event["type"] == "DELETED":
            self._engine.deleted(metadata["uid"], metadata["namespace"])
        elif event["type"] is None:
            self._engine.seen(event["object"], listed_at=listed_at)
        elif event["type"] == "ADDED" or self._engine.is_news(metadata):
            self._engine.seen(event["object"])

    def relisted(self) -> None:
        """Record that a watch lists all objects again."""
        self.has_relisted.set()
