"""What is taken out of the responses to Kopf's lists and watches, and what Kopf still reads of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from astra_mirror.cluster.watch_stream import Remainder


class Body:
    """A response's body in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.total_bytes = sum(map(len, pieces))

    async def read(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)

    async def iter_any(self) -> AsyncIterator[bytes]:
        """One piece after the other."""
        for each in self._pieces:
            yield each


class Taken:
    """A listener that records what it receives, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[str | None, str, float]] = []
        self.times: list[float] = []

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Record it."""
        self.events.append((event["type"], event["object"]["metadata"]["resourceVersion"], listed_at))
        self.times.append(asyncio.get_running_loop().time())

    def relisted(self) -> None:
        """Not called by a response's body."""
        raise AssertionError


def _object(version: str) -> dict[str, Any]:
    return {"kind": "AppBackupRef", "metadata": {"name": "a", "resourceVersion": version}}


def _line(kind: str, version: str) -> bytes:
    return json.dumps({"type": kind, "object": _object(version)}, separators=(",", ":")).encode() + b"\n"


def _remainder(body: Body, listener: Taken) -> Remainder:
    content: Any = body
    return Remainder(content, listener, 7.0)


async def _watched(listener: Taken, *pieces: bytes) -> list[bytes]:
    return [each async for each in _remainder(Body(*pieces), listener).iter_chunked(1)]


def _bookmark(version: str) -> bytes:
    event = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


async def test_a_page_of_a_list_reaches_kopf_without_its_items() -> None:
    """The token of the next page and the version from which to watch remain. Each object has a pass of the loop."""
    listener = Taken()
    page = {"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [_object("1"), _object("2")]}
    reading = asyncio.create_task(_remainder(Body(json.dumps(page).encode()), listener).read())
    for number in range(3):
        assert len(listener.events) == number
        await asyncio.sleep(0)
    assert json.loads(await reading) == page | {"items": []}
    assert listener.events == [(None, "1", 7.0), (None, "2", 7.0)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"items": {}}', b'{"items": [1]}', b'{"kind": "Status"}'])
async def test_what_is_no_list_is_left_to_kopf(body: bytes) -> None:
    """It reports the failure as it always does."""
    listener = Taken()
    assert await _remainder(Body(body), listener).read() == body
    assert not listener.events


async def test_events_are_taken_and_a_bookmark_takes_their_place() -> None:
    """Otherwise a watch that is resumed would receive them again."""
    listener = Taken()
    lines = _line("ADDED", "1") + _line("MODIFIED", "3") + _line("DELETED", "4")
    assert await _watched(listener, lines) == [_bookmark("4")]
    assert listener.events == [("ADDED", "1", 7.0), ("MODIFIED", "3", 7.0), ("DELETED", "4", 7.0)]


async def test_events_wait_for_the_response_to_the_write_whose_echo_they_may_be() -> None:
    """A fiftieth of a second."""
    listener, arrived = Taken(), asyncio.get_running_loop().time()
    await _watched(listener, _line("MODIFIED", "1"))
    assert listener.times[0] >= arrived + 0.02


async def test_many_events_leave_the_others_their_turns() -> None:
    """A flood in one piece is handled in several passes of the event loop."""
    listener = Taken()
    lines = b"".join(_line("ADDED", str(number)) for number in range(2000))
    watching = asyncio.create_task(_watched(listener, lines))
    seen = set()
    while not watching.done():
        seen.add(len(listener.events))
        await asyncio.sleep(0)
    assert len(listener.events) == 2000
    assert len(seen - {0, 2000}) >= len(lines) // 65_536 - 1


@pytest.mark.parametrize("size", [50_000, 1_000_000])
async def test_lines_in_pieces_are_put_together(size: int) -> None:
    """Also a long line, and the API server's own bookmarks stay as they are, in their order."""
    listener = Taken()
    long = json.dumps({"type": "ADDED", "object": _object("2") | {"x": "y" * 200_000}}).encode() + b"\n"
    lines = _line("ADDED", "1") + long + _bookmark("5")
    pieces = [lines[start : start + size] for start in range(0, len(lines), size)]
    left = await _watched(listener, *pieces)
    assert b"".join(left) == _bookmark("1") + _bookmark("2") + _bookmark("5")
    assert [version for _, version, _ in listener.events] == ["1", "2"]


async def test_a_bookmark_comes_before_what_is_left_to_kopf() -> None:
    """Kopf may drop that line, and a watch that is resumed would receive what came before it again."""
    left = _line("UNKNOWN", "2")
    assert b"".join(await _watched(Taken(), _line("ADDED", "1") + left)) == _bookmark("1") + left


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n',
        b'{"type":"MODIFIED","object":{"kind":"AppBackupRef"}}\n',
        b'{"type":["ADDED"],"object":{"metadata":{"resourceVersion":"1"}}}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":1}}}\n',
        b'{"type":"ADDED","object":[]}\n',
        b"[]\n",
        b"not JSON\n",
        b"\n",
        b'{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"1"}}',
    ],
)
async def test_any_other_line_is_left_to_kopf(line: bytes) -> None:
    """An ERROR event ends its watch, and so does what it cannot read."""
    listener = Taken()
    assert await _watched(listener, line) == [line]
    assert not listener.events


async def test_everything_else_is_the_bodys_own() -> None:
    """A response asks its body for more than its bytes."""
    assert _remainder(Body(b"12345"), Taken()).total_bytes == 5
