"""Fuzzes what the API server, or a proxy before it, answers: Secrets, lists of objects, and objects."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.cluster.feed import Feed
from astra_mirror.cluster.secret_wire import ReadError, event_of, page_of, says_not_found, secret_of
from astra_mirror.cluster.statuses import StatusClient
from astra_mirror.core.inventory import ListNotUsableError
from astra_mirror.core.inventory import page_of as page_of_objects
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from tests.engine.world import World
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import changed, mutated
from tests.virtual_time import clock

UUID: Final = "3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a"
_SECRET: Final = {
    "kind": "Secret",
    "apiVersion": "v1",
    "metadata": {"namespace": "shop", "name": "astra-control", "resourceVersion": "7", "uid": UUID},
    "data": {"url": "aHR0cHM6Ly9h", "token": "dG9rZW4tdG9rZW4=", "x": "eA=="},
}
_OBJECT: Final[dict[str, Any]] = {
    "apiVersion": "astra-mirror.io/v1",
    "kind": "AppBackupRef",
    "metadata": {
        "uid": "u-1", "resourceVersion": "8", "name": "ref", "namespace": "shop", "generation": 1,
        "annotations": {"astra-mirror.io/requestedAt": "now"}, "creationTimestamp": "2026-03-01T12:00:00Z",
    },
    "spec": {"accountID": UUID, "appID": UUID, "backupID": UUID, "secretRef": {"name": "astra-control"},
    "interval": "15s"},
    "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "Unknown", "reason": "x"}]},
}  # fmt: skip
_STATUS: Final = {
    "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "message": "not found",
    "code": 404,
    "details": {"name": "ref", "group": "astra-mirror.io", "kind": "appbackuprefs"},
}  # fmt: skip
_LISTED: Final = {
    "kind": "PartialObjectMetadataList",
    "apiVersion": "meta.k8s.io/v1",
    "metadata": {"resourceVersion": "9", "continue": "x"},
    "items": [
        {"metadata": _OBJECT["metadata"]},
        {"metadata": {"uid": "u-2", "namespace": "a", "name": "b", "resourceVersion": "1"}},
    ],
}
_WORDS: Final = [
    each.encode()
    for each in (
        *'{}[],:"\\ \n7', "null", "true", "[]", "{}", '""', "-1", "1e9", "NaN", '"x"', '"name":', '"namespace":',
        '"uid":null,',
        '"metadata":null,', '"metadata":[],', '"data":null,', '"items":null,', '"items":{},', '"code":"x",',
        '"type":"DELETED",',
        '"kind":"Status",', '"annotations":7,', '"annotations":[],', '"annotations":{"astra-mirror.io/requestedAt":7},',
        '"generation":"1",', '"resourceVersion":9,', '"status":7,', '"conditions":{},', '"spec":null,', '"ref"',
        '"u-1"', "\ufeff",
    )
] + [b"\xff"]  # fmt: skip


def _json(*values: Any) -> list[bytes]:
    return [json.dumps(each, separators=(",", ":")).encode() for each in values]


_SECRETS: Final[list[Any]] = [
    _SECRET,
    {
        "kind": "SecretList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "9", "continue": "x"},
        "items": [_SECRET] * 2,
    },
    *({"type": kind, "object": _SECRET} for kind in ("ADDED", "MODIFIED", "DELETED")),
    {"type": "BOOKMARK", "object": {"kind": "Secret", "metadata": {"resourceVersion": "9"}}},
    {"type": "ERROR", "object": _STATUS | {"code": 410}},
    _STATUS,
]
_selector: Final = st.sampled_from(
    [SecretSelector(None, "astra-control"), SecretSelector("shop", "astra-control"), SecretSelector(None, "other")]
)


@IN_SECONDS
@given(mutated(_json(*_SECRETS), _WORDS, most=20_000) | changed(_SECRETS), _selector)
def test_what_is_said_of_secrets_is_believed_or_refused(raw: bytes, selector: SecretSelector) -> None:
    """Only those that were asked for, each with texts alone; anything else is one of two kinds of error."""
    secret = NamespacedName("shop", selector.name)
    assert says_not_found(raw, secret) in {False, True}
    contents = []
    with suppress(ReadError, ValueError):
        event = event_of(selector, raw)
        assert isinstance(event.version, str)
        assert event.secret is None or selector.matches(event.secret)
        contents.append(event.content)
    with suppress(ReadError, ValueError):
        page = page_of(selector, raw)
        assert all(selector.matches(each) for each in page.found)
        assert page.token is None or page.token
        contents += page.found.values()
    with suppress(ReadError, ValueError):
        contents.append(secret_of(raw, secret))
    for content in filter(None, contents):
        assert all(isinstance(each, str) for each in (content.data or {}).values())


@IN_SECONDS
@given(mutated(_json(_LISTED, _STATUS), _WORDS, most=20_000) | changed([_LISTED]))
@example(_json({**_LISTED, "items": [{"metadata": {**_OBJECT["metadata"], "uid": ["u-1"]}}]})[0])
@example(_json({**_LISTED, "items": [{"metadata": {**_OBJECT["metadata"], "generation": []}}]})[0])
def test_a_list_of_objects_has_what_objects_have(raw: bytes) -> None:
    """Texts and a number, so that they can be compared with what is known; or it is no list."""
    try:
        page = page_of_objects(from_json(raw))
    except (ListNotUsableError, ValueError):
        return
    for entry in page.entries:
        assert all(isinstance(each, str) for each in (entry.uid, entry.namespace, entry.name, entry.version))
        assert type(entry.generation) is int
    assert isinstance(page.token, str)


class _Answer:
    """What the client library gives for an answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.reason = "Some Reason"
        self._body = body

    async def read(self) -> bytes:
        """The body."""
        return self._body


class _API(client.ApiClient):
    """An API server that has one answer to everything."""

    def __init__(self, status: int, body: bytes) -> None:
        self.configuration = client.Configuration(host="https://nowhere.invalid")
        self._answer = _Answer(status, body)

    async def update_params_for_auth(self, *_arguments: object, **_options: object) -> None:
        """Nobody in particular asks."""

    async def call_api(self, *_arguments: object, **_options: object) -> Any:
        """The one answer."""
        return self._answer


def _but(field: str, **changes: Any) -> bytes:
    return _json({**_OBJECT, field: {**_OBJECT[field], **changes}})[0]


def _events(raw: bytes) -> list[dict[str, Any]]:
    """The watch brings it as well, in each way."""
    try:
        found = from_json(raw)
    except ValueError:
        return []
    return [{"type": kind, "object": found} for kind in (None, "ADDED", "MODIFIED", "DELETED")]


async def _taken_in(world: World) -> None:
    """Let the engine take in what has come."""
    task = asyncio.get_running_loop().create_task(world.engine.take_in())
    await asyncio.sleep(0.001)
    task.cancel()


class _Defects(logging.Handler):
    """What the engine logs of objects that it could not take in."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Remember it."""
        self.found.append(self.format(record))


@IN_SECONDS
@given(
    mutated(_json(_OBJECT, _OBJECT, _STATUS), _WORDS, most=20_000) | changed([_OBJECT, _STATUS]),
    st.sampled_from([200, 200, 404, 409, 500]),
)
@example(_json(_OBJECT)[0], 200)
@example(_but("metadata", generation=None), 200)
@example(_but("metadata", annotations=[1]), 200)
def test_an_object_is_taken_in_or_refused(raw: bytes, code: int) -> None:
    """What is believed of an answer can be taken in by the engine, with whatever else stands in the object."""
    status_client = StatusClient(_API(code, raw))

    async def ask() -> None:
        world = World()
        feed = Feed(world.entrance)
        for answer in (
            await status_client.get(NAMES, "shop", "ref", uid="u-1"),
            await status_client.patch(NAMES, "shop", "ref", uid="u-1", version="7", patch={}),
        ):
            assert isinstance(answer, Stored | Gone | Conflict | Refused)
            assert not isinstance(answer, Stored) or code == 200
            if isinstance(answer, Refused):
                assert isinstance(answer.text, str)
            if isinstance(answer, Stored):
                world.entrance.seen(answer.object)
                await _taken_in(world)
                world.entrance.seen(answer.object, listed_at=clock())
                await _taken_in(world)
        for event in _events(raw):
            feed.take(event, clock())
            await _taken_in(world)

    defects = _Defects()
    loggers = [logging.getLogger(f"astra_mirror.{name}") for name in ("engine", "cluster.feed")]
    for each in loggers:
        each.addHandler(defects)
    try:
        asyncio.run(ask())
    finally:
        for each in loggers:
            each.removeHandler(defects)
    assert defects.found == []
