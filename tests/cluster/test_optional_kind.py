"""A kind without which the operator works: its CRD or its role may be missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.informer import Informer
from astra_mirror.cluster.optional_kind import ASK_SECONDS, OptionalInformer
from astra_mirror.engine.kinds.app_backup_monitor import APP_BACKUP_MONITOR

PAGE = b'{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": []}'


class Server:
    """Answers each list with this status code."""

    def __init__(self, code: int, watch: int = 200) -> None:
        self.code = code
        self.watch = watch
        self.asked: list[float] = []

    async def get(self, path: str, *, accept: str = "", seconds: float) -> tuple[int, bytes]:
        """Answer."""
        del accept, seconds
        assert "/appbackupmonitors" in path
        self.asked.append(asyncio.get_running_loop().time())
        return self.watch if "watch=" in path else self.code, PAGE


class Engine:
    """An engine that has two objects."""

    def __init__(self) -> None:
        self.known = {"a": ("shop", "one"), "b": ("pay", "two")}
        self.has_forgotten_others = False

    def objects(self) -> dict[str, tuple[str, str]]:
        """They."""
        return dict(self.known)

    def deleted(self, uid: str, namespace: str) -> None:
        """One is gone."""
        assert self.known.pop(uid)[0] == namespace

    def forget_others(self, uids: set[str]) -> None:
        """Those of other shards."""
        self.has_forgotten_others = not uids


def _informer(server: Server, engine: Engine | None = None) -> OptionalInformer:
    nothing: Any = None
    endpoint: Any = server
    known: Any = engine
    return OptionalInformer(
        APP_BACKUP_MONITOR.names,
        endpoint,
        Availability(),
        objects=nothing,
        namespaces=(),
        engine=known,
        kopf_started=lambda: None,
    )


@asynccontextmanager
async def _running(informer: OptionalInformer) -> AsyncIterator[None]:
    [(work, _)] = informer.tasks()
    task = asyncio.get_running_loop().create_task(work)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.virtual
@pytest.mark.parametrize(("code", "watch"), [(404, 404), (403, 403), (200, 403)])
async def test_without_it_the_operator_is_ready(code: int, watch: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked for again each minute, and one line says so: also where the role has one verb of the two."""
    server = Server(code, watch)
    informer = _informer(server)
    async with _running(informer):
        await asyncio.sleep(5 * ASK_SECONDS + 30)
        assert informer.not_ready_reason is None
    assert 4 <= len({round(at / ASK_SECONDS) for at in server.asked}) <= 6
    assert sum("are not managed" in each.message for each in caplog.records) == 1


@pytest.mark.virtual
async def test_with_it_the_operator_waits_for_its_list() -> None:
    """As for any kind, from when it is there."""
    server = Server(404)
    informer = _informer(server)
    async with _running(informer):
        await asyncio.sleep(5)
        server.code = 200
        assert informer.not_ready_reason is None
        await asyncio.sleep(ASK_SECONDS)
        assert informer.not_ready_reason == "the AppBackupMonitors of all namespaces have not been listed yet"


@pytest.mark.virtual
async def test_a_kind_that_goes_leaves_the_operator_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has deleted its CRD: it is waited for again, and looked after when it is back."""

    async def forever() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Informer, "tasks", lambda _: iter([(forever(), "watch")]))
    server, engine = Server(200), Engine()
    informer = _informer(server, engine)
    async with _running(informer):
        await asyncio.sleep(5)
        assert informer.not_ready_reason is not None
        assert len(engine.known) == 2
        server.code = 404
        await asyncio.sleep(2 * ASK_SECONDS)
        assert informer.not_ready_reason is None
        # Nothing is written by specs that nobody can change any more.
        assert (engine.known, engine.has_forgotten_others) == ({}, True)
        server.code = 200
        await asyncio.sleep(2 * ASK_SECONDS)
        assert informer.not_ready_reason is not None
