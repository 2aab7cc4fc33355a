"""What each response means, over a real connection: its status code, its body and its headers become one outcome."""

import gzip
from pathlib import Path

import pytest

from astra_mirror.astra.bodies import MAX_DOCUMENT
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.outcome import Failed, NotFound, Observed, SyncReason
from dev.simulator import Simulator
from tests.astra.asking import ask

EXAMPLES = Path("dev/simulator/examples")


async def test_a_backup_is_observed_with_every_field(astra: Simulator, clients: ClientPool) -> None:
    """Each field of the document becomes a field of the backup."""
    backup = astra.add_backup("hooks-fail", seconds=0)
    backup.set(stateDetails=[{"type": "t", "title": "x", "detail": "y"}], scheduleID="s")
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    seen = outcome.backup
    assert (seen.state, seen.hook_state, seen.percent_done) == ("completed", "failed", 100)
    assert seen.bytes_done == seen.total_bytes == 3_113_851_289
    assert seen.hook_state_details is not None
    assert seen.hook_state_details[0].title == "Execution hook failed"
    assert seen.state_details is not None
    assert seen.info is not None
    assert (seen.info.version, seen.info.schedule_id) == ("1.2", "s")
    assert seen.info.creation_timestamp == "2026-01-05T20:58:16.305662Z"
    request = astra.requests.matching()[-1]
    assert request.path == f"/accounts/{backup.account}/k8s/v1/apps/{backup.app}/appBackups/{backup.id}"


async def test_the_reference_pages_example_is_observed(astra: Simulator, clients: ClientPool) -> None:
    """The example document of the API reference is parsed, byte for byte."""
    backup = astra.add_backup(id="bab39d53-2d04-5297-b92e-58df89a2117b")
    backup.serve_raw((EXAMPLES / "backup.json").read_bytes())
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    assert outcome.backup.state == "pending"
    assert outcome.backup.info is not None
    assert outcome.backup.info.name == "app-name-245"
    assert outcome.backup.percent_done is None


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (400, SyncReason.INVALID_REQUEST, "Invalid query parameters"),
        (401, SyncReason.UNAUTHORIZED, "Missing bearer token"),
        (403, SyncReason.FORBIDDEN, "Operation not permitted"),
        (429, SyncReason.RATE_LIMITED, "429"),
        (500, SyncReason.SERVER_ERROR, "Backup not retrieved"),
        (502, SyncReason.SERVER_ERROR, "502"),
        (418, SyncReason.UNEXPECTED_RESPONSE, "418"),
    ],
)
async def test_each_status_code_has_its_reason(
    astra: Simulator, clients: ClientPool, status: int, reason: SyncReason, words: str
) -> None:
    """Each status code has its reason, and the message has the words of the problem document."""
    with astra.fault("*", status=status):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert words in outcome.message
    assert outcome.code == status


async def test_a_missing_backup_is_not_found(astra: Simulator, clients: ClientPool) -> None:
    """A 404 with a problem document says that the backup does not exist."""
    backup = astra.add_backup()
    backup.remove()
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, NotFound)
    assert "Collection not found" in outcome.message


async def test_a_404_of_somebody_else_is_no_answer(astra: Simulator, clients: ClientPool) -> None:
    """The 404 page of a proxy does not mean that the backup does not exist."""
    with astra.fault("*", kind="plain-404"):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("body", b"<html>Sign in</html>", "not JSON"),
        ("body", b"", "not JSON"),
        ("body", b"\xff\xfe\x00", "not JSON"),
        ("body", b"[]", "not a backup"),
        ("body", b'{"id": 1, "state": "running"}', "id"),
        ("body", b'{"state": "running"}', "id"),
        ("body", b"[" * 100_000, "not JSON"),
        ("wrong-id", None, "another backup"),
        ("redirect", None, "redirect"),
        ("body", b" " * (MAX_DOCUMENT + 1), "larger than 1024 KiB"),
    ],
)
async def test_what_was_not_promised_is_unexpected(
    astra: Simulator, clients: ClientPool, kind: str, body: bytes | None, words: str
) -> None:
    """Each kind of invalid body is UnexpectedResponse, with a message that names the kind."""
    with astra.fault("*", kind=kind, body=body):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert words in outcome.message
    assert outcome.code == (302 if kind == "redirect" else 200)
    assert len(astra.requests.matching()) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (gzip.compress(b" " * 300_000_000, 1), "gzip", "larger"),
        (gzip.compress(b"{}")[:-4], "gzip", "too early"),
        (b"no gzip", "gzip", "not valid gzip"),
        (b"x", "br", "'br'"),
    ],
    # The first two would be named after what gzip writes of the time.
    ids=["bomb", "cut", "no-gzip", "unknown"],
)
async def test_compressed_bodies_are_bounded(
    astra: Simulator, clients: ClientPool, body: bytes, encoding: str, words: str
) -> None:
    """A compressed body is never decompressed beyond the limit, and invalid compression is UnexpectedResponse."""
    with astra.fault("*", kind="body", body=body, headers={"Content-Encoding": encoding}):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert words in outcome.message


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b" " * (MAX_DOCUMENT + 1), {}), (b"no gzip", {"Content-Encoding": "gzip"}), (b"x", {"Content-Encoding": "br"})],
)
async def test_an_error_with_an_unreadable_body_is_what_its_code_says(
    astra: Simulator, clients: ClientPool, body: bytes, headers: dict[str, str]
) -> None:
    """The status code alone decides where the body of an error response cannot be read."""
    with astra.fault("*", status=401, body=body, headers=headers):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNAUTHORIZED
    assert "without a problem document" in outcome.message


async def test_good_gzip_is_read(astra: Simulator, clients: ClientPool) -> None:
    """A compressed document is decompressed."""
    backup = astra.add_backup("fails", seconds=0)
    backup.set(stateUnready=["x" * 250] * 30)
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    assert len(outcome.backup.state_unready or ()) == 30


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("Wed, 01 Jan 2200 00:00:00 GMT", 10**9, 10**10),
        ("soon", None, None),
        ("0", None, None),
        ("000", None, None),
        ("-5", None, None),
        ("1.5", None, None),
        ("120, 120", None, None),
        ("", None, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None, None),
        ("99999999999999999999 Jan", None, None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None, None),
        ("9" * 400, 10**9, float("inf")),
    ],
)
async def test_retry_after_in_both_forms(
    astra: Simulator, clients: ClientPool, header: str, low: float | None, high: float | None
) -> None:
    """Retry-After may have seconds or an HTTP date; anything else is ignored."""
    with astra.fault("*", status=429, headers={"Retry-After": header}):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    if low is None or high is None:
        assert outcome.retry_after is None
    else:
        assert outcome.retry_after is not None
        assert low <= outcome.retry_after <= high


async def test_an_echoed_token_is_cut_out(astra: Simulator, clients: ClientPool) -> None:
    """A problem document that repeats the token does not carry it into a status."""
    token = astra.add_token("t" * 60)
    body = f'{{"type": "t", "title": "bad", "detail": "{"x" * 600} {token}", "correlationID": "c(1)"}}'.encode()
    with astra.fault("*", status=500, body=body):
        outcome = await ask(clients, astra, astra.add_backup(), token=token)
    assert isinstance(outcome, Failed)
    assert "ttt" not in outcome.message
    assert outcome.correlation_id == "c(1)"
    assert outcome.text.endswith(" (correlationID c[1])")


async def test_invalid_params_are_named(astra: Simulator, clients: ClientPool) -> None:
    """The message of a 400 has the invalid parameters."""
    body = b'{"type":"t","title":"Invalid","detail":"d","status":"400","invalidParams":[{"name":"a","reason":"b"},7]}'
    with astra.fault("*", status=400, body=body):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert "Invalid: d [a: b]" in outcome.message
