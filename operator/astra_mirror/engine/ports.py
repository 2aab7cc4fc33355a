"""What the lanes need from outside: the requests that they are given, and the engine that makes one for them.

A lane knows no refs. It holds requests, lets them go, and says what has become of them.
"""

from collections.abc import Awaitable, Hashable, Sequence
from typing import Protocol

from astra_mirror.core.outcome import Answer, Failed, Listed


class Read(Hashable, Protocol):
    """One request, and what to do with its end."""

    @property
    def app(self) -> Hashable | None:
        """Whose backup is asked for; None for a list."""

    @property
    def account(self) -> str:
        """Whose breaker counts, and whose share of the connection it takes."""

    @property
    def namespace(self) -> str:
        """Whose turn it takes: the namespace of the ref that was due first."""

    @property
    def due(self) -> float:
        """When it should have started, in monotonic seconds."""

    @property
    def is_fallback(self) -> bool:
        """Whether it goes on with a poll that another request has begun."""

    @property
    def is_observed(self) -> bool:
        """Whether the status of a ref that waits for it has an observation of its target."""

    @property
    def urgency(self) -> float:
        """The seconds after `due` by which it wants to have started: the lowest sum goes first."""

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""

    def request(self) -> Awaitable[Answer | Listed]:
        """Ask."""

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Take the answer to the request that was sent at `started`."""

    async def held(self, failure: Failed, at: float) -> None:
        """Show the refs `failure`: since `at` a breaker or a pause holds the request back."""

    def probe(self) -> "Read | None":
        """Take one ref out, into a request for its backup alone; None when nobody waits."""

    def broken(self) -> None:
        """Let the refs try again later: handing out what came of it has failed, by a defect of the operator."""

    async def slow(self) -> None:
        """Show the refs that no answer has come for a while; perhaps more than once."""


class Engine(Protocol):
    """Who gives a lane its requests."""

    def canary(self, account: str) -> Read | None:
        """A request for one ref of that account; None when it has no ref that may be asked for."""

    async def resume(self, reads: Sequence[Read]) -> None:
        """Plan anew for the refs of requests that were held back, and may be asked for now."""
