"""Fuzzes the reading of a single answer: a backup, and the words of an error."""

import json
import math
import re
from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, NotFound, SyncReason
from astra_mirror.core.urls import BaseURL
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.documents import ID, SPELLED, TOKEN, bodies
from tests.fuzz.mutation import changed, mutated

CONNECTION: Final = Connection(BaseURL.parse("https://a.netapp.io"), TOKEN)
_DETAIL: Final = {"type": "urn:x", "title": "Bucket", "detail": "It is full"}
BACKUP: Final[dict[str, Any]] = {
    "type": "application/astra-appBackup",
    "version": "1.2",
    "id": ID,
    "name": "nightly",
    "state": "running",
    "stateUnready": ["waiting", "for a slot"],
    "stateDetails": [_DETAIL],
    "hookState": "failed",
    "hookStateDetails": [_DETAIL, {"title": "x"}],
    "percentDone": 41.9,
    "bytesDone": 1288490188,
    "totalBytes": "3113851289",
    "bucketID": ID,
    "backupCreationTimestamp": "2026-03-01T12:00:00.123456789Z",
    "metadata": {
        "labels": [{"name": "a", "value": "b"}],
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "createdBy": ID,
    },
}
DOCUMENTS: Final = [
    json.dumps(BACKUP).encode(),
    json.dumps(BACKUP, indent=1).encode(),
    json.dumps({"id": ID.upper(), "state": "completed", "percentDone": "100"}).encode(),
    json.dumps({"id": ID, "state": "ready ü😀", "metadata": {"labels": [None] * 70}}, ensure_ascii=False).encode(),
]
PROBLEM: Final[dict[str, Any]] = {
    "type": "https://astra.netapp.io/problems/2",
    "title": "Collection not found",
    "detail": f"The token {TOKEN} is known; the collection is not.",
    "status": "404",
    "correlationID": "0b1c (x)",
    "invalidParams": [{"name": "id", "reason": "no UUID"}, {"name": "x"}],
}
PROBLEMS: Final = [
    json.dumps(PROBLEM).encode(),
    b'{"type": "t", "title": "x"}',
    b"<html>404 page not found</html>",
]
WORDS: Final = [
    each.encode()
    for each in (
        *SPELLED, "".join(f"\\u{ord(char):04x}" for char in TOKEN), "null", "true", "NaN", "Infinity", "1e400", "-1",
        "1e18", "9223372036854775807",
        "9223372036854775808",
        "9" * 5000, "0.999999999999999999", '"1_0"', '"٣"', '" 7 "', '"NaN"', "{}", "[]", "[", "{", '"', "\\",
        "\\ud800",
        '"\\u0000"', "\ufeff", '"id":', '"state":"",', '"state": "failed",', f'"id": "{ID}",', '"metadata": 7,', "\xff",
        '"percentDone": 100,', '"hookState": null,', '"2026-02-30T00:00:00Z"', '"0000-01-01T00:00:00Z"', ",", ":", " ",
    )
]  # fmt: skip
_PLAIN: Final = re.compile(r"[a-z ]{1,200}")
_DATES: Final = [
    b"120", b"0", b"-5", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Wednesday, 21-Oct-26 07:28:00 GMT",
    b"Wed Oct 21 07:28:00 2026",
    b"21 Oct 9999 23:59:59 -2359", b"1 Jan 0001 00:00:00 +2359", b"31 Dec 99 00:00 -0000", b"1e3", b"\xb2",
]  # fmt: skip
_DATE_WORDS: Final = [b"9" * 400, b"99", b"-", b":", b"+9999", b"GMT", b"Jan", b",", b" ", b"(", b"\\", b"0"]


def _texts(value: object) -> list[str]:
    """Every text in a backup."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for each in value for text in _texts(each)]
    fields: tuple[str, ...] = tuple(getattr(type(value), "model_fields", ())) or getattr(value, "__slots__", ())
    return [text for name in fields for text in _texts(getattr(value, name))]


def _check_bounds(backup: Backup) -> None:
    assert backup.id.lower() == ID
    assert 0 < len(backup.state) <= 256
    assert backup.percent_done is None or 0 <= backup.percent_done <= 100
    assert all(each is None or 0 <= each < 2**63 for each in (backup.bytes_done, backup.total_bytes))
    assert all(isinstance(each, int | None) for each in (backup.bytes_done, backup.total_bytes))
    assert len(backup.state_unready or ()) <= 32
    assert all(len(each) <= 256 for each in backup.state_unready or ())
    assert max(len(backup.state_details or ()), len(backup.hook_state_details or ())) <= 16
    assert all(len(each) <= 1024 for each in _texts(backup))
    assert not [each for each in _texts(backup) if TOKEN.lower() in each.lower()]
    assert backup.info is None or len(backup.info.labels or ()) <= 64


def _read(body: bytes) -> Backup | AnswerError:
    try:
        return parse_backup(body, ID, CONNECTION.redact_text)
    except AnswerError as error:
        return error


def _expected(body: bytes) -> dict[str, Any] | None:
    """What another JSON reader finds, where that is a backup."""
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    is_backup = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("id", "state"))
    is_asked = is_backup and found["id"].lower() == ID and 0 < len(found["state"]) <= 256
    return found if is_asked else None


def _compare(backup: Backup, expected: dict[str, Any]) -> None:
    info = backup.info
    for ours, key in ((backup.state, "state"), (backup.hook_state, "hookState"), (info and info.name, "name")):
        text = expected.get(key)
        # Of other texts a part may look like the token.
        if isinstance(text, str) and _PLAIN.fullmatch(text):
            assert ours == text
    percent, size = expected.get("percentDone"), expected.get("bytesDone")
    if isinstance(percent, int | float) and not isinstance(percent, bool):
        is_good = math.isfinite(percent) and 0 <= percent <= 100
        assert backup.percent_done == (percent if is_good else None)
    if type(size) is int:
        assert backup.bytes_done == (size if 0 <= size < 2**63 else None)


@IN_SECONDS
@given(bodies(ID) | bodies(ID) | mutated(DOCUMENTS, WORDS) | changed([BACKUP]))
@example(DOCUMENTS[0])
def test_a_body_is_a_backup_within_its_bounds_or_a_clear_error(body: bytes) -> None:
    """Another JSON reader finds the same values; the token is in no text; nothing but AnswerError is raised."""
    expected, read = _expected(body), _read(body)
    if isinstance(read, AnswerError):
        assert read.reason is SyncReason.UNEXPECTED_RESPONSE
        assert re.fullmatch(r"The answer is [ -~]{1,200}\.", str(read))
        # The one thing on which readers of JSON differ: half a surrogate pair, which is no text.
        assert expected is None or "\\ud" in body.decode().lower() or "values" in str(read)
        return
    _check_bounds(read)
    if expected is not None:
        _compare(read, expected)


@IN_SECONDS
@given(
    st.sampled_from([400, 401, 403, 404, 404, 429, 500, 503, 302, 418, 999]),
    mutated(PROBLEMS, WORDS) | changed([PROBLEM]),
    mutated(_DATES, _DATE_WORDS, most=1000),
    mutated(_DATES, _DATE_WORDS, most=1000),
)
def test_an_error_has_words_that_are_short_and_harmless(code: int, body: bytes, after: bytes, date: bytes) -> None:
    """Whatever its body and headers are: no exception, no token, and a pause that is one."""
    failure = failure_of(
        code,
        CONNECTION.redact(body),
        CONNECTION.redact_text,
        # As aiohttp decodes headers.
        retry_after=after.decode("utf-8", "surrogateescape"),
        date=date.decode("utf-8", "surrogateescape"),
    )
    assert 0 < len(failure.text) <= 1024
    assert TOKEN.lower() not in failure.text.lower()
    if isinstance(failure, NotFound):
        assert code == 404
        return
    assert isinstance(failure, Failed)
    assert failure.code == code
    assert failure.pause is None or 0 < failure.pause <= 3600
