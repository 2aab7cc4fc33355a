"""The credentials for the API server, renewed as kubectl renews them: when they end, and when they are refused.

Tokens of service accounts rotate, and those of credential plugins end. Kopf's client and ours share the renewal, so
that one of them cannot go on with a token that the other has replaced.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError

_FILE_SECONDS: Final = 60.0
"""For how long a token that was read from a file counts before the file is read again, as client-go does."""
_RETRY_SECONDS: Final = 1.0
"""However many are refused, the credentials are loaded at most this often."""

logger = logging.getLogger(__name__)


class Credentials:
    """Puts the credentials into requests: a middleware of aiohttp's client.

    Args:
        first: the configuration at the start.
        load: loads it anew; may raise ClusterConfigError.
        renewed: called with each new configuration before it counts, for the TLS context's sake; may raise OSError.
    """

    def __init__(
        self,
        first: ClusterConfig,
        load: Callable[[], Awaitable[ClusterConfig]],
        renewed: Callable[[ClusterConfig], None],
    ) -> None:
        self._config = first
        self._load = load
        self._renewed = renewed
        self._renewal: asyncio.Task[None] | None = None
        self._loaded_at, self._tried_at = time.monotonic(), float("-inf")
        self._complained = ""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send `request` with the credentials, and once more if they are refused and there are others."""
        if self._have_ended():
            await self._renew(self._config)
        used = self._config
        response = await handler(_authorized(request, used))
        if response.status != HTTPStatus.UNAUTHORIZED or not await self._renew(used):
            return response
        # Closed, not released: the connection may be one of an old client certificate.
        response.close()
        return await handler(_authorized(request, self._config))

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _have_ended(self) -> bool:
        if self._config.expires_at is not None and datetime.now(UTC) >= self._config.expires_at:
            return True
        return self._config.is_in_file and time.monotonic() - self._loaded_at >= _FILE_SECONDS

    async def _renew(self, used: ClusterConfig) -> bool:
        """Load the credentials, unless others than those `used` are there; whether there are now."""
        if self._config is used and self._renewal is None:
            if time.monotonic() - self._tried_at < _RETRY_SECONDS:
                return False
            self._tried_at = time.monotonic()
            self._renewal = asyncio.create_task(self._load_anew())
        if self._renewal is not None:
            # A plugin may take longer than the patience of whoever has begun it.
            await asyncio.shield(self._renewal)
        return self._config is not used

    async def _load_anew(self) -> None:
        try:
            config = await self._load()
            if config != self._config:
                self._renewed(config)
                self._config = config
        except (ClusterConfigError, OSError) as error:
            if str(error) != self._complained:
                logger.warning("The credentials for the API server could not be renewed: %s", error)
            self._complained = str(error)
        else:
            self._complained, self._loaded_at = "", time.monotonic()
        finally:
            self._renewal = None


def _authorized(request: aiohttp.ClientRequest, config: ClusterConfig) -> aiohttp.ClientRequest:
    if config.authorization is not None:
        request.headers[aiohttp.hdrs.AUTHORIZATION] = config.authorization
    return request
