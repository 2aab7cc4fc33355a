"""A lane's requests, in the hands of a test, in virtual time."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound
from astra_mirror.engine import ports
from astra_mirror.engine.connection.queue import Lane
from astra_mirror.engine.connection.total_rate import TotalRate
from tests.virtual_time import clock

OK = NotFound("an answer")


@dataclass
class Remote:
    """Requests that end when a test says so."""

    under_way: list["Read"] = field(default_factory=list)
    ended: list[tuple[str, Answer | Listed]] = field(default_factory=list)
    held: list[tuple[str, Failed]] = field(default_factory=list)
    canaries: dict[str, "Read"] = field(default_factory=dict)
    lane: Lane | None = None

    def read(
        self,
        app: str | None = "a",
        due: float = 0.0,
        urgency: float = 0.0,
        name: str = "",
        account: str = "account",
        namespace: str = "ns",
        *,
        is_observed: bool = False,
    ) -> "Read":
        """A read that is answered through `under_way` and recorded in `ended`."""
        return Read(self, app, due, urgency, name or str(app), account, namespace, is_observed=is_observed)

    def canary(self, account: str) -> ports.Read | None:
        """The read that a test has prepared."""
        return self.canaries.get(account)

    async def resume(self, reads: Sequence[ports.Read]) -> None:
        """Submit them again."""
        for each in reads:
            if self.lane is not None:
                self.lane.submit(each)

    async def settle(self) -> None:
        """Let every task that can go on do so."""
        # No time passes before that.
        await asyncio.sleep(0.001)

    async def answer(self, number: int, answer: Answer = OK) -> None:
        """Answer a request."""
        self.under_way[number].future.set_result(answer)
        await self.settle()


@dataclass(eq=False)
class Read:
    """A read under the test's control."""

    remote: Remote
    app: str | None
    due: float
    urgency: float
    name: str
    account: str = "account"
    namespace: str = "ns"
    is_observed: bool = False
    is_fallback: bool = False
    wanted: bool = True
    slowed: int = 0
    defects: Iterator[int] | None = None
    broke: bool = False
    future: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_wanted(self) -> bool:
        """Whether the test wants it."""
        return self.wanted

    async def request(self) -> Answer:
        """Wait for the test."""
        self.remote.under_way.append(self)
        return await self.future

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Record the answer; fail where the test wants a defect."""
        del started
        if self.defects is not None:
            next(self.defects)
            raise ZeroDivisionError("a bug")
        self.remote.ended.append((self.name, answer))

    async def held(self, failure: Failed, at: float) -> None:
        """Record what is shown meanwhile."""
        del at
        self.remote.held.append((self.name, failure))

    def probe(self) -> "Read | None":
        """A read of its own for the same, which this one does not want any more."""
        if not self.wanted:
            return None
        self.wanted = False
        return Read(self.remote, self.app, self.due, self.urgency, self.name, self.account, self.namespace)

    def broken(self) -> None:
        """Record the defect."""
        self.broke = True

    async def slow(self) -> None:
        """Count."""
        self.slowed += 1


def new_lane(remote: Remote) -> Lane:
    """A new lane."""
    remote.lane = Lane(clock, TotalRate(clock), remote)
    return remote.lane


async def proven(remote: Remote) -> Lane:
    """A lane whose token has been accepted."""
    lane = new_lane(remote)
    lane.submit(remote.read())
    await remote.settle()
    await remote.answer(0)
    remote.under_way.clear()
    remote.ended.clear()
    return lane
