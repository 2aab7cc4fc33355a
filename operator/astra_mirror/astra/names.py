"""Resolves host names in threads, so that a tenant's names whose name server does not respond delay no other tenant.

A look-up in a thread cannot be cancelled. So the number of pending look-ups is limited, for each namespace and in all,
and the namespaces are served in turn. Requests for a name that is being looked up share the result.
"""

import asyncio
import errno
import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from aiohttp.abc import AbstractResolver, ResolveResult

from astra_mirror.core.fair import FairQueue, Others
from astra_mirror.support.scheduler import call_next

REQUEST_NAMESPACE: Final[ContextVar[str]] = ContextVar("namespace", default="")
"""The namespace of a request: aiohttp calls the resolver, and cannot pass the namespace as an argument."""
MAX_LOOKUPS: Final = 64
MAX_LOOKUPS_FOR_NAMESPACE: Final = 4
_KEPT_SECONDS: Final = 10.0
_MAX_KEPT: Final = 1024
_MAX_ADDRESSES: Final = 32
"""A name may have thousands of addresses, which could not all be tried in the time of one request."""

Addresses = tuple[tuple[int, str], ...]
"""Pairs of address family and IP literal, in the order in which they are to be tried."""


class Name(NamedTuple):
    """A host name and an address family to look up."""

    host: str
    family: int


def look_up(name: Name) -> Addresses:
    """The addresses of a name, from the operating system's resolver; blocks until it responds.

    Raises:
        OSError: the name has no address.
    """
    try:
        found = socket.getaddrinfo(
            name.host, None, type=socket.SOCK_STREAM, family=name.family, flags=socket.AI_ADDRCONFIG
        )
    except ValueError:
        # The codec for host names cannot encode the name.
        raise socket.gaierror(socket.EAI_NONAME, "no name that can be looked up") from None
    # A link-local IPv6 address has a zone, which names the network interface.
    literals = (
        (family, f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0]))
        for family, _, _, _, address in found
    )
    return tuple(islice(literals, _MAX_ADDRESSES))


class NameLookups(AbstractResolver):
    """A resolver with a quota of threads for each namespace, which `REQUEST_NAMESPACE` names.

    Args:
        look_up: looks up a name, in a thread.
        max_lookups: how many look-ups may be pending in all.
        max_for_namespace: how many look-ups of one namespace may be pending.
    """

    def __init__(
        self,
        look_up: Callable[[Name], Addresses] = look_up,
        *,
        max_lookups: int = MAX_LOOKUPS,
        max_for_namespace: int = MAX_LOOKUPS_FOR_NAMESPACE,
    ) -> None:
        self._look_up = look_up
        self._max_lookups = max_lookups
        self._max_for_namespace = max_for_namespace
        self._waiters: dict[Name, dict[asyncio.Future[Addresses], str]] = {}
        """The futures that wait for each name, with their namespaces."""
        self._waiting: FairQueue[tuple[str, Name], Name] = FairQueue()
        self._under_way: dict[Name, str] = {}
        self._unanswered: Counter[str] = Counter()
        self._kept: OrderedDict[Name, tuple[float, Addresses]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        Raises:
            OSError: it has no address.
        """
        addresses = await self._addresses(Name(host, family))
        return [
            {
                "hostname": host,
                "host": literal,
                "port": port,
                "family": of_family,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for of_family, literal in addresses
        ]

    async def _addresses(self, name: Name) -> Addresses:
        loop = asyncio.get_running_loop()
        if (kept := self._kept.get(name)) is not None and loop.time() < kept[0]:
            return kept[1]
        namespace = REQUEST_NAMESPACE.get()
        future: asyncio.Future[Addresses] = loop.create_future()
        waiters = self._waiters.setdefault(name, {})
        waiters[future] = namespace
        if name not in self._under_way:
            self._waiting.put((namespace,), (namespace, name), name)
            self._start()
        try:
            return await future
        finally:
            waiters.pop(future, None)
            if namespace not in waiters.values():
                self._waiting.drop((namespace, name))
            if not waiters and self._waiters.get(name) is waiters:
                del self._waiters[name]

    def _start(self) -> None:
        while len(self._under_way) < self._max_lookups:
            full = {key for key, number in self._unanswered.items() if number >= self._max_for_namespace}
            taken = self._waiting.take(Others(full))
            if taken is None:
                return
            name, namespace = taken.value, str(taken.path[0])
            # Other namespaces that wait to look up this name share the result.
            for other in set(self._waiters[name].values()):
                self._waiting.drop((other, name))
            self._under_way[name] = namespace
            self._unanswered[namespace] += 1
            self._start_thread(name)

    def _start_thread(self, name: Name) -> None:
        loop = asyncio.get_running_loop()
        work = partial(self._run_lookup, name, loop)
        try:
            # A daemon thread, because a look-up without a response must not keep the process from ending.
            threading.Thread(target=work, name="lookup", daemon=True).start()
        except RuntimeError:
            # The process has reached its limit of threads.
            call_next(partial(self._finish, name, OSError(errno.EAGAIN, "no thread")))

    def _run_lookup(self, name: Name, loop: asyncio.AbstractEventLoop) -> None:
        answer: Addresses | OSError
        try:
            answer = self._look_up(name) or OSError("no address")
        except OSError as error:
            answer = error
        try:
            loop.call_soon_threadsafe(self._finish, name, answer)
        except RuntimeError:
            # The loop was closed, so nothing waits for the result any more.
            return

    def _finish(self, name: Name, answer: Addresses | OSError) -> None:
        namespace = self._under_way.pop(name)
        self._unanswered[namespace] -= 1
        if not self._unanswered[namespace]:
            del self._unanswered[namespace]
        if not isinstance(answer, OSError):
            self._keep(name, answer)
        for future in self._waiters.pop(name, {}):
            if not future.done():
                _resolve_future(future, answer)
        self._start()

    def _keep(self, name: Name, addresses: Addresses) -> None:
        self._kept[name] = (asyncio.get_running_loop().time() + _KEPT_SECONDS, addresses)
        self._kept.move_to_end(name)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)

    async def close(self) -> None:
        """Cancel everything that waits for a look-up."""
        for waiters in self._waiters.values():
            for future in waiters:
                future.cancel()


def _resolve_future(future: "asyncio.Future[Addresses]", answer: Addresses | OSError) -> None:
    if isinstance(answer, OSError):
        # A new exception for each future: one that several tasks raise would collect the frames of all of them.
        future.set_exception(type(answer)(*answer.args))
    else:
        future.set_result(answer)
