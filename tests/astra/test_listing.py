"""Lists are read as the JSON decoder reads them, wherever a window ends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.astra import answers
from astra_mirror.astra.listing import WINDOW, ListReader
from astra_mirror.core.outcome import Known, Listed, Observed, Unchanged

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ID = "bab39d53-2d04-5297-b92e-58df89a2117b"
OTHER = "00000000-0000-4000-8000-000000000001"


def body(*items: Any, **metadata: Any) -> bytes:
    """The body of a list."""
    return json.dumps({"items": list(items), "metadata": metadata}).encode()


def windows(text: bytes, size: int = WINDOW) -> list[bytes]:
    """A body in windows, as the client passes it."""
    return [text[start : start + size] for start in range(0, len(text) + 1, size)]


def backup(backup_id: str = ID, state: str = "running") -> dict[str, Any]:
    """An item of a list."""
    return {"id": backup_id, "state": state}


@given(st.lists(_JSON, max_size=8), _JSON, st.integers(32, 64), st.booleans(), st.sampled_from([None, 1]))
def test_any_list_is_read_as_the_decoder_reads_it(
    items: list[Any], metadata: Any, window: int, plain: bool, indent: int | None
) -> None:
    """Any list is read as json.loads reads it, wherever the windows end."""
    document = {"x": metadata, "items": items, "metadata": metadata}
    text = json.dumps(document, ensure_ascii=plain, indent=indent).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    reader = ListReader(windows(text, window))
    found = [each[0] for each in reader if each is not None]
    assert found == items
    assert reader.metadata == metadata


@given(st.binary(max_size=200))
def test_anything_else_is_a_clear_error(garbage: bytes) -> None:
    """Any other body raises ListError, and no other exception."""
    with pytest.raises(ValueError, match=r".+"):
        list(ListReader(windows(garbage)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"items": null}',
        b'{"items": {}}',
        b'{"items": [1,]}',
        b'{"items": [1 2]}',
        b'{"items": [1], }',
        b'{"items": [1]} x',
        b'{"items": [1]',
        b'{"items" [1]}',
        b'{"metadata": {}}',
        b'{"items": ' + b"[" * 100_000,
        b'{"items": ["\xff"]}',
    ],
)
def test_what_is_no_list_is_refused(text: bytes) -> None:
    """A body that is cut off, of another shape, too deep or not UTF-8 is refused."""
    with pytest.raises(ValueError, match=r".+"):
        list(ListReader(windows(text)))


def test_an_item_larger_than_a_backup_may_be_is_refused() -> None:
    """An item larger than a window is refused, because decoding it would block the event loop."""
    with pytest.raises(ValueError, match="too large"):
        list(ListReader(windows(body({"id": ID, "name": "x" * 2 * WINDOW}))))


def test_endless_space_is_refused() -> None:
    """More than a megabyte of white space is refused."""
    with pytest.raises(ValueError, match="spaces"):
        list(ListReader(windows(b'{"items": [' + b" " * 4 * WINDOW + b"]}")))


def test_others_have_their_turn_between_the_members_of_a_strange_document() -> None:
    """Reading yields after each other member of the object, of which there may be millions."""
    members = ", ".join(f'"m{number}": 0' for number in range(1000))
    assert list(ListReader(windows(f'{{"items": [7], {members}}}'.encode()))) == [(7, "7"), *[None] * 1000]


def test_a_list_longer_than_a_window_is_read_to_its_end() -> None:
    """A list of three windows is read to its end."""
    items = [{"id": str(number), "name": "ä" * 500} for number in range(6000)]
    assert len(body(*items)) > 3 * WINDOW
    assert [each[0] for each in ListReader(windows(body(*items))) if each is not None] == items


async def read_list(text: bytes, known: Known) -> Listed:
    """Read a list, with a token that it does not contain."""
    return await answers.read_list(windows(text), known, lambda document: document)


async def test_only_known_backups_are_looked_at() -> None:
    """Only known backups are parsed; ids are compared in lower case."""
    listed = await read_list(body(backup(ID.upper()), backup(OTHER)), Known({ID: None}))
    assert list(listed.found) == [ID]
    assert listed.size == 2
    assert listed.complete


async def test_what_is_unchanged_is_recognised() -> None:
    """An unchanged item is recognised by its digest, and an unchanged list by its own."""
    first = await read_list(body(backup(), backup(OTHER)), Known({ID: None, OTHER: None}))
    assert all(isinstance(each, Observed) for each in first.found.values())
    digests = {key: each.digest for key, each in first.found.items() if isinstance(each, Observed)}
    second = await read_list(body(backup(), backup(OTHER, "completed")), Known(digests, first.digest))
    assert isinstance(second.found[ID], Unchanged)
    assert isinstance(second.found[OTHER], Observed)
    assert second.said_of("another") is None
    same = await read_list(body(backup(), backup(OTHER)), Known(digests, first.digest))
    assert same.said_of(ID) == same.said_of(OTHER) == Unchanged()
    assert same.size is None


@pytest.mark.parametrize(
    "items",
    [
        [],
        [None, 1, "x", [], {}],
        [[ID, "name", "running"]],
        [{"id": ID}],
        [{"id": ID, "state": 7}],
        [{"id": [ID], "state": "running"}],
        [backup(), backup()],
        [backup(), backup(ID, "completed")],
        [backup(), backup(ID.upper())],
    ],
)
async def test_what_a_list_says_badly_or_twice_it_does_not_say(items: list[Any]) -> None:
    """Invalid and duplicate items are left out, and valid ones are used."""
    listed = await read_list(body(*items, backup(OTHER)), Known({ID: None, OTHER: None}))
    assert list(listed.found) == [OTHER]


async def test_a_list_that_goes_on_elsewhere_is_not_complete() -> None:
    """A list with a continue token is not complete, and its items are used."""
    listed = await read_list(body(backup(), **{"continue": "x"}), Known({ID: None}))
    assert not listed.complete
    assert list(listed.found) == [ID]
