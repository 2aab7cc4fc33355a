"""The HTTP clients for the remote side: one for each set of TLS settings, shared by all connections that have it.

A client for each connection would cost a TLS context for each tenant. The tenants share no cookies, because the cookie
jar stores none, and no headers, because the token is part of each request.
"""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp.abc import AbstractResolver

from astra_mirror.astra.http_client import Client
from astra_mirror.astra.names import NameLookups
from astra_mirror.astra.routes import Routes
from astra_mirror.astra.tls import ssl_context
from astra_mirror.core.connection import TLS
from astra_mirror.core.contexts import ContextCache
from astra_mirror.core.egress import Egress
from astra_mirror.core.urls import AllowedURL
from astra_mirror.support.ca_file import CAFile
from astra_mirror.support.slots import Slots

_CA_FILE_SECONDS: Final = 5.0
"""How often --ca-file is read again."""


@dataclass(slots=True, eq=False)
class _Entry:
    client: Client
    users: int = 0
    is_retired: bool = False


class ClientPool:
    """The HTTP clients: created when first needed, and closed, after their requests, when there are too many.

    Args:
        allowed: the administrator's --allowed-url.
        egress: --proxy-url and --no-proxy.
        ca_file: --ca-file.
        lookups: looks up host names; the operating system's resolver when left out.
    """

    def __init__(
        self,
        allowed: Sequence[AllowedURL],
        *,
        egress: Egress | None = None,
        ca_file: CAFile | None = None,
        lookups: AbstractResolver | None = None,
    ) -> None:
        self.routes = Routes(allowed, egress or Egress(), lookups or NameLookups())
        self._ca_file = ca_file
        self._contexts: ContextCache[TLS] = ContextCache()
        self._entries: dict[TLS, _Entry] = {}
        self._creating = Slots(1)

    def __len__(self) -> int:
        return len(self._entries)

    @asynccontextmanager
    async def use(self, tls: TLS, namespace: str = "") -> AsyncIterator[Client]:
        """The client with these TLS settings, for a request of `namespace`; it stays open until the context ends."""
        entry = await self._get_entry(tls, namespace)
        entry.users += 1
        try:
            yield entry.client
        finally:
            entry.users -= 1
            if entry.is_retired and not entry.users:
                await entry.client.close()

    async def _get_entry(self, tls: TLS, namespace: str) -> _Entry:
        await self._retire(self._contexts.use(tls, namespace, is_common=tls.ca is None))
        if tls not in self._entries:
            async with self._creating.take(namespace):
                if tls not in self._entries:
                    also = self._also
                    # In a thread, because it takes milliseconds.
                    context = await asyncio.to_thread(ssl_context, tls, also)
                    trusts_ca_only = tls.verify and tls.ca is not None
                    entry = _Entry(Client(context, self.routes, trusts_ca_only=trusts_ca_only, also=also))
                    if tls not in self._contexts or also is not self._also:
                        # The settings were evicted, or --ca-file has changed, while the context was created: use it
                        # for this request only.
                        entry.is_retired = True
                        return entry
                    self._entries[tls] = entry
        return self._entries[tls]

    @property
    def _also(self) -> Sequence[str]:
        return () if self._ca_file is None else self._ca_file.certificates

    async def _retire(self, evicted: Iterable[TLS]) -> None:
        retired = [self._entries.pop(tls) for tls in evicted if tls in self._entries]
        for entry in retired:
            entry.is_retired = True
        for entry in retired:
            if not entry.users:
                await entry.client.close()

    async def retain(self, used: Container[TLS]) -> None:
        """Close the clients whose TLS settings are not in `used`."""
        await self._retire(self._contexts.retain(used))

    async def follow_ca_file(self) -> None:
        """Call `reread_ca_file` every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_CA_FILE_SECONDS)
            await self.reread_ca_file()

    async def reread_ca_file(self) -> None:
        """If --ca-file has changed, close all clients after their requests: new ones trust what it has now."""
        if self._ca_file is not None and await self._ca_file.has_changed():
            await self._retire(tuple(self._entries))

    async def close(self) -> None:
        """Close every client, even if it has requests under way."""
        for entry in self._entries.values():
            await entry.client.close()
        self._entries.clear()
        await self.routes.close()
