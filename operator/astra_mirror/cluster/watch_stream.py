"""Takes the objects out of the responses to Kopf's lists and watches, and leaves the rest of them to Kopf.

Kopf starts a task for each event, builds its causes and asks the filters of the handlers: more CPU than all else that a
new object costs until its status is computed. What is taken here does not get that far. Whatever is not recognised
stays in the response: Kopf calls its handler for an event about an object, and treats all else as usual.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol

import aiohttp
from pydantic_core import from_json, to_json

_DELAY_SECONDS: Final = 0.02
"""How long events wait. The echo of a write often arrives just before the response, and would look like news."""
_STEP_BYTES: Final = 64 * 1024
"""How many bytes of a watch are handled before yielding to the event loop."""


class Listener(Protocol):
    """Receives what the watch reports."""

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Receive an event; whatever its content, nothing is raised.

        Args:
            event: its `type` is None in a list, else ADDED, MODIFIED or DELETED; `object` is the object.
            listed_at: when the latest list was requested, in monotonic seconds.
        """

    def relisted(self) -> None:
        """Note that Kopf lists again: it does not report the objects that were deleted since the watch broke."""


class Remainder:
    """The body of a response, without the objects that the listener receives while Kopf reads it.

    Kopf reads a list as a whole and a watch in chunks; it has the lines of a watch as they end, whatever size it wants.

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
        page = _page(body)
        if page is None:
            return body
        # A page of large objects takes megabytes, and the loop below takes long.
        del body
        for each in page["items"]:
            self._listener.take({"type": None, "object": each}, self._listed_at)
            # One object in each pass of the loop: polls, answers and writes of those before keep up with the list, and
            # few objects wait in memory.
            await asyncio.sleep(0)
        return to_json(page | {"items": []})

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """The lines of a watch that are left, as they arrive."""
        rest = bytearray()
        async for data in self._content.iter_any():
            await asyncio.sleep(_DELAY_SECONDS)
            for start in range(0, len(data), _STEP_BYTES):
                if start:
                    await asyncio.sleep(0)
                searched = len(rest)
                rest += data[start : start + _STEP_BYTES]
                end = rest.rfind(b"\n", searched) + 1
                if end:
                    lines = bytes(rest[:end])
                    del rest[:end]
                    yield b"".join(self._lines_for_kopf(lines))
        if rest:
            yield bytes(rest)

    def _lines_for_kopf(self, lines: bytes) -> Iterator[bytes]:
        """What is left of the lines, with a bookmark for the events before each line and at the end.

        Kopf may drop a line that is left, and a watch that is resumed would receive what came before it again.
        """
        taken_version: str | None = None
        for line in lines.splitlines(keepends=True):
            version = self._take_line(line)
            if version is None:
                if taken_version is not None:
                    yield _bookmark(taken_version)
                yield line
            taken_version = version
        if taken_version is not None:
            yield _bookmark(taken_version)

    def _take_line(self, line: bytes) -> str | None:
        """Take the event in a line; return its resourceVersion, or None if it is left to Kopf."""
        try:
            event = from_json(line)
        except ValueError:
            return None
        match event:
            case {
                "type": "ADDED" | "MODIFIED" | "DELETED",
                "object": {"metadata": {"resourceVersion": str(version)}},
            }:
                self._listener.take(event, self._listed_at)
                return version
        return None


def _page(body: bytes) -> dict[str, Any] | None:
    """A page of a list of objects; None for anything else."""
    try:
        page = from_json(body)
    except ValueError:
        return None
    items = page.get("items") if isinstance(page, dict) else None
    is_page = isinstance(items, list) and all(isinstance(each, dict) for each in items)
    return page if is_page else None


def _bookmark(version: str) -> bytes:
    """As the API server's own, so that a watch that is resumed does not receive the events up to `version` again."""
    return to_json({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}) + b"\n"
