"""What a response of Astra Control means: turns its status code and body into an outcome, or raises an AnswerError."""

from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from astra_mirror.astra.listing import MAX_VALUES, Body, ListReader, count_values
from astra_mirror.astra.whole_list import WholeListReader
from astra_mirror.astra.wire import BackupDocument, Problem, Redact
from astra_mirror.core.backup import Backup
from astra_mirror.core.outcome import Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.support.text import cut, sentence
from astra_mirror.support.time_slices import TimeSlice

# The maximum length of a remote error's text: with the sentence around it, it fits into a condition's message.
_MAX_WORDS: Final = 640
_MAX_CORRELATION_ID: Final = 64

_REASONS: Final = {
    400: (SyncReason.INVALID_REQUEST, "Astra Control refused the request (400)"),
    401: (SyncReason.UNAUTHORIZED, "Astra Control refused the token (401)"),
    403: (SyncReason.FORBIDDEN, "The token may not read this app's backups (403)"),
    429: (SyncReason.RATE_LIMITED, "Astra Control asks for fewer requests (429)"),
}
_CLASSES: Final = {
    3: (SyncReason.UNEXPECTED_RESPONSE, "The answer is a redirect ({code}), and none is followed"),
    5: (SyncReason.SERVER_ERROR, "Astra Control failed to answer ({code})"),
}
"""By the first digit of the status codes that have no reason of their own."""
_UNDOCUMENTED: Final = (SyncReason.UNEXPECTED_RESPONSE, "The answer's status code {code} is not one of the API's")


class AnswerError(Exception):
    """The response is not the requested document."""

    def __init__(self, reason: SyncReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def failure_of(code: int, body: bytes, redact: Redact, *, retry_after: str = "", date: str = "") -> NotFound | Failed:
    """What a response with a status code other than 200 means.

    Args:
        code: the status code.
        body: the body.
        redact: removes the token from the body's words.
        retry_after: the header Retry-After.
        date: the header Date.
    """
    problem = _problem(body)
    correlation_id = _correlation_id(problem, redact)
    if code == HTTPStatus.NOT_FOUND and problem is not None:
        return NotFound(_words("Astra Control has no such backup (404)", problem, redact), correlation_id)
    reason, text = _REASONS.get(code) or _CLASSES.get(code // 100, _UNDOCUMENTED)
    message = _words(text.format(code=code), problem, redact)
    return Failed(reason, message, _retry_seconds(retry_after, date), code, correlation_id)


def parse_backup(body: bytes, backup_id: str, redact: Redact = str) -> Backup:
    """The backup that a document describes.

    Args:
        body: the document.
        backup_id: the id of the requested backup, in lower case.
        redact: removes the token from a text that will be shown.

    Raises:
        AnswerError: the document is not JSON, not a backup, or not the requested backup.
    """
    if count_values(body) > MAX_VALUES:
        raise AnswerError(
            SyncReason.UNEXPECTED_RESPONSE, f"The answer is not a backup: it has more than {MAX_VALUES} values."
        )
    try:
        document = BackupDocument.model_validate_json(body)
    except ValidationError as error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, _why_invalid(error)) from None
    if document.id.lower() != backup_id:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is about another backup than the one asked for.")
    return document.to_backup(redact)


def _why_invalid(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "The answer is not JSON."
    # Name the field in words of our own: pydantic's message might quote its value.
    field = first["loc"][0] if first["loc"] else None
    if field in BackupDocument.model_fields:
        return f"The answer is not a backup: its {field} is missing, or is no text of the length that it may have."
    return "The answer is not a backup: it is no JSON object."


def _problem(body: bytes) -> Problem | None:
    if count_values(body) > MAX_VALUES:
        return None
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return None


def _words(text: str, problem: Problem | None, redact: Redact) -> str:
    if problem is None:
        return f"{text}, without a problem document."
    # Redact before the text is cut: a cut could leave half a token, which `redact` would not find.
    return sentence(f"{text}: {cut(redact(problem.words()), _MAX_WORDS)}")


def _correlation_id(problem: Problem | None, redact: Redact) -> str | None:
    if problem is None or not problem.correlation_id:
        return None
    return cut(redact(problem.correlation_id), _MAX_CORRELATION_ID)


def _retry_seconds(retry_after: str, date: str) -> float | None:
    """Retry-After in seconds from now; None unless that is in the future.

    The header has a number of seconds, or an HTTP date (RFC 9110, 10.2.3).
    """
    value = retry_after.strip()
    seconds = float(value) if value.isascii() and value.isdigit() else _seconds_until(value, date)
    return seconds if seconds is not None and seconds > 0 else None


def _seconds_until(date: str, date_of_answer: str) -> float | None:
    moment = _moment(date)
    if moment is None:
        return None
    # By the clock of the server that computed the date: the clock of this machine may differ.
    return (moment - (_moment(date_of_answer) or datetime.now(UTC))).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def read_list(body: Body, known: Known, redact: Redact, namespace: str = "") -> Listed:
    """The backups in `known` as a list describes them.

    Args:
        body: the body of the response.
        known: the backups that matter, and the digests of what is known of them.
        redact: removes the token from a text that will be shown.
        namespace: the namespace that the time slices are counted for.

    Raises:
        ListError: the body is not a list of backups.
    """
    digest = 0
    # A whole window is decoded before the first item is available.
    time_slice = TimeSlice(namespace, is_large=True)
    for window in body:
        digest = hash((digest, window))
        await time_slice.checkpoint()
    if digest == known.list_digest:
        return Listed(digest, {}, size=None)
    reader = WholeListReader(body, known, redact)
    found, size = await _read_items(reader, known, redact, time_slice)
    metadata = reader.metadata if isinstance(reader.metadata, dict) else {}
    return Listed(digest, {**found, **reader.as_a_whole(digest)}, size, complete=not metadata.get("continue"))


async def _read_items(
    reader: ListReader, known: Known, redact: Redact, time_slice: TimeSlice
) -> tuple[dict[str, Observed | Unchanged], int]:
    """The backups in `known` that the list describes validly and exactly once, and the number of all items."""
    found: dict[str, Observed | Unchanged] = {}
    seen: Counter[str] = Counter()
    size = 0
    for each in reader:
        if each is None:
            await time_slice.checkpoint()
            continue
        size += 1
        backup_id, text = _id_of(each[0]), each[1]
        # A decoded item may be large: none is kept while other work runs.
        del each
        await time_slice.checkpoint()
        if backup_id in known.documents:
            seen[backup_id] += 1
            answer = _read_item(text, backup_id, known.documents[backup_id], redact)
            if answer is not None:
                found[backup_id] = answer
            await time_slice.checkpoint()
    for backup_id, times in seen.items():
        # A request for the single backup decides which of several items is right.
        if times > 1:
            found.pop(backup_id, None)
    return found, size


def _id_of(item: object) -> str:
    """The id of an item in lower case; empty where it has none."""
    backup_id = item.get("id") if isinstance(item, dict) else None
    return backup_id.lower() if isinstance(backup_id, str) else ""


def _read_item(text: str, backup_id: str, known: int | None, redact: Redact) -> Observed | Unchanged | None:
    digest = hash(text)
    if digest == known:
        return Unchanged()
    try:
        return Observed(parse_backup(text.encode(), backup_id, redact), digest=digest)
    except AnswerError:
        return None
