"""An engine in virtual time, and a remote that answers by rules: who is refused, what is paused, which lists fail."""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api.meta import REQUESTED_AT
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, SyncReason
from astra_mirror.core.request_plan import Collection, Document
from tests.engine.world import ID, Astra, World
from tests.virtual_time import clock, run

GOOD: Final = 1
"""The account of refs, unless they name another."""
UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "Astra Control refused the token (401).", code=401)
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "The token may not read this app's backups (403).", code=403)
AWAY = Failed(SyncReason.UNREACHABLE, "no answer")
ERROR = Failed(SyncReason.SERVER_ERROR, "an error", code=503)


def limited(retry_after: float | None) -> Failed:
    """A 429."""
    return Failed(SyncReason.RATE_LIMITED, "fewer requests (429)", retry_after, 429)


@dataclass(frozen=True)
class Asked:
    """A request. `app` is None for an account's list, `backup` for any list."""

    at: float
    account: str
    app: str | None
    backup: str | None


class Service(Astra):
    """A remote whose answers follow `rule`: a failure, or None for the backup or the list as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Asked] = []
        self.rule: Callable[[Asked], Failed | None] = lambda _: None
        self.latency = 0.01

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None = None, **_: Any
    ) -> Answer:
        """Answer by the rule."""
        del connection, known
        failure = await self._answer(Asked(clock(), *document))
        return failure or Observed(Backup(document.backup_id, "running"), digest=hash(document.backup_id))

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, **_: Any
    ) -> Listed | Failed:
        """Answer by the rule."""
        del connection
        failure = await self._answer(Asked(clock(), collection.account, collection.app, None))
        found = {each: Observed(Backup(each, "running"), digest=hash(each)) for each in known.documents}
        return failure or Listed(hash(frozenset(found)), found, len(found))

    async def _answer(self, asked: Asked) -> Failed | None:
        self.log.append(asked)
        await asyncio.sleep(self.latency)
        return self.rule(asked)

    def singles(self, since: float = 0.0) -> list[Asked]:
        """The requests for single backups."""
        return [each for each in self.log if each.backup is not None and each.at >= since]

    def times(self, account: int) -> list[float]:
        """When that account was asked for, in whole seconds."""
        return [round(each.at) for each in self.log if each.account == ID.format(account)]


class VirtualWorld(World):
    """A mirror in the virtual time of the running loop."""

    def __init__(self, service: Service | None = None) -> None:
        self.clock, self.service = clock, service or Service()
        super().__init__(self.service)

    def refs(self, count: int, *, account: int = 1, namespace: str = "ns", first: int = 1000, **spec: Any) -> None:
        """Create refs, each of an app of its own."""
        for number in range(first, first + count):
            self.ref(number, account=account, namespace=namespace, **spec)

    def ref(
        self, number: int, *, namespace: str = "ns", app: int | None = None, suspend: bool = False, **spec: Any
    ) -> None:
        """Create a ref to the backup of that number, or edit it."""
        self.cluster.put(f"ref-{number}", number, app=app or number, **{"interval": "15s", **spec})
        found = self.cluster.objects[f"ref-{number}"]
        found["metadata"]["namespace"], found["spec"]["suspend"] = namespace, suspend
        self.entrance.seen(copy.deepcopy(found))

    def request(self, number: int, value: str) -> None:
        """Annotate a ref: poll it now."""
        found = self.cluster.objects[f"ref-{number}"]
        found["metadata"] |= {"annotations": {REQUESTED_AT: value}, "resourceVersion": str(next(self.cluster.versions))}
        self.entrance.seen(copy.deepcopy(found))

    def synced(self, number: int) -> tuple[str, str, str]:
        """The status, the reason and the message of a ref's Synced."""
        conditions = self.cluster.objects[f"ref-{number}"]["status"].get("conditions", [])
        found = next((each for each in conditions if each["type"] == "Synced"), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")

    def reasons(self) -> Counter[str]:
        """How many refs have each reason of Synced."""
        return Counter(self.synced(int(name.removeprefix("ref-")))[1] for name in self.cluster.objects)


@asynccontextmanager
async def virtual_world() -> AsyncIterator[VirtualWorld]:
    """A world that works for the time of a `with` block."""
    world = VirtualWorld()
    async with world.running():
        yield world


Story = Callable[[VirtualWorld], Awaitable[None]]


def play(story: Story) -> None:
    """Run a story in a world of its own."""

    async def main() -> None:
        async with virtual_world() as world:
            await story(world)

    run(main())


def refused(*accounts: int) -> Callable[[Asked], Failed | None]:
    """A rule: these accounts get 401."""
    ids = {ID.format(each) for each in accounts}
    return lambda asked: UNAUTHORIZED if asked.account in ids else None
