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
from astra_mirror.support.scheduler import call_at, monotonic

_FILE_SECONDS: Final = 60.0
"""How long a token from a file is used before the file is read again; client-go's value."""
_RETRY_SECONDS: Final = 1.0
"""The least time between two renewals, however many requests are refused."""
_LAST_SECONDS: Final = 1.0
"""How long a renewal may take when the process is about to end."""
_TOKEN_LENGTH: Final = 16
"""From this length on, the user name for a proxy is taken for a token: it may have a password that means nothing."""
_OF_IDENTITY: Final = ("authorization", "impersonate-")
"""How the names of the headers begin that say who sends a request."""

logger = logging.getLogger(__name__)


class Credentials:
    """A middleware for aiohttp's client that adds the credentials to each request.

    Args:
        first: the configuration at the start.
        load: loads the configuration again; may raise ClusterConfigError.
        on_renewal: called with each new configuration before it is used, to update the TLS context; may raise OSError
            or ClusterConfigError.
        hidden: what the log leaves out; it is given all credentials before they are used.
    """

    def __init__(
        self,
        first: ClusterConfig,
        load: Callable[[], Awaitable[ClusterConfig]],
        on_renewal: Callable[[ClusterConfig], None],
        hidden: HiddenValues,
    ) -> None:
        self._hidden = hidden
        # The proxy of the start is used until the end.
        self._of_proxy = tuple(_secrets_of_proxy(first.proxy or ""))
        self._config = first
        self._hide(first)
        self._load = load
        self._on_renewal = on_renewal
        self._renewal: asyncio.Task[None] | None = None
        self._is_hurried = False
        self._loaded_at, self._tried_at = time.monotonic(), float("-inf")
        self._logged_error = ""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send `request` with the credentials; if they are refused and can be renewed, send it once more."""
        if self._have_expired():
            await self._renew(self._config)
        used = self._config
        response = await handler(_identified(request, used))
        if response.status != HTTPStatus.UNAUTHORIZED or not await self._renew(used):
            return response
        # Close the connection instead of reusing it: it may have been opened with an old client certificate.
        response.close()
        return await handler(_identified(request, self._config))

    def hurry(self) -> None:
        """The process is about to end: what is left to send goes with the present credentials rather than never."""
        self._is_hurried = True
        self._limit_renewal()

    def _limit_renewal(self) -> None:
        if self._is_hurried and self._renewal is not None:
            call_at(monotonic() + _LAST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()

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
            self._limit_renewal()
        if self._renewal is not None:
            # Not cancelled with the request that has started it: a credential plugin may take longer.
            await asyncio.wait({self._renewal})
        return self._config is not used

    async def _reload(self) -> None:
        try:
            config = await self._load()
            self._hide(config)
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

    def _hide(self, config: ClusterConfig) -> None:
        # Those of before are in use as well, until the new ones have been accepted.
        self._hidden.hide((*self._of_proxy, *_secrets(self._config), *_secrets(config)))


def _secrets(config: ClusterConfig) -> Iterator[str]:
    """The tokens and passwords of a configuration, each as it is and as it is sent."""
    authorization = config.authorization or ""
    scheme, _, sent = authorization.partition(" ")
    yield sent.strip()
    # Programs that log headers in base64 encode the whole value.
    yield base64.b64encode(authorization.strip().encode(errors="surrogatepass")).decode()
    if scheme == "Basic":
        yield base64.b64decode(sent).decode().partition(":")[2]
    yield from _secrets_of_proxy(config.proxy or "")


def _secrets_of_proxy(proxy: str) -> Iterator[str]:
    """The password for a proxy, or the token that is its user name, as it is and as it is sent."""
    _, credentials = without_credentials(proxy)
    if credentials is None:
        return
    name, password = credentials
    yield password
    yield aiohttp.encode_basic_auth(name, password).partition(" ")[2]
    if len(name) >= _TOKEN_LENGTH or not password:
        yield name


def _identified(request: aiohttp.ClientRequest, config: ClusterConfig) -> aiohttp.ClientRequest:
    """`request` with the headers that say who sends it, and with none of those of an earlier attempt."""
    headers = request.headers
    for name in [each for each in headers if each.lower().startswith(_OF_IDENTITY)]:
        headers.popall(name, None)
    if config.authorization is not None:
        headers[aiohttp.hdrs.AUTHORIZATION] = config.authorization
    headers.extend(config.impersonation)
    return request
