"""Lists by the client, against the simulator: the outcome of each kind of response."""

from collections.abc import AsyncIterator

import pytest

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, Known, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Backup, Simulator
from dev.simulator.store import FaultKind


@pytest.fixture
async def client(astra: Simulator) -> AsyncIterator[AstraClient]:
    """A client that may call the simulator."""
    clients = ClientPool([AllowedURL.parse(astra.url)])
    yield AstraClient(clients, 5.0)
    await clients.close()


def _connection(astra: Simulator, token: str | None = None) -> Connection:
    return Connection(BaseURL.parse(astra.url), token or astra.token)


async def _list(
    client: AstraClient, astra: Simulator, backups: list[Backup], *, app: bool = True, known: Known | None = None
) -> Listed | Failed:
    collection = Collection(astra.account, astra.app if app else None)
    wanted = known or Known({backup.id: None for backup in backups})
    return await client.list_backups(_connection(astra), collection, wanted)


@pytest.mark.parametrize("app", [True, False])
async def test_both_lists_have_the_backups(astra: Simulator, client: AstraClient, app: bool) -> None:
    """The list of the app and that of the account have the same backups."""
    backups = [astra.add_backup("stuck", seconds=0.001) for _ in range(3)]
    listed = await _list(client, astra, backups[:2], app=app)
    assert isinstance(listed, Listed)
    assert set(listed.found) == {backup.id for backup in backups[:2]}
    assert listed.size == 3
    path = f"k8s/v1/apps/{astra.app}" if app else "topology/v1"
    assert astra.requests.matching()[-1].path == f"/accounts/{astra.account}/{path}/appBackups"


async def test_nothing_new_is_recognised(astra: Simulator, client: AstraClient) -> None:
    """An unchanged list, item or single document is recognised by its digest."""
    backups = [astra.add_backup("stuck", seconds=0.001) for _ in range(2)]
    first = await _list(client, astra, backups)
    assert isinstance(first, Listed)
    digests = {key: each.digest for key, each in first.found.items() if isinstance(each, Observed)}
    again = await _list(client, astra, backups, known=Known(digests, first.digest))
    assert isinstance(again, Listed)
    assert again.size is None
    backups[0].set(state="completed")
    changed = await _list(client, astra, backups, known=Known(digests, first.digest))
    assert isinstance(changed, Listed)
    assert [type(changed.found[backup.id]) for backup in backups] == [Observed, Unchanged]
    document = Document(astra.account, astra.app, backups[1].id)
    single = await client.get_backup(_connection(astra), document)
    assert isinstance(single, Observed)
    assert await client.get_backup(_connection(astra), document, single.digest) == Unchanged()


@pytest.mark.parametrize(
    ("kind", "found", "complete"),
    [
        ("list-null", 3, True),
        ("list-twice", 0, True),
        ("list-short", 2, True),
        ("list-arrays", 0, True),
        ("list-continue", 1, False),
    ],
)
async def test_a_list_that_is_not_what_was_promised(
    astra: Simulator, client: AstraClient, kind: FaultKind, found: int, complete: bool
) -> None:
    """Valid items of a list are used, and the others are left out."""
    backups = [astra.add_backup("stuck", seconds=0.001) for _ in range(3)]
    with astra.fault("*", kind=kind):
        listed = await _list(client, astra, backups)
    assert isinstance(listed, Listed)
    assert (len(listed.found), listed.complete) == (found, complete)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, SyncReason.UNAUTHORIZED),
        (403, SyncReason.FORBIDDEN),
        (404, SyncReason.UNEXPECTED_RESPONSE),
        (405, SyncReason.UNEXPECTED_RESPONSE),
        (503, SyncReason.SERVER_ERROR),
    ],
)
async def test_a_refused_list_is_a_failure(
    astra: Simulator, client: AstraClient, status: int, reason: SyncReason
) -> None:
    """Each error response is a failure; a 404 does not mean that any backup does not exist."""
    with astra.fault("*", status=status):
        outcome = await _list(client, astra, [])
    assert isinstance(outcome, Failed)
    assert outcome.reason is reason


async def test_a_body_that_is_no_list_is_a_failure(astra: Simulator, client: AstraClient) -> None:
    """A body that is not a list is a failure with a message."""
    with astra.fault("*", kind="body", body=b'{"items": {}}'):
        outcome = await _list(client, astra, [])
    assert isinstance(outcome, Failed)
    assert "not a list of backups" in outcome.message


async def test_an_echoed_token_is_in_no_item(astra: Simulator, client: AstraClient) -> None:
    """The token is redacted in every item, also when JSON escapes it."""
    token = astra.add_token("to/ken+1")
    backup = astra.add_backup("stuck", seconds=0.001)
    body = f'{{"items": [{{"id": "{backup.id}", "state": "failed", "stateUnready": ["to\\/ken\\u002b1"]}}]}}'
    with astra.fault("*", kind="body", body=body.encode()):
        collection = Collection(astra.account, astra.app)
        listed = await client.list_backups(_connection(astra, token), collection, Known({backup.id: None}))
    assert isinstance(listed, Listed)
    observed = listed.found[backup.id]
    assert isinstance(observed, Observed)
    assert observed.backup.state_unready == ("[token]",)
