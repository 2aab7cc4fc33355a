"""Takes the objects out of the responses to Kopf's lists and watches, and leaves the rest of them to Kopf.

Kopf starts a task for each event, builds its causes and asks the filters of the handlers: more CPU than all else that a
new object costs until its status is computed. What is taken here does not get that far. Whatever is not recognised
stays in the response, and Kopf calls its handler as usual.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol

import aiohttp
from pydantic_core import from_json, to_json

_GATHER_SECONDS: Final = 0.02
"""How long events are gathered. The echo of a write often arrives just before the response to the write."""
_STEP_BYTES: Final = 64 * 1024
"""How many bytes of a watch are handled before yielding to the event loop."""
_ABOUT_OBJECTS: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Receives what the watch reports."""

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """Whether `take` needs the event."""

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Receive an event.

        Args:
            event: its `type` is None in a list, else ADDED, MODIFIED or DELETED; `object` is the object.
            listed_at: when the latest list was requested, in monotonic seconds.
        """

    def relisted(self) -> None:
        """Note that Kopf lists again: it does not report the objects that were deleted since the watch broke."""


class Remainder:
    """The body of a response, without the objects that the listener has received.

    Args:
        content: the body.
        listener: receives the objects.
        listed_at: when the latest list was requested, in monotonic seconds.
    """

    def __init__(self, content: aiohttp.StreamReader, listener: Listener, listed_at: float) -> None:
        self._content = content
        self._listener = listener
        self._listed_at = listed_at

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the body
        """Whatever is not about reading is the body's own."""
        return getattr(self._content, name)

    async def read(self, _: int = -1) -> bytes:
        """A page of a list without its items."""
        body = await self._content.read()
        try:
            page = from_json(body)
        except ValueError:
            return body
        items = page.get("items") if isinstance(page, dict) else None
        if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
            return body
        for each in items:
            self._take({"type": None, "object": each})
            # One object in each pass of the loop: polls, answers and writes of those before keep up with the list, and
            # few objects wait in memory.
            await asyncio.sleep(0)
        return to_json(page | {"items": []})

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """The lines of a watch that are left, as they arrive."""
        rest = bytearray()
        async for data in self._content.iter_any():
            await asyncio.sleep(_GATHER_SECONDS)
            for start in range(0, len(data), _STEP_BYTES):
                if start:
                    await asyncio.sleep(0)
                searched = len(rest)
                rest += data[start : start + _STEP_BYTES]
                end = rest.rfind(b"\n", searched) + 1
                if end:
                    lines = bytes(rest[:end])
                    del rest[:end]
                    yield b"".join(self._left_of(lines))
        if rest:
            yield bytes(rest)

    def _left_of(self, lines: bytes) -> Iterator[bytes]:
        taken: str | None = None
        for line in lines.splitlines(keepends=True):
            version = self._take_line(line)
            if version is None:
                if taken is not None:
                    yield _bookmark(taken)
                yield line
            taken = version
        if taken is not None:
            yield _bookmark(taken)

    def _take_line(self, line: bytes) -> str | None:
        """Take the event in a line; return its resourceVersion, or None if it is left to Kopf."""
        try:
            event = from_json(line)
        except ValueError:
            return None
        if not isinstance(event, dict) or str(event.get("type")) not in _ABOUT_OBJECTS:
            return None
        found = event.get("object")
        metadata = found.get("metadata") if isinstance(found, dict) else None
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str):
            return None
        self._take(event)
        return version

    def _take(self, event: Mapping[str, Any]) -> None:
        try:
            if self._listener.is_news(event):
                self._listener.take(event, self._listed_at)
        except Exception:  # the object's content is untrusted: a bug in handling it must not end the watch for all
            logger.exception("An object could not be taken out of a response")


def _bookmark(version: str) -> bytes:
    """As the API server's own, so that a watch that is resumed does not receive the events up to `version` again."""
    return to_json({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}) + b"\n"
