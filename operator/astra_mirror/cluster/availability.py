"""Whether the API server is away: one answer for all who talk to it, so that they wait and return together.

Nothing is asked while all is well. A caller whose call has failed reports it, and then a small GET of the operator's
own finds out: once a second, until it is answered.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiohttp

from astra_mirror.core.write_results import is_suspicious
from astra_mirror.observability.metrics import APISERVER_UP

PROBE_SECONDS: Final = 1.0
"""From the start of one probe to that of the next."""
_TRUST_SECONDS: Final = 10.0
"""For so long after an answer calls go on while another probe is under way: some calls may always fail, those that a
webhook of one namespace refuses, and they must not make all others stop and go."""

logger = logging.getLogger(__name__)


Probe = Callable[[], Awaitable[str | None]]
"""Asks the API server for something small; says why it is away, or None when it has answered."""


async def _nobody() -> str | None:
    return None


class Availability:
    """The API server as one small GET of the operator's own sees it.

    A caller whose call has failed without an answer of the API server's own reports it with `suspect`; a caller that
    wants to write waits while it is away.
    """

    def __init__(self, probe: Probe = _nobody, *, name: str = "") -> None:
        self._probe = probe
        self._name = name
        self._suspected = asyncio.Event()
        self._back, self._away = asyncio.Event(), asyncio.Event()
        self._back.set()
        self._away_since: float | None = None
        self._asked_at = self._answered_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """Whether the last probe got no answer that counts."""
        return self._away_since is not None

    def suspect(self) -> None:
        """Let a probe find out at once whether the API server is away; at most one a second is made."""
        self._suspected.set()

    async def wait_until_back(self) -> None:
        """Wait while it is away, and while the first probe for some time finds out whether it is; else do not."""
        await self._back.wait()

    async def wait_until_away(self) -> None:
        """Wait until it is away; also for a time so short that it is back when this returns."""
        await self._away.wait()

    async def run(self) -> None:
        """Probe when there is reason to, until cancelled."""
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            if time.monotonic() - self._answered_at > _TRUST_SECONDS:
                self._back.clear()
            await self._probe_until_answered()
            self._returned()
            # Somebody's calls may go on failing though the API server is there.
            await asyncio.sleep(max(self._asked_at + PROBE_SECONDS - time.monotonic(), 0.0))

    async def notice(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Suspect the API server when a request fails: a middleware of aiohttp's client."""
        try:
            response = await handler(request)
        except (aiohttp.ClientError, OSError, asyncio.CancelledError):
            # Cancelled: out of patience, most likely, for a time-out reaches a middleware as that.
            self.suspect()
            raise
        if is_suspicious(response.status):
            self.suspect()
        return response

    async def wait_before(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Hold a request back while the API server is away: a middleware of aiohttp's client."""
        await self.wait_until_back()
        return await handler(request)

    async def _probe_until_answered(self) -> None:
        # The next one is not kept waiting by one that hangs: the first answer decides.
        answered = asyncio.Event()
        probes: set[asyncio.Task[None]] = set()
        try:
            while not answered.is_set():
                self._asked_at = time.monotonic()
                probes.add(asyncio.create_task(self._ask(answered)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_SECONDS):
                        await answered.wait()
                for each in [each for each in probes if each.done()]:
                    probes.remove(each)
                    # A defect ends the process: everybody else would wait for ever.
                    each.result()
        finally:
            for each in probes:
                each.cancel()
            await asyncio.gather(*probes, return_exceptions=True)

    async def _ask(self, answered: asyncio.Event) -> None:
        failure = await self._probe()
        if failure is None:
            answered.set()
        elif not answered.is_set() and not self.is_away:
            self._away_since = time.monotonic()
            self._back.clear()
            self._away.set()
            APISERVER_UP.set(0)
            logger.warning("The API server %s is away, trying every second: %s", self._name, failure)

    def _returned(self) -> None:
        if self._away_since is not None:
            seconds = time.monotonic() - self._away_since
            logger.warning("The API server %s is back after %.0fs", self._name, seconds)
        self._away_since = None
        self._answered_at = time.monotonic()
        APISERVER_UP.set(1)
        self._away.clear()
        self._back.set()
