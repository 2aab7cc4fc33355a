"""The credentials for the API server, renewed as kubectl renews them: when they expire, and when they are refused.

Tokens of service accounts rotate, and those of credential plugins expire. Kopf's client and ours share the renewal, so
that neither goes on with a token that the other has replaced.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError
from astra_mirror.core.proxies import without_credentials
from astra_mirror.observability.hidden_values import HiddenValues

_FILE_SECONDS: Final = 60.0
"""How long a token from a file is used before the file is read again; client-go's value."""
_RETRY_SECONDS: Final = 1.0
"""The least time between two renewals, however many requests are refused."""

logger = logging.getLogger(__name__)


class Credentials:
    """A middleware for aiohttp's client that adds the credentials to each request.

    Args:
        first: the configuration at the start.
        load: loads the configuration again; may raise ClusterConfigError.
        on_renewal: called with each new configuration before it is used, to update the TLS context; may raise OSError.
        hidden: what the log leaves out; each credential is added to it before it is used.
    """

    def __init__(
        self,
        first: ClusterConfig,
        load: Callable[[], Awaitable[ClusterConfig]],
        on_renewal: Callable[[ClusterConfig], None],
        hidden: HiddenValues,
    ) -> None:
        hidden.hide(_secrets(first))
        self._hidden = hidden
        self._config = first
        self._load = load
        self._on_renewal = on_renewal
        self._renewal: asyncio.Task[None] | None = None
        self._loaded_at, self._tried_at = time.monotonic(), float("-inf")
        self._logged_error = ""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send `request` with the credentials; if they are refused and can be renewed, send it once more."""
        if self._have_expired():
            await self._renew(self._config)
        used = self._config
        response = await handler(_authorized(request, used))
        if response.status != HTTPStatus.UNAUTHORIZED or not await self._renew(used):
            return response
        # Close the connection instead of reusing it: it may have been opened with an old client certificate.
        response.close()
        return await handler(_authorized(request, self._config))

    async def close(self) -> None:
        """Cancel the renewal that is under way, if any."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _have_expired(self) -> bool:
        if self._config.expires_at is not None and datetime.now(UTC) >= self._config.expires_at:
            return True
        return self._config.is_in_file and time.monotonic() - self._loaded_at >= _FILE_SECONDS

    async def _renew(self, used: ClusterConfig) -> bool:
        """Load the credentials unless those `used` were renewed already; return whether they have been."""
        if self._config is used and self._renewal is None:
            if time.monotonic() - self._tried_at < _RETRY_SECONDS:
                return False
            self._tried_at = time.monotonic()
            self._renewal = asyncio.create_task(self._reload())
        if self._renewal is not None:
            # Shielded, because a credential plugin may take longer than the request that started it.
            await asyncio.shield(self._renewal)
        return self._config is not used

    async def _reload(self) -> None:
        try:
            config = await self._load()
            self._hidden.hide(_secrets(config))
            if config != self._config:
                self._on_renewal(config)
                self._config = config
        except (ClusterConfigError, OSError) as error:
            if str(error) != self._logged_error:
                logger.warning("The credentials for the API server could not be renewed: %s", error)
            self._logged_error = str(error)
        else:
            self._logged_error, self._loaded_at = "", time.monotonic()
        finally:
            self._renewal = None


def _secrets(config: ClusterConfig) -> Iterator[str]:
    """The tokens and passwords of a configuration, each as it is and as it is sent."""
    scheme, _, sent = (config.authorization or "").partition(" ")
    yield sent.strip()
    if scheme == "Basic":
        yield base64.b64decode(sent).decode().partition(":")[2]
    _, credentials = without_credentials(config.proxy or "")
    if credentials is not None:
        yield credentials[1]
        yield aiohttp.encode_basic_auth(*credentials).partition(" ")[2]


def _authorized(request: aiohttp.ClientRequest, config: ClusterConfig) -> aiohttp.ClientRequest:
    if config.authorization is not None:
        request.headers[aiohttp.hdrs.AUTHORIZATION] = config.authorization
    return request
