"""What an answer of Astra Control means: a body and a status code become an outcome, or an AnswerError."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from astra_mirror.astra.listing import Body, ListReader
from astra_mirror.astra.wire import BackupDocument, Problem
from astra_mirror.core.backup import Backup
from astra_mirror.core.outcome import Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.core.text import cut, sentence
from astra_mirror.turn import Turn

# The words of a remote error, so that with the sentence around them they stay below a condition's message.
_MAX_WORDS: Final = 640
_MAX_CORRELATION_ID: Final = 64

_REASONS: Final = {
    400: (SyncReason.INVALID_REQUEST, "Astra Control refused the request (400)"),
    401: (SyncReason.UNAUTHORIZED, "Astra Control refused the token (401)"),
    403: (SyncReason.FORBIDDEN, "The token may not read this app's backups (403)"),
    429: (SyncReason.RATE_LIMITED, "Astra Control asks for fewer requests (429)"),
}


class AnswerError(Exception):
    """An answer that is not the document asked for."""

    def __init__(self, reason: SyncReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def failure_of(code: int, headers: Mapping[str, str], body: bytes) -> NotFound | Failed:
    """What an answer with a status code other than 200 means."""
    problem = _problem(body)
    if code == HTTPStatus.NOT_FOUND and problem is not None:
        return NotFound(_words("Astra Control has no such backup (404)", problem))
    if code in _REASONS:
        reason, text = _REASONS[code]
    elif 500 <= code < 600:
        reason, text = SyncReason.SERVER_ERROR, f"Astra Control failed to answer ({code})"
    elif 300 <= code < 400:
        reason, text = SyncReason.UNEXPECTED_RESPONSE, f"The answer is a redirect ({code}), and none is followed"
    else:
        reason, text = SyncReason.UNEXPECTED_RESPONSE, f"The answer's status code {code} is not one of the API's"
    return Failed(reason, _words(text, problem), _retry_after(headers))


def parse_backup(body: bytes, backup_id: str) -> Backup:
    """The backup that a document describes.

    Raises:
        AnswerError: it is no JSON, no backup, or another backup than the one asked for.
    """
    try:
        document = BackupDocument.model_validate_json(body)
    except ValidationError as error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, _why_invalid(error)) from error
    if document.id.lower() != backup_id:
        raise AnswerError(
            SyncReason.UNEXPECTED_RESPONSE, f"The answer is about another backup, {cut(document.id, 64)!r}."
        )
    return document.to_backup()


def _why_invalid(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"The answer is not JSON: {cut(first['msg'], 200)}."
    where = ".".join(map(str, first["loc"]))
    return f"The answer is not a backup: {where or 'the document'}: {cut(first['msg'], 200)}."


def _problem(body: bytes) -> Problem | None:
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return None


def _words(text: str, problem: Problem | None) -> str:
    if problem is None:
        return f"{text}, without a problem document."
    message = sentence(f"{text}: {cut(problem.words(), _MAX_WORDS)}")
    if problem.correlation_id:
        # The last part of a message, where core.status expects it.
        return f"{message} (correlationID {_plain(cut(problem.correlation_id, _MAX_CORRELATION_ID))})"
    return message


def _plain(text: str) -> str:
    return text.replace("(", "[").replace(")", "]")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds from now: the header has a number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    try:
        # By the clock of the server that has set the time: ours may be wrong, or have been set meanwhile.
        now = parsedate_to_datetime(headers.get("Date", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        now = datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


async def read_list(body: Body, known: Known, redact: Callable[[bytes], bytes]) -> Listed:
    """What a list says of the backups in `known`; `redact` takes the token out of one document.

    Raises:
        ValueError: it is no list of backups.
    """
    digest = 0
    with Turn() as turn:
        for window in body:
            digest = hash((digest, window))
            await turn.may_end()
        if digest == known.body:
            return Listed(digest, dict.fromkeys(known.documents, Unchanged()), size=None)
        reader = ListReader(body)
        found: dict[str, Observed | Unchanged] = {}
        seen: Counter[str] = Counter()
        size = 0
        for each in reader:
            await turn.may_end()
            if each is None:
                continue
            item, text = each
            size += 1
            backup_id = _id_of(item)
            if backup_id in known.documents:
                seen[backup_id] += 1
                answer = _read_item(text, backup_id, known.documents[backup_id], redact)
                if answer is not None:
                    found[backup_id] = answer
    for backup_id, times in seen.items():
        # Which of them is right, the request for the single backup says.
        if times > 1:
            found.pop(backup_id, None)
    metadata = reader.metadata if isinstance(reader.metadata, dict) else {}
    return Listed(digest, found, size, complete=not metadata.get("continue"))


def _id_of(item: object) -> str:
    """An item's id in lower case; empty for what is no backup."""
    backup_id = item.get("id") if isinstance(item, dict) else None
    return backup_id.lower() if isinstance(backup_id, str) else ""


def _read_item(
    text: str, backup_id: str, known: int | None, redact: Callable[[bytes], bytes]
) -> Observed | Unchanged | None:
    digest = hash(text)
    if digest == known:
        return Unchanged()
    try:
        return Observed(parse_backup(redact(text.encode()), backup_id), digest)
    except AnswerError:
        return None
