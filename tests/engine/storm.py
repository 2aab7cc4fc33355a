"""Operators in bad weather by chance, in virtual time, and the trace of all that they ask, write and report.

What happens depends on the seed and the time alone.
"""

import asyncio
import copy
import random
from collections.abc import Mapping
from typing import Any, Final

from astra_mirror.api.meta import REQUESTED_AT, Names
from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.journal.line import Line
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.write_results import Refused
from astra_mirror.engine.engine import Engine
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.ports import Clocks, Reports
from astra_mirror.support.times import timestamp
from tests.engine.weather import NUMBERS, Astra, Server, Trace, Weather
from tests.engine.world import NEW, OLD
from tests.virtual_time import clock, utcnow

SECRET: Final = "astra-control"
NO_SECRET: Final = Failed(SyncReason.SECRET_NOT_FOUND, "There is no such Secret.")


class Storm:
    """Operators, one or one for each shard, in the weather of a seed."""

    def __init__(self, seed: int) -> None:
        self.trace = Trace()
        self.lines: list[tuple[float, Line]] = []
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
            reports=Reports(events=self, log=self),
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

    def write(self, line: Line) -> None:
        """Write a line into the log."""
        self.lines.append((clock(), line))

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
                    entrance.seen(body, listed_at=clock())
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
