"""A list as a whole, for monitors, in the same pass in which refs find their backups."""

import json
import time
from typing import Any

import pytest

from astra_mirror.astra import answers
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.listing import WINDOW, ListError
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.monitor.listing import ListedBackup, NotKept, WholeList, read_time
from astra_mirror.core.outcome import WHOLE, Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection
from dev.simulator import Simulator
from tests.astra.asking import connection_to

ID = "bab39d53-2d04-5297-b92e-58df89a2117b"
OTHER = "00000000-0000-4000-8000-000000000001"
NULL = "00000000-0000-0000-0000-000000000000"
TIMES = {"creationTimestamp": "2026-03-01T10:00:00Z", "modificationTimestamp": "2026-03-01T11:00:00Z"}


def _body(*items: Any, **metadata: Any) -> list[bytes]:
    text = json.dumps({"items": list(items), "metadata": metadata}).encode()
    return [text[at : at + WINDOW] for at in range(0, len(text), WINDOW)]


def _item(backup_id: str = ID, state: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": backup_id, "state": state, "name": "nightly", "metadata": TIMES, **fields}


async def _read(*items: Any, known: Known | None = None, **metadata: Any) -> Any:
    listed = await answers.read_list(_body(*items, **metadata), known or Known({WHOLE: None}), str)
    return listed.found[WHOLE]


async def test_refs_and_monitors_are_answered_by_one_pass() -> None:
    """The item of a ref is as it would be without a monitor; the same list again is parsed for neither."""
    body = _body(_item(), _item(OTHER, "running"))
    listed = await answers.read_list(body, Known({WHOLE: None, ID: None}), str)
    alone = await answers.read_list(body, Known({ID: None}), str)
    whole, item = listed.found[WHOLE], listed.found[ID]
    assert isinstance(whole, WholeList)
    assert isinstance(item, Observed)
    assert ({ID: item}, WHOLE in alone.found) == (alone.found, False)
    assert (whole.total, {each.id for each in whole.backups}, whole.digest) == (2, {ID, OTHER}, listed.digest)
    again = await answers.read_list(body, Known({WHOLE: whole.digest, ID: item.digest}, listed.digest), str)
    assert again.said_of(WHOLE) == again.said_of(ID) == Unchanged()


async def test_what_is_kept_of_an_item() -> None:
    """The time when it was taken, else when it was created; sizes as numbers or texts; no schedule is no schedule."""
    whole = await _read(
        _item(ID.upper(), scheduleID=OTHER.upper(), totalBytes="7", hookState="success"),
        _item(OTHER, backupCreationTimestamp="2026-03-01T09:00:00", scheduleID=NULL, name=None),
    )
    assert whole.backups == (
        ListedBackup(ID, "nightly", "completed", OTHER, read_time("2026-03-01T10:00:00Z"), 7, "success"),
        ListedBackup(OTHER, None, "completed", "", read_time("2026-03-01T09:00:00Z")),
    )


@pytest.mark.parametrize("taken", [None, "soon", "0001-01-01T00:00:00Z", 7])
async def test_an_unreadable_time_is_none(taken: Any) -> None:
    """Then the time of creation counts, and without that there is none."""
    whole = await _read(
        _item(backupCreationTimestamp=taken), _item(OTHER, backupCreationTimestamp=taken, metadata=None)
    )
    assert [each.time for each in whole.backups] == [read_time("2026-03-01T10:00:00Z"), None]


async def test_items_that_cannot_be_used_are_counted_alone() -> None:
    """Those without an ID or a state."""
    whole = await _read(_item(), {"state": "completed"}, {"id": OTHER}, {"id": "", "state": "x"}, None, 7, "x")
    assert (whole.total, [each.id for each in whole.backups]) == (7, [ID])


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z", "second"),
        ("2026-03-01T12:00:00Z", "2026-03-01T11:00:00Z", "first"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", "second"),
        ("2026-03-01T12:00:00Z", None, "second"),
        (None, "2026-03-01T11:00:00Z", "second"),
    ],
)
async def test_a_backup_that_stands_twice_counts_once(first: str | None, second: str | None, state: str) -> None:
    """The one that was modified later, else the last."""
    items = (
        _item(backup_id, name, metadata={"modificationTimestamp": time})
        for backup_id, name, time in ((ID, "first", first), (ID.upper(), "second", second))
    )
    whole = await _read(*items)
    assert (whole.total, [each.state for each in whole.backups]) == (1, [state])


@pytest.mark.parametrize(
    ("items", "metadata", "words"),
    [
        ([_item()], {"continue": "1"}, "there is more"),
        ([_item()], {"count": 2}, "counts more backups than it has"),
        ([_item()], {"count": "2"}, "counts more backups than it has"),
        ([_item(), [OTHER, "x", "completed"]], {}, "no objects"),
    ],
)
async def test_a_list_that_is_not_complete(items: list[Any], metadata: dict[str, Any], words: str) -> None:
    """It is a failure that waiting may mend; the refs in it are answered all the same."""
    known = Known({WHOLE: None, ID: None})
    listed = await answers.read_list(_body(*items, **metadata), known, str)
    whole = listed.found[WHOLE]
    assert isinstance(whole, Failed)
    assert whole.reason is SyncReason.LIST_INCOMPLETE
    assert words in whole.message
    assert not whole.reason.facts.requires_user_action
    assert isinstance(listed.found[ID], Observed)


@pytest.mark.parametrize("count", [0, 1, None, "many", True])
async def test_counts_that_say_nothing(count: Any) -> None:
    """A smaller one, and what is no number."""
    assert isinstance(await _read(_item(), count=count), WholeList)


@pytest.mark.parametrize("others", [[_item()], [{}], [None, 7]])
async def test_a_list_has_as_many_backups_as_were_sent(others: list[Any]) -> None:
    """Also one that stands twice, and one that cannot be used."""
    assert isinstance(await _read(_item(), *others, count=1 + len(others)), WholeList)


@pytest.mark.parametrize("text", [b'{"items": null}', b'{"metadata": {}}', b'{"items": {}}'])
async def test_a_body_without_items_is_no_list(text: bytes) -> None:
    """For monitors as for refs."""
    with pytest.raises(ListError):
        await answers.read_list([text], Known({WHOLE: None}), str)


async def test_two_thousand_backups_cost_no_more_than_their_parsing() -> None:
    """As much as it costs to read them for as many refs; and once, for what is the same again is not parsed."""
    ids = [OTHER[:-5] + f"{number:05}" for number in range(2000)]
    body = _body(*(_item(each) for each in ids))

    async def cost(known: Known) -> tuple[float, Listed]:
        before = time.process_time()
        listed = await answers.read_list(body, known, str)
        return time.process_time() - before, listed

    of_refs, of_whole, of_again = list[float](), list[float](), list[float]()
    for _ in range(5):
        of_refs.append((await cost(Known(dict.fromkeys(ids))))[0])
        spent, listed = await cost(Known({WHOLE: None}))
        of_whole.append(spent)
        of_again.append((await cost(Known({WHOLE: listed.digest}, listed.digest)))[0])
    assert min(of_whole) < 1.5 * min(of_refs)
    assert min(of_again) < 0.1 * min(of_whole)


async def test_thousands_of_backups_are_kept() -> None:
    """Their size is known."""
    whole = await _read(*(_item(OTHER[:-5] + f"{number:05}") for number in range(8_000)))
    assert isinstance(whole, WholeList)
    assert whole.total == 8_000
    assert 300 * 8_000 < whole.size < 400 * 8_000


async def test_the_memory_for_a_list_has_a_limit() -> None:
    """Beyond it nothing more is kept of that list; the refs in it are answered all the same."""
    # A single character of that kind makes each of the others take four bytes.
    name = "\U0001f600" + "x" * 1023
    items = [_item(OTHER[:-5] + f"{number:05}", name=name) for number in range(9000)]
    listed = await answers.read_list(_body(*items, _item()), Known({WHOLE: None, ID: None}), str)
    refused = listed.found[WHOLE]
    assert isinstance(refused, NotKept)
    assert (refused.reason, refused.code) == (SyncReason.UNEXPECTED_RESPONSE, 200)
    assert isinstance(listed.found[ID], Observed)


async def test_texts_are_redacted_and_cut() -> None:
    """A server may echo the token anywhere."""

    def redact(text: str) -> str:
        return text.replace("secret", "…")

    body = _body(_item(state="secret", name="secret" + "x" * 2000, hookState="secret", scheduleID="secret"))
    whole = (await answers.read_list(body, Known({WHOLE: None}), redact)).found[WHOLE]
    assert isinstance(whole, WholeList)
    [backup] = whole.backups
    assert "secret" not in str(backup)
    assert len(backup.name or "") == 1024


async def test_the_service_says_that_there_is_no_such_app(astra: Simulator, clients: ClientPool) -> None:
    """In a problem document; for refs, a list's 404 says nothing about their backups."""
    client, collection = AstraClient(clients, 5.0), Collection(astra.account, astra.app)
    with astra.fault("*", status=404):
        whole = await client.list_backups(connection_to(astra), collection, Known({WHOLE: None, ID: None}))
        refs = await client.list_backups(connection_to(astra), collection, Known({ID: None}))
    assert isinstance(whole, Listed)
    missing = whole.found[WHOLE]
    assert isinstance(missing, NotFound)
    assert "no such app (404)" in missing.message
    assert isinstance(refs, Failed)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"404 page not found\n", SyncReason.UNEXPECTED_RESPONSE),
        (404, b'{"items": []}', SyncReason.UNEXPECTED_RESPONSE),
        (404, b"", SyncReason.UNEXPECTED_RESPONSE),
        (403, None, SyncReason.FORBIDDEN),
        (410, None, SyncReason.UNEXPECTED_RESPONSE),
        (503, None, SyncReason.SERVER_ERROR),
    ],
)
async def test_other_errors_are_failures(
    astra: Simulator, clients: ClientPool, status: int, body: bytes | None, reason: SyncReason
) -> None:
    """A 404 without a problem document, which a proxy may send, says nothing about the app."""
    client, collection = AstraClient(clients, 5.0), Collection(astra.account, astra.app)
    with astra.fault("*", status=status, body=body):
        failed = await client.list_backups(connection_to(astra), collection, Known({WHOLE: None}))
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.code) == (reason, status)


async def test_what_is_no_list_is_a_failure(astra: Simulator, clients: ClientPool) -> None:
    """Though its status code is that of a good answer."""
    client, collection = AstraClient(clients, 5.0), Collection(astra.account, astra.app)
    with astra.fault("*", kind="body", body=b"not found"):
        failed = await client.list_backups(connection_to(astra), collection, Known({WHOLE: None}))
    assert isinstance(failed, Failed)
    assert failed.reason is SyncReason.UNEXPECTED_RESPONSE
