"""Fuzzes the reading of lists: what they say does not depend on where their windows, or the network's pieces, end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.astra.answers import AnswerError, parse_backup, read_list
from astra_mirror.astra.bodies import Bodies
from astra_mirror.astra.listing import MAX_VALUES, WINDOW, Body, ListError, ListReader
from astra_mirror.core.body import Kind
from astra_mirror.core.outcome import Known, Listed, Observed, Unchanged
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import chopped, mutated

IDS: Final = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123"]
_ITEMS: Final[list[Any]] = [
    {"id": IDS[0], "state": "running", "percentDone": 1e2, "stateUnready": ['ä\n"{[,:]}\\']},
    {"id": IDS[1].upper(), "state": "completed", "bytesDone": -1.5e-7, "metadata": {"labels": []}},
    {"id": IDS[2], "state": "pending"},
    {"id": IDS[2], "state": "failed"},
    [IDS[0], "name"],
    None,
    12.50,
]
LIST_BYTES: Final = [
    json.dumps({"items": _ITEMS[:3], "metadata": {"count": 3}}).encode(),
    json.dumps({"metadata": {"continue": "x"}, "x": [1], "items": _ITEMS, "y": 1e5}, indent=1).encode(),
    json.dumps({"items": _ITEMS[:1]}, ensure_ascii=False, separators=(",", ":")).encode(),
    b'{"items":[]}',
    b'\n{"items" : [ 1 , 2.0e+5, -0, true, "\\ud83d\\ude00" ] }\t',
]
WORDS: Final = [
    each.encode()
    for each in (
        *'{}[]",:\\ \n', '{"items":[', "]}", '"items":', '"items":[1],', '"metadata":{"continue":"y"},', "1e+5", "-",
        "1.",
        "NaN", "Infinity", "-Infinity", "9" * 4400, "null", '"\\u00', '"\\ud800"', "\ufeff", "€", "[" * 1100,
        f'"{IDS[0]}"',
        "0,", '{"id":"' + IDS[1] + '","state":"removed"},',
    )
] + [b"\xff", b"\xe2\x82", b"\xf0\x9f\x98"]  # fmt: skip
sizes: Final = st.lists(st.integers(1, 40) | st.integers(1, 5000), min_size=1, max_size=5)


def _read(windows: Body) -> tuple[list[Any], Any] | None:
    """The items as texts, so that NaN equals itself, and the metadata; None for what is no list."""
    reader = ListReader(windows)
    try:
        return [each[1] for each in reader if each is not None], json.dumps(reader.metadata)
    except ListError:
        return None


def _of_another_reader(body: bytes) -> list[Any] | None:
    """The items as the JSON decoder finds them in the whole text; None for what is no list."""
    pairs: list[Any] = []
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    try:
        pairs = decoder.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    return next((value for key, value in pairs if key == "items" and type(value) is list), None)


class _Pairs(list[Any]):
    """A JSON object with each of its members, those of the same name included."""


def _as_pairs(text: str) -> str:
    return repr(json.loads(text, object_pairs_hook=_Pairs))


def _longest_space(body: bytes) -> int:
    return max(map(len, re.findall(rb"[ \t\r\n]*", body)))


@IN_SECONDS
@given(mutated(LIST_BYTES, WORDS, most=20_000), sizes)
@example(LIST_BYTES[0], [1])
@example(b'{"items":[1e+5]}', [14, 1])
@example(b'{"items":["\xff"]}', [12, 1])
@example(b'{"items":["\xe2\x82\xac"]}', [12, 1])
@example(b'{"items":[1],"items":[2]}', [100])
def test_windows_may_end_anywhere(body: bytes, sizes: Sequence[int]) -> None:
    """The same items in the same order, as the decoder finds them in the whole text, or no list in each case."""
    space = _longest_space(body)
    # A window of nothing but spaces is refused, and a real one has a megabyte.
    windows = chopped(body, [max(size, space + 1) for size in sizes])
    whole = _read([body])
    assert _read(windows) == whole
    expected = _of_another_reader(body)
    if expected is None:
        assert whole is None
    else:
        assert whole is not None
        assert [_as_pairs(text) for text in whole[0]] == [repr(each) for each in expected]


async def _received(body: bytes, sizes: Sequence[int]) -> Body:
    async def stream() -> AsyncIterator[bytes]:
        for piece in chopped(body, sizes):
            yield piece

    async with asyncio.timeout(None) as deadline:
        with Bodies().reserve(("namespace", "connection"), deadline) as reservation:
            return await reservation.receive(stream(), Kind.LIST)


async def _listed(body: bytes, sizes: Sequence[int]) -> tuple[Body, Listed | None]:
    windows = await _received(body, sizes)
    try:
        return windows, await read_list(windows, Known(dict.fromkeys(IDS)), str)
    except ListError:
        return windows, None


@IN_SECONDS
@given(mutated(LIST_BYTES, WORDS, most=3 * WINDOW), sizes, st.integers(0, WINDOW + 2))
@example(LIST_BYTES[0], [1], 0)
def test_the_network_may_cut_anywhere(body: bytes, sizes: Sequence[int], spread: int) -> None:
    """Whatever the pieces in which a body comes: the same windows, and of each backup what a single answer says."""
    head, items, tail = body.partition(b'"items":')
    # A filler before the items moves them over the border of the first window.
    body = head + (b'"filler":"' + b"x" * spread + b'",' if items else b"") + items + tail
    large = [size * 997 for size in sizes]
    windows, listed = asyncio.run(_listed(body, large))
    assert b"".join(windows) == body
    assert {len(window) for window in windows[:-1]} <= {WINDOW}
    assert asyncio.run(_listed(body, [WINDOW])) == (windows, listed)
    if listed is None:
        return
    assert set(listed.found) <= set(IDS)
    for backup_id, answer in listed.found.items():
        assert isinstance(answer, Observed)
        assert answer.backup == _single(windows, backup_id)
    again = Known({key: each.digest for key, each in listed.found.items() if isinstance(each, Observed)}, listed.digest)
    assert all(isinstance(each, Unchanged) for each in asyncio.run(read_list(windows, again, str)).found.values())


def _single(windows: Body, backup_id: str) -> object:
    """The backup of the one item with that id."""
    items = [each for each in ListReader(windows) if each is not None and isinstance(each[0], dict)]
    [text] = [text for item, text in items if str(item.get("id")).lower() == backup_id]
    return parse_backup(text.encode(), backup_id)


def _long(item: str, number: int, spread: int) -> bytes:
    return ('{"items":[' + ",".join([item] * number) + "]" + ',"x":0' * spread + "}").encode()


_long_lists: Final = st.builds(
    _long,
    st.sampled_from(["0", "[]", "{}", "[0]", '"a,"', '{"id":"x"}']),
    st.sampled_from([1, 1000, MAX_VALUES // 2, MAX_VALUES]),
    st.integers(0, 6),
)


@settings(IN_SECONDS, max_examples=60)
@given(mutated(LIST_BYTES, [*WORDS, b"[]," * 3000, b"," * 3000], most=3 * WINDOW) | _long_lists | _long_lists)
@example(_long("0", MAX_VALUES, 0))
@example(_long("0", MAX_VALUES, 1))
def test_what_costs_too_much_is_refused_before_it_is_read(body: bytes) -> None:
    """A window has at most so many values; of what is read each item can be read by itself."""
    windows = chopped(body, [WINDOW])
    is_costly = any(sum(map(window.count, (b",", b"[", b"{"))) > MAX_VALUES for window in windows)
    read = _read(windows)
    assert read is None or not is_costly
    for text in (read or ([], None))[0][:20]:
        try:
            parse_backup(text.encode(), IDS[0])
        except AnswerError as error:
            assert str(error)  # noqa: PT017 - any other error is a finding
