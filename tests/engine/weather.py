"""A remote and an API server in bad weather, and the trace of all that they are asked.

Each answer takes another time, so that little happens at once, and what does is put in order: the trace stays the same
when only the order of the event loop's callbacks has changed.
"""

import asyncio
import copy
import json
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api.meta import Names
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from tests.engine.service import AWAY, ERROR, FORBIDDEN, UNAUTHORIZED, limited
from tests.engine.world import ID, Cluster
from tests.virtual_time import clock

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
"""The numbers of a storm's refs."""


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
        return Unchanged() if digest == known else Observed(backup, digest=digest)


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
