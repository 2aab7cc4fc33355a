"""What the watch and the periodic list show of the objects of a kind, handed on to the engine: the one way in."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from astra_mirror.core.identity import has_identity


class Engine(Protocol):
    """What looks after the objects."""

    def seen(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take note of an object; one that is `listed` counts although its version is lower than the known one."""

    def deleted(self, uid: str, namespace: str) -> None:
        """Take note that an object exists no more."""

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""

    def is_other_shards(self, uid: str, generation: int) -> bool:
        """Whether the object, as of that generation, is looked after by another process."""

    def forget_others(self, uids: set[str]) -> None:
        """Forget the objects of other shards but these."""

    def knows(self, uid: str) -> bool:
        """Whether that object is looked after."""

    def objects(self) -> dict[str, tuple[str, str]]:
        """The objects that are looked after: uid to namespace and name."""


class Feed:
    """Feeds the engine with what the watches report.

    Attributes:
        has_relisted: set when a watch has listed anew; what was deleted before that, nobody reports.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.has_relisted = asyncio.Event()

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """Whether `take` wants the event: not the echo of an own PATCH, whose answer has been taken in.

        Nor what is no object: the watch goes on, and the periodic list finds what has been missed.
        """
        if not has_identity(event["object"]):
            return False
        return event["type"] != "MODIFIED" or self._engine.is_news(event["object"]["metadata"])

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event of the watch, or with the type None, an object of its list."""
        if event["type"] == "DELETED":
            metadata = event["object"]["metadata"]
            self._engine.deleted(metadata["uid"], metadata["namespace"])
        else:
            self._engine.seen(event["object"], listed=event["type"] is None)

    def relisted(self) -> None:
        """A watch lists all objects anew."""
        self.has_relisted.set()
