"""What the watch and the periodic list report, handed on to the engine: the one way in for objects."""

import asyncio
from collections.abc import Mapping
from typing import Any

from astra_mirror.core.identity import has_identity
from astra_mirror.engine.engine import Mirror


class Feed:
    """Feeds the engine.

    Attributes:
        not_ours: the uids of the objects that the engine did not take, those of other shards, with the generation that
            it was shown.
        has_relisted: set when a watch has listed anew; what was deleted before that, nobody reports.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.not_ours: dict[str, int] = {}
        self.has_relisted = asyncio.Event()

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """Whether `take` wants the event: not the echo of an own PATCH, whose answer has been taken in.

        Nor what is no object: the watch goes on, and the periodic list finds what has been missed.
        """
        if not has_identity(event["object"]):
            return False
        return event["type"] != "MODIFIED" or self._mirror.is_news(event["object"]["metadata"])

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event of the watch, or with the type None, an object of its list."""
        if event["type"] == "DELETED":
            self.drop(event["object"]["metadata"]["uid"])
        else:
            self.put(event["object"], listed=event["type"] is None)

    def relisted(self) -> None:
        """A watch lists all objects anew."""
        self.has_relisted.set()

    def put(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take in an object; one that is `listed` counts although its version is lower, as after a restored backup."""
        metadata = body["metadata"]
        self._mirror.observe(body, listed=listed)
        # What it has taken in is not news to it any more.
        if self._mirror.is_news(metadata):
            self.not_ours[metadata["uid"]] = metadata["generation"]
        else:
            self.not_ours.pop(metadata["uid"], None)

    def drop(self, uid: str) -> None:
        """Forget an object that exists no more."""
        self.not_ours.pop(uid, None)
        self._mirror.forget(uid)
