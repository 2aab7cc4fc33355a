"""Who asks: found out at the start, and again when that has expired or is refused."""

import asyncio
import ssl
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from astra_mirror.cluster.identity import OperatorIdentity, identity_of
from astra_mirror.cluster.kubeconfig_faults import is_sendable
from astra_mirror.cluster.kubeconfig_files import Entry, Kubeconfig, KubeconfigError
from astra_mirror.kubectl.output import warn

_PLUGIN_SECONDS: Final = 5.0
"""How long a credential plugin may take where nobody can be asked: for completion."""
_OF_IDENTITY: Final = ("authorization", "impersonate-")
"""How the names of the headers begin that say who asks."""
_RENEWAL_SECONDS: Final = 10.0
"""The least time between two renewals, however many requests are refused."""


class Requester:
    """A middleware for aiohttp's client that says who asks, and finds that out anew when it expires or is refused."""

    def __init__(self, kubeconfig: Kubeconfig, tls: ssl.SSLContext, *, is_by_hand: bool) -> None:
        is_safe = urlsplit(kubeconfig.cluster.fields["server"]).scheme == "https"
        # As kubectl: over http nobody is told who asks, and no credential plugin is run.
        self._user = kubeconfig.user if is_safe else Entry("user", kubeconfig.user.name, kubeconfig.user.path, {})
        self._tls, self._is_by_hand = tls, is_by_hand
        self._headers: tuple[tuple[str, str], ...] = ()
        self._expires_at: datetime | None = None
        self._renewed_at, self._lock = float("-inf"), asyncio.Lock()

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send `request`; if it is refused, find out who asks and send it once more."""
        if self._expires_at is not None and datetime.now(UTC) >= self._expires_at:
            await self._renew_after(self._renewed_at)
        used = self._renewed_at
        response = await handler(self._identified(request))
        if response.status == HTTPStatus.UNAUTHORIZED and await self._renew_after(used):
            response.close()
            response = await handler(self._identified(request))
        return response

    async def renew(self) -> None:
        """Find out who asks.

        Raises:
            KubeconfigError: there are no usable credentials.
        """
        seconds = None if self._is_by_hand else _PLUGIN_SECONDS
        found = await identity_of(self._user, seconds, for_person=self._is_by_hand)
        _load_client_certificate(self._tls, found.user)
        self._headers, self._expires_at = tuple(_headers(found)), found.expires_at

    async def _renew_after(self, used: float) -> bool:
        """Renew what was found out at `used`, unless somebody has, or just a moment ago; return whether it is over.

        A failure shows in what the API server answers next.
        """
        async with self._lock:
            if self._renewed_at == used and time.monotonic() - used >= _RENEWAL_SECONDS:
                self._renewed_at = time.monotonic()
                try:
                    await self.renew()
                except (KubeconfigError, OSError) as error:
                    warn(f"the credentials could not be renewed: {error}")
            return self._renewed_at != used

    def _identified(self, request: aiohttp.ClientRequest) -> aiohttp.ClientRequest:
        # Those of an earlier attempt must go.
        for name in {name for name in request.headers if name.lower().startswith(_OF_IDENTITY)}:
            request.headers.popall(name)
        request.headers.extend(self._headers)
        return request


def _headers(identity: OperatorIdentity) -> Iterator[tuple[str, str]]:
    fields = identity.user.fields
    token = fields.get("token")
    if token is not None:
        if not isinstance(token, str) or not token.strip() or not is_sendable(token.strip()):
            raise KubeconfigError(f"the token of {identity.user.where} is empty, or has a control character in it")
        yield "Authorization", f"Bearer {token.strip()}"
    elif "username" in fields:
        pair = f"{fields['username']}:{fields.get('password', '')}"
        yield "Authorization", f"Basic {b64encode(pair.encode()).decode()}"
    yield from identity.impersonation


def _load_client_certificate(context: ssl.SSLContext, user: Entry) -> None:
    def password() -> str:
        # Without this function OpenSSL would ask for it in the middle of the screen.
        raise KubeconfigError(f"the client key of {user.where} is encrypted: decrypt it with openssl pkey")

    fields: dict[str, Any] = user.fields
    if not any(name.startswith("client-certificate") for name in fields):
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name in ("client-certificate", "client-key"):
            path = fields.get(name)
            if f"{name}-data" in fields:
                path = Path(folder) / name
                path.touch(mode=0o600)
                path.write_bytes(b64decode(fields[f"{name}-data"]))
            paths.append(path)
        context.load_cert_chain(paths[0] or "", paths[1], password)
