"""Whether the API server is away: one answer for all who write to it, so that they wait and return together."""

import asyncio


class Availability:
    """The API server as one small GET of the operator's own sees it.

    Whoever has seen a call fail without an answer of the API server's own says so with `suspect`; who wants to write
    waits while it is away.
    """

    def __init__(self) -> None:
        self._back = asyncio.Event()
        self._back.set()

    @property
    def is_away(self) -> bool:
        """Whether the last probe got no answer that counts."""
        return not self._back.is_set()

    def suspect(self) -> None:
        """Let a probe find out at once whether the API server is away."""

    async def wait_until_back(self) -> None:
        """Wait while it is away; at once when it is not."""
        await self._back.wait()
