"""Operators in bad weather by chance, in virtual time, and the trace of all that they ask, write and report.

What happens depends on the seed and the time alone. Each answer takes another time, so that little happens at once, and
what does is put in order: the trace stays the same when only the order of the event loop's callbacks has changed.
"""

import asyncio
import copy
import json
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api.meta import REQUESTED_AT, Names
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from astra_mirror.engine.engine import Engine
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.ports import Clocks
from astra_mirror.support.times import timestamp
from tests.engine.service import AWAY, ERROR, FORBIDDEN, UNAUTHORIZED, limited
from tests.engine.world import ID, NEW, OLD, Cluster
from tests.virtual_time import clock, utcnow

FAILURES: Final = (
    UNAUTHORIZED,
    FORBIDDEN,
    AWAY,
    ERROR,
    limited(None),
    limited(20),
    limited(90),
    Failed(SyncReason.SERVER_ERROR, "503", 40, 503),
    Failed(SyncReason.UNAUTHORIZED, "401", 30, 401),
    Failed(SyncReason.TLS_VERIFICATION_FAILED, "expired"),
    Failed(SyncReason.UNEXPECTED_RESPONSE, "no JSON", code=200),
)
NUMBERS: Final = range(1000, 1024)
SECRET: Final = "astra-control"
NO_SECRET: Final = Failed(SyncReason.SECRET_NOT_FOUND, "There is no such Secret.")


def _share(*what: object) -> float:
    """A number from 0 to 1 that these values determine, in each process."""
    return zlib.crc32(repr(what).encode()) / 2**32


class Trace:
    """What has happened, each with its time in virtual milliseconds."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, str]] = []

    def add(self, kind: str, *what: object) -> None:
        """Something happens now."""
        text = " ".join(each if isinstance(each, str) else json.dumps(each, sort_keys=True) for each in what)
        self._entries.append((round(clock() * 1000), f"{kind} {text}"))

    def lines(self) -> list[str]:
        """All of it, by time."""
        return [f"{at} {text}" for at, text in sorted(self._entries)]

    def count(self, kind: str) -> int:
        """How many there are of a kind."""
        return sum(text.startswith(f"{kind} ") for _, text in self._entries)


@dataclass(frozen=True)
class Weather:
    """Which requests fail, how, and how often; `latency` is the mean time of an answer."""

    failure: Failed | None = None
    of: str = "all"
    some: frozenset[str] = frozenset()
    share: float = 1.0
    latency: float = 0.01

    @classmethod
    def by(cls, chance: random.Random) -> "Weather":
        """Weather by chance."""
        return cls(
            chance.choice([None, *FAILURES]),
            chance.choice(["account", "app", "backup", "lists", "singles", "all"]),
            frozenset(ID.format(chance.choice([1, 2, 3, 10, 11, *NUMBERS])) for _ in range(9)),
            chance.choice([0.2, 1.0]),
            chance.choice([0.01, 0.5, 3.0]),
        )

    def failure_of(self, account: str, app: str | None, backup: str | None, at: float) -> Failed | None:
        """How a request of that time ends, unless well."""
        meant = {
            "account": account in self.some,
            "app": app in self.some,
            "backup": backup in self.some,
            "lists": backup is None,
            "singles": backup is not None,
            "all": True,
        }
        is_hit = meant[self.of] and _share(account, app, backup, round(at, 3)) < self.share
        return self.failure if is_hit else None


class Astra:
    """A remote whose backups make progress, go missing, and are not in every list."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.weather = Weather()

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None, *, namespace: str
    ) -> Answer:
        """The document as it is when the answer is sent."""
        failure = await self._answer(connection, namespace, *document)
        return failure or self._document(document.backup_id, known)

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """The documents as they are when the answer is sent."""
        failure = await self._answer(connection, namespace, collection.account, collection.app, None)
        if failure is not None:
            return failure
        new = {each: self._document(each, None) for each in sorted(known.documents)}
        there = {each: answer for each, answer in new.items() if isinstance(answer, Observed) and _share(each) > 0.15}
        digest = zlib.crc32(repr([each.digest for each in there.values()]).encode())
        if digest == known.list_digest:
            return Listed(digest, dict.fromkeys(known.documents, Unchanged()), None)
        found = {each: Unchanged() if new.digest == known.documents[each] else new for each, new in there.items()}
        return Listed(digest, found, len(found) + 2, complete=_share(collection.account, collection.app) > 0.1)

    async def _answer(
        self, connection: Connection, namespace: str, account: str, app: str | None, backup: str | None
    ) -> Failed | None:
        asked = connection.token, namespace, account[-4:], app and app[-4:], backup and backup[-4:]
        self._trace.add("request", asked)
        at = clock()
        latency = self.weather.latency * (0.5 + _share(account, app, backup, round(at, 3)))
        await asyncio.sleep(min(latency, 10.0))
        return self.weather.failure_of(account, app, backup, at)

    def _document(self, backup_id: str, known: int | None) -> Observed | NotFound | Unchanged:
        number = int(backup_id[-12:])
        stage = int(clock() / (40 + number % 7 * 20))
        if number % 13 == 0 and stage % 3 == 1:
            return NotFound("There is no such backup (404).")
        last = "failed" if number % 11 == 0 else "completed"
        state = ("pending", "running", "running", "running")[stage] if stage < 4 else last
        backup = Backup(backup_id, state, bytes_done=stage * 1_000_000, total_bytes=4_000_000)
        digest = zlib.crc32(repr(backup).encode())
        return Unchanged() if digest == known else Observed(backup, digest)


class Server(Cluster):
    """An API server that takes its time, refuses, hangs and goes away, with a watch that is late by `lag`.

    Args:
        trace: records the writes.
        lag: seconds from a change to its event.
        watch: called with each object that has changed.
    """

    def __init__(self, trace: Trace, lag: float, watch: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._trace = trace
        self._lag = lag
        self._watch = watch

    async def patch(
        self, names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """Store it after a while, unless something comes between."""
        del names
        self._trace.add("patch", name, patch)
        await asyncio.sleep(0.002 + 0.02 * _share(name, round(clock(), 3)))
        if namespace in self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.availability.is_away:
            await self.availability.wait_until_back()
            return Refused(None, "ClientError", "connection reset")
        if self.refuses is not None and namespace == "ns-1":
            return self.refuses
        if self._is_other(name, uid):
            return Gone()
        result = await self._patched(name, version, patch)
        if isinstance(result, Stored):
            self.report(name)
        return result

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is after a while."""
        self._trace.add("get", name)
        await asyncio.sleep(0.001 + 0.01 * _share(name))
        return Gone() if self._is_other(name, uid) else await super().get(names, namespace, name, uid=uid)

    def _is_other(self, name: str, uid: str) -> bool:
        return name in self.objects and self.objects[name]["metadata"]["uid"] != uid

    def report(self, name: str) -> None:
        """Let the watch report the object as it is now."""
        body = copy.deepcopy(self.objects[name])
        asyncio.get_running_loop().call_later(self._lag, self._watch, body)


class Storm:
    """Operators, one or one for each shard, in the weather of a seed."""

    def __init__(self, seed: int) -> None:
        self.trace = Trace()
        self.chance = random.Random(seed)  # noqa: S311 - the same weather in each run
        self.astra = Astra(self.trace)
        self.cluster = Server(self.trace, (0.0, 0.05, 1.0)[seed % 3], self._observe)
        self._secrets: dict[str, Connection | Failed | None] = {}
        count = 2 if seed % 4 == 3 else 1
        self.engines = [self._engine(Shard(index, count)) for index in range(count)]
        self._entrances = [each.entrance(APP_BACKUP_REF) for each in self.engines]
        self._born = 0

    def _engine(self, shard: Shard) -> Engine:
        return Engine(
            remote=self.astra,
            connections=self,
            api=self.cluster,
            events=self,
            clocks=Clocks(clock, utcnow, lambda: 0.5),
            pace=Pace(settled_interval=60.0),
            shard=shard,
        )

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """What the Secret says."""
        del name
        return self._secrets.get(namespace, OLD)

    def submit(self, names: Names, namespace: str, name: str, uid: str, note: Note) -> None:
        """Record an Event."""
        del names, namespace, uid
        self.trace.add("event", name, note.reason, note.text)

    def _observe(self, body: dict[str, Any]) -> None:
        for each in self._entrances:
            each.seen(body)

    async def run(self) -> None:
        """Live through it."""
        taking_in = [asyncio.create_task(each.take_in()) for each in self.engines]
        work = [asyncio.create_task(each.lead()) for each in self.engines]
        for number in NUMBERS:
            self._put(number)
        for _ in range(14):
            self.astra.weather = Weather.by(self.chance)
            for _ in range(10):
                await asyncio.sleep(self.chance.choice([0.0, 0.01, 1.3, 17.0]))
                work = await self._disturb(work)
        self.astra.weather, self._secrets = Weather(), {}
        self._calm()
        for number in range(3):
            for each in self.engines:
                each.secret_changed(f"ns-{number}", SECRET)
        await asyncio.sleep(120)
        await _end([*work, *taking_in])

    async def _disturb(self, work: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
        """Something happens to an object, a Secret, the API server or the Lease; the operators at work afterwards."""
        match self.chance.randrange(12):
            case 0 | 1 | 2 | 3 | 4 | 5 as what:
                self._disturb_object(what, self.chance.choice(NUMBERS))
            case 6:
                self._change_secret()
            case 7:
                self.cluster.availability.changed.clear()
            case 8:
                self.cluster.refuses = self.chance.choice([None, Refused(403, "Forbidden", "a webhook says no")])
                self.cluster.hangs = self.chance.choice([set(), {"ns-2"}])
                self.cluster.prunes = self.chance.choice([set(), {"progress"}])
            case 9:
                self._list()
            case 10:
                await _end(work)
                await asyncio.sleep(self.chance.choice([0.0, 5.0]))
                return [asyncio.create_task(each.lead()) for each in self.engines]
            case _:
                self._calm()
        return work

    def _disturb_object(self, what: int, number: int) -> None:
        name = f"ref-{number}"
        if what < 2 or name not in self.cluster.objects:
            self._put(number, suspend=self.chance.random() < 0.3)
        elif what == 2:
            self._annotate(name, {REQUESTED_AT: str(self.chance.random())})
            self.cluster.report(name)
        elif what == 3:
            # Nobody reports it before somebody writes: a conflict.
            self._annotate(name, {"other": "tool"})
        elif what == 4:
            self._delete(name)
        else:
            self._correct(name)

    def _put(self, number: int, *, suspend: bool = False) -> None:
        name, chance = f"ref-{number}", self.chance
        account, app = chance.choice([1, 2, 3]), chance.choice([10, 11, number])
        namespace, interval = f"ns-{number % 3}", f"{6 + number % 3 * 6}s"
        is_new = name not in self.cluster.objects
        old = {} if is_new else self.cluster.objects[name]["metadata"]
        backup = chance.choice([number, number, number + 100])
        self.cluster.put(name, backup, account=account, app=app, interval=interval, namespace=namespace)
        found = self.cluster.objects[name]
        found["spec"]["suspend"] = suspend
        if is_new:
            self._born += 1
            new = {"uid": f"{name}-{self._born}", "creationTimestamp": timestamp(utcnow())}
            found["metadata"] |= new
        else:
            found["metadata"] |= {key: old[key] for key in ("uid", "creationTimestamp")}
        self.cluster.report(name)

    def _annotate(self, name: str, annotations: Mapping[str, str]) -> None:
        metadata = self.cluster.objects[name]["metadata"]
        metadata |= {"annotations": dict(annotations), "resourceVersion": str(next(self.cluster.versions))}

    def _delete(self, name: str) -> None:
        metadata = self.cluster.objects.pop(name)["metadata"]
        for each in self._entrances:
            # Behind all that the watch has still to say of it.
            asyncio.get_running_loop().call_later(1.1, each.deleted, metadata["uid"], metadata["namespace"])

    def _change_secret(self) -> None:
        namespace = f"ns-{self.chance.randrange(3)}"
        self._secrets[namespace] = self.chance.choice([OLD, NEW, None, NO_SECRET])
        for each in self.engines:
            each.secret_changed(namespace, SECRET)

    def _correct(self, name: str) -> None:
        """Somebody else writes into the status."""
        if self.chance.random() < 0.5:
            self.cluster.wipe(name)
        else:
            self.cluster.edit(name, state="whatever", progress=None)
        self.cluster.report(name)

    def _list(self) -> None:
        """The periodic list finds all objects, and those that are gone."""
        found = copy.deepcopy(list(self.cluster.objects.values()))
        uids = {each["metadata"]["uid"] for each in found}
        for entrance in self._entrances:
            for body in found:
                if entrance.is_news(body["metadata"]):
                    entrance.seen(body, listed=True)
            for uid, (namespace, _) in entrance.objects().items():
                if uid not in uids:
                    entrance.deleted(uid, namespace)

    def _calm(self) -> None:
        """The API server does its work; what nobody uses is dropped, as it is now and then."""
        self.cluster.availability.changed.set()
        self.cluster.refuses, self.cluster.hangs, self.cluster.prunes = None, set(), set()
        for each in self.engines:
            each.drop_unused()


async def _end(work: list[asyncio.Task[None]]) -> None:
    for each in work:
        each.cancel()
    await asyncio.gather(*work, return_exceptions=True)
