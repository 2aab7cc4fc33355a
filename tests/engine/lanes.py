"""A lane's requests, in the hands of a test."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound
from astra_mirror.lane import Lane

OK = NotFound("an answer")


@dataclass
class Remote:
    """Requests that end when a test says so."""

    under_way: list["Read"] = field(default_factory=list)
    ended: list[tuple[str, Answer | Listed, float | None]] = field(default_factory=list)

    def read(
        self, app: str = "a", due: float = 0.0, urgency: float = 0.0, name: str = "", account: str = "account"
    ) -> "Read":
        """A read that is answered through `under_way` and recorded in `ended`."""
        return Read(self, app, due, urgency, name or app, account)

    async def settle(self) -> None:
        """Let every task that can go on do so."""
        for _ in range(6):
            await asyncio.sleep(0)

    async def answer(self, number: int, answer: Answer = OK) -> None:
        """Answer a request."""
        self.under_way[number].future.set_result(answer)
        await self.settle()


@dataclass(eq=False)
class Read:
    """A read under the test's control."""

    remote: Remote
    app: str
    due: float
    urgency: float
    name: str
    account: str = "account"
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
        self.remote.ended.append((self.name, answer, None))

    async def refused(self, failure: Failed, until: float, at: float) -> None:
        """Record the refusal."""
        del at
        self.remote.ended.append((self.name, failure, until))

    def broken(self) -> None:
        """Record the defect."""
        self.broke = True

    async def slow(self) -> None:
        """Count."""
        self.slowed += 1


def lane_at(now: Callable[[], float] = lambda: 0.0) -> Lane:
    """A new lane."""
    return Lane(now)


async def proven(remote: Remote) -> Lane:
    """A lane whose token has been accepted."""
    lane = lane_at()
    lane.submit(remote.read())
    await remote.settle()
    await remote.answer(0)
    remote.under_way.clear()
    remote.ended.clear()
    return lane
