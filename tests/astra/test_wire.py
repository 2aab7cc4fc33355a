"""Documents of the largest size: what is shown of them is bounded, and so is the work."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import MAX_DETAILS, MAX_LABELS, MAX_REASONS
from astra_mirror.astra import answers
from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup
from astra_mirror.astra.listing import MAX_VALUES, WINDOW, ListError, ListReader, count_values
from astra_mirror.astra.wire import Problem
from astra_mirror.core.outcome import Failed, Known

ID = "bab39d53-2d04-5297-b92e-58df89a2117b"
MANY = 24_000


class Counting:
    """Counts the texts, and returns them unchanged."""

    def __init__(self) -> None:
        self.texts = 0

    def __call__(self, text: str) -> str:
        """Return the text unchanged."""
        self.texts += 1
        return text


def document(**fields: Any) -> bytes:
    """A backup."""
    return json.dumps({"id": ID, "state": "running", **fields}, separators=(",", ":")).encode()


_LABEL = {"name": "n", "value": "v"}


def test_of_many_labels_the_first_are_shown() -> None:
    """Beyond the limit the last label says how many are left out; invalid ones do not count."""
    redact = Counting()
    labels = [{"name": 1, "value": "v"}, 7, _LABEL, {}, *[_LABEL] * (MANY - 1)]
    backup = parse_backup(document(metadata={"labels": labels}), ID, redact)
    assert backup.info is not None
    assert backup.info.labels is not None
    assert len(backup.info.labels) == MAX_LABELS
    assert backup.info.labels[-1].value == f"[{MANY - MAX_LABELS + 1} more]"
    assert redact.texts <= 2 * MAX_LABELS


@pytest.mark.parametrize("field", ["stateUnready", "stateDetails", "hookStateDetails"])
def test_of_many_entries_the_first_are_shown(field: str) -> None:
    """Of each list the first entries are shown, and only those are processed."""
    redact = Counting()
    entry: Any = "r" if field == "stateUnready" else {"type": "t", "title": "x", "detail": "y"}
    backup = parse_backup(document(**{field: [None, *[entry] * MANY, 7]}), ID, redact)
    if field == "stateUnready":
        assert backup.state_unready == (*["r"] * (MAX_REASONS - 1), f"… [{MANY - MAX_REASONS + 1} more]")
    else:
        details = backup.state_details if field == "stateDetails" else backup.hook_state_details
        assert details is not None
        assert len(details) == MAX_DETAILS
        assert details[-1].title == f"… [{MANY - MAX_DETAILS + 1} more]"
    assert redact.texts <= 3 * MAX_REASONS


@pytest.mark.parametrize("number", [0, 1, MAX_REASONS, MAX_REASONS + 1])
def test_nothing_is_left_out_before_there_are_too_many(number: int) -> None:
    """At the limit all entries are shown; beyond it the last one says how many are not."""
    shown = parse_backup(document(stateUnready=["r"] * number), ID).state_unready
    assert shown is not None
    assert len(shown) == min(number, MAX_REASONS)
    assert (shown[-1:] == ("… [2 more]",)) is (number > MAX_REASONS)


def test_of_many_refused_parameters_the_first_are_named() -> None:
    """The message names the first invalid parameters, and says how many more there are."""
    params = [{"name": f"p{number}", "reason": "r"} for number in range(MANY)]
    problem = Problem.model_validate_json(json.dumps({"type": "t", "title": "x", "invalidParams": params}))
    assert problem.words().endswith(f"p14: r; … {MANY - 15} more]")


@pytest.mark.parametrize(
    "body",
    [
        document(x=[[]] * MAX_VALUES),
        document(x=[0] * (MAX_VALUES + 1)),
        document(metadata={"labels": [[]] * MAX_VALUES}),
        b"[" * 1024 * 1024,
        b"," * 1024 * 1024,
        document(x=["a"] * (MAX_VALUES + 1)),
    ],
)
def test_a_document_with_too_many_values_is_not_decoded(body: bytes) -> None:
    """A document with too many values is UnexpectedResponse, or an error without words."""
    with pytest.raises(AnswerError, match=f"more than {MAX_VALUES} values"):
        parse_backup(body, ID)
    failure = failure_of(500, body, str)
    assert isinstance(failure, Failed)
    assert "without a problem document" in failure.message


@pytest.mark.parametrize("filler", ["[{,", '\\"[', "\\\\,", "x,"])
def test_what_stands_in_a_text_is_no_value(filler: str) -> None:
    """Brackets and commas within strings do not count as values."""
    text = (filler * MAX_VALUES)[: 1024 * 1000 // 2]
    backup = parse_backup(document(stateUnready=[text]), ID)
    assert backup.state_unready is not None
    assert backup.state_unready[0].endswith("… [cut]")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _number_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_number_of, value.values()))
    return 1 + sum(map(_number_of, value)) if isinstance(value, list) else 1


@given(_JSON)
def test_no_value_is_overlooked(value: Any) -> None:
    """The count is never less than the number of values."""
    assert 2 * count_values(json.dumps(value).encode()) + 1 >= _number_of(value)


@pytest.mark.parametrize("body", [b'"' + b"\\" * 500_001, b'"' + b'\\"' * 500_000, b'"' * 500_001, b'[,"a' * 200_000])
def test_unfinished_texts_cost_no_more_than_others(body: bytes) -> None:
    """The search for the ends of strings is linear."""
    assert count_values(body + b"[" * (MAX_VALUES + 1)) >= 0


@pytest.mark.parametrize(
    "fields",
    [
        {"totalBytes": "HUGE", "percentDone": 5},
        {"totalBytes": "9" * 900_000, "percentDone": 5},
        {"bytesDone": 10**30, "percentDone": 5},
        {"name": ["x"], "percentDone": 5},
        {"stateUnready": 7, "stateDetails": "x", "metadata": [], "percentDone": 5},
    ],
)
def test_what_is_wrong_is_left_out_and_the_rest_used(fields: dict[str, Any]) -> None:
    """A field of any wrong type or length is left out, and the others are used."""
    backup = parse_backup(document(**fields), ID)
    assert (backup.percent_done, backup.total_bytes, backup.bytes_done) == (5, None, None)


@pytest.mark.parametrize(
    "value", ["9" * 900_000, "-" + "9" * 5000, "0." + "9" * 900_000, "1e999999", "[" * 5000 + "]" * 5000]
)
def test_huge_numbers_and_depths_are_no_crash(value: str) -> None:
    """A huge number is left out, and a document that is too deep is UnexpectedResponse."""
    body = document(percentDone=5).replace(b"}", f',"totalBytes":{value}}}'.encode())
    try:
        assert parse_backup(body, ID).total_bytes in {None, 1}
    except AnswerError as error:
        assert str(error) == "The answer is not JSON."  # noqa: PT017 - either is right


def windows(text: bytes) -> list[bytes]:
    """A body in windows, as the client passes it."""
    return [text[start : start + WINDOW] for start in range(0, len(text) + 1, WINDOW)]


def test_a_large_item_is_looked_at_again_when_more_has_come() -> None:
    """Reading yields before each further attempt to decode a large item."""
    items = [{"x": "y" * (WINDOW - 1000)}, {"id": ID, "x": "y" * 5000}, 7]
    read = list(ListReader(windows(json.dumps({"items": items}).encode())))
    assert [each for each in read if each is not None] == [(each, json.dumps(each)) for each in items]
    assert None in read


@pytest.mark.parametrize("items", ["[]," * 500_000, "0," * 700_000, "[" * 900 + "[]," * 300_000])
def test_a_list_with_too_many_values_for_its_size_is_refused(items: str) -> None:
    """A window with too many values is refused before it is decoded."""
    with pytest.raises(ListError, match=f"more than {MAX_VALUES} values"):
        list(ListReader(windows(f'{{"items":[{items}'.encode())))


async def test_an_item_that_is_no_backup_costs_the_others_nothing() -> None:
    """An item with too many values is left out, and its neighbours are used."""
    wide = document(x=[0] * 60_000, stateUnready=[0] * 60_000)
    other = "00000000-0000-4000-8000-000000000001"
    body = b'{"items":[' + wide + b"," + document(id=other) + b"]}"
    listed = await answers.read_list(windows(body), Known({ID: None, other: None}), str)
    assert set(listed.found) == {ID, other}
