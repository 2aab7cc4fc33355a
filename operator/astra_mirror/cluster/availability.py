"""Whether the API server is away, decided in one place for all callers, so that they stop and resume together.

No probe is sent while all calls succeed. A caller whose call failed requests a probe: a small GET, repeated once a
second until the API server responds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiohttp

from astra_mirror.core.write_results import suggests_outage
from astra_mirror.observability.metrics import APISERVER_UP
from astra_mirror.support.scheduler import monotonic

PROBE_SECONDS: Final = 1.0
"""The time from the start of one probe to the start of the next."""
_TRUST_SECONDS: Final = 10.0
"""How long after a successful probe calls go on while the next probe is under way. Some calls fail every time, such as
writes that the webhook of one namespace refuses, and they must not hold up all others again and again."""

logger = logging.getLogger(__name__)


Probe = Callable[[], Awaitable[str | None]]
"""Sends a small request to the API server; returns why it is away, or None when it has responded."""


async def _always_available() -> str | None:
    return None


class Availability:
    """Whether the API server is away, as the last probe found.

    A caller whose call failed without a proper response calls `request_probe`. A caller that is about to write waits in
    `wait_until_back`.
    """

    def __init__(self, probe: Probe = _always_available, *, name: str = "") -> None:
        self._probe = probe
        self._name = name
        self._probe_requested = asyncio.Event()
        self._back, self._away = asyncio.Event(), asyncio.Event()
        self._back.set()
        self._away_since: float | None = None
        self._probed_at = self._answered_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """Whether the last probe failed."""
        return self._away_since is not None

    def request_probe(self) -> None:
        """Request a probe, which shows whether the API server is away; at most one is sent each second."""
        self._probe_requested.set()

    async def wait_until_back(self) -> None:
        """Wait while the API server is away, and while the first probe after a quiet time is under way."""
        await self._back.wait()

    async def wait_until_away(self) -> None:
        """Wait until the API server is away. An outage may be so short that it is over when this returns."""
        await self._away.wait()

    async def run(self) -> None:
        """Send the probes that are requested, until cancelled."""
        while True:
            await self._probe_requested.wait()
            self._probe_requested.clear()
            if monotonic() - self._answered_at > _TRUST_SECONDS:
                self._back.clear()
            await self._probe_until_answered()
            self._mark_available()
            # Calls may continue to fail, and to request probes, although the API server responds.
            await asyncio.sleep(max(self._probed_at + PROBE_SECONDS - monotonic(), 0.0))

    async def probe_after_failure(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A middleware for aiohttp's client that requests a probe when a request fails."""
        try:
            response = await handler(request)
        except (aiohttp.ClientError, OSError, asyncio.CancelledError):
            # A time-out reaches a middleware as CancelledError.
            self.request_probe()
            raise
        if suggests_outage(response.status):
            self.request_probe()
        return response

    async def delay_while_away(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A middleware for aiohttp's client that delays requests while the API server is away."""
        await self.wait_until_back()
        return await handler(request)

    async def _probe_until_answered(self) -> None:
        # A probe that hangs does not delay the next one: the first response of any probe decides.
        answered = asyncio.Event()
        probes: set[asyncio.Task[None]] = set()
        try:
            while not answered.is_set():
                self._probed_at = monotonic()
                probes.add(asyncio.create_task(self._run_probe(answered)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_SECONDS):
                        await answered.wait()
                for each in [each for each in probes if each.done()]:
                    probes.remove(each)
                    # A defect ends the process, because every caller would otherwise wait for ever.
                    each.result()
        finally:
            for each in probes:
                each.cancel()
            await asyncio.gather(*probes, return_exceptions=True)

    async def _run_probe(self, answered: asyncio.Event) -> None:
        failure = await self._probe()
        if failure is None:
            answered.set()
        elif not answered.is_set() and not self.is_away:
            self._away_since = monotonic()
            self._back.clear()
            self._away.set()
            APISERVER_UP.set(0)
            logger.warning(
                "The API server %s is away, trying every second: %s",
                self._name,
                failure,
                extra={"host": self._name, "reason": failure},
            )

    def _mark_available(self) -> None:
        if self._away_since is not None:
            seconds = monotonic() - self._away_since
            logger.info("The API server %s is back after %.0fs", self._name, seconds, extra={"host": self._name})
        self._away_since = None
        self._answered_at = monotonic()
        APISERVER_UP.set(1)
        self._away.clear()
        self._back.set()
