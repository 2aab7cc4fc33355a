"""Looks names up in threads of their own: names of one tenant that nobody answers for delay nobody else.

A look-up cannot be ended, only waited for, so that what counts is how many are unanswered: few for one namespace, not
too many in all, by turns. Who asks for a name that is being looked up shares the answer.
"""

import asyncio
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

ASKING_NAMESPACE: Final[ContextVar[str]] = ContextVar("namespace", default="")
"""For which namespace a request is made; the resolver is called by aiohttp, which knows of none."""
IN_ALL: Final = 64
FOR_NAMESPACE: Final = 4
_KEPT_SECONDS: Final = 10.0
_MAX_KEPT: Final = 1024
_MAX_ADDRESSES: Final = 32
"""A name may have thousands; nobody could try them all in the time of a request."""

Addresses = tuple[tuple[int, str], ...]
"""Each as its family and the literal, in the order in which they should be tried."""


class Name(NamedTuple):
    """What is looked up."""

    host: str
    family: int


def look_up(name: Name) -> Addresses:
    """The addresses of a name, from the system's resolver; blocks until there is an answer.

    Raises:
        OSError: it has none.
    """
    try:
        found = socket.getaddrinfo(
            name.host, None, type=socket.SOCK_STREAM, family=name.family, flags=socket.AI_ADDRCONFIG
        )
    except ValueError:
        # The codec for host names refuses it.
        raise socket.gaierror(socket.EAI_NONAME, "no name that can be looked up") from None
    # A link-local IPv6 address comes with its zone, which stands for the interface.
    literals = (
        (family, f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0]))
        for family, _, _, _, address in found
    )
    return tuple(islice(literals, _MAX_ADDRESSES))


class NameLookups(AbstractResolver):
    """A resolver that shares out its threads by namespace, `ASKING_NAMESPACE`.

    Args:
        look_up: finds the addresses of a name, in a thread.
        in_all: how many names may be without an answer at a time.
        for_namespace: how many of them one namespace may have asked for first.
    """

    def __init__(
        self,
        look_up: Callable[[Name], Addresses] = look_up,
        *,
        in_all: int = IN_ALL,
        for_namespace: int = FOR_NAMESPACE,
    ) -> None:
        self._look_up = look_up
        self._in_all = in_all
        self._for_namespace = for_namespace
        self._asked: dict[Name, dict[asyncio.Future[Addresses], str]] = {}
        """Who waits for each name, and for which namespace."""
        self._waiting: FairQueue[tuple[str, Name], Name] = FairQueue()
        self._under_way: dict[Name, str] = {}
        self._unanswered: Counter[str] = Counter()
        self._kept: OrderedDict[Name, tuple[float, Addresses]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        Raises:
            OSError: it has none.
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
        namespace = ASKING_NAMESPACE.get()
        future: asyncio.Future[Addresses] = loop.create_future()
        asked = self._asked.setdefault(name, {})
        asked[future] = namespace
        if name not in self._under_way:
            self._waiting.put((namespace,), (namespace, name), name)
            self._start()
        try:
            return await future
        finally:
            asked.pop(future, None)
            if namespace not in asked.values():
                self._waiting.drop((namespace, name))
            if not asked and self._asked.get(name) is asked:
                del self._asked[name]

    def _start(self) -> None:
        while len(self._under_way) < self._in_all:
            taken = self._waiting.take(
                Others({key for key, number in self._unanswered.items() if number >= self._for_namespace})
            )
            if taken is None:
                return
            name, namespace = taken.value, str(taken.path[0])
            # Whoever else waits for a turn to ask for it need not ask any more.
            for other in set(self._asked[name].values()):
                self._waiting.drop((other, name))
            self._under_way[name] = namespace
            self._unanswered[namespace] += 1
            self._in_thread(name)

    def _in_thread(self, name: Name) -> None:
        loop = asyncio.get_running_loop()
        work = partial(self._look_up_in_thread, name, loop)
        try:
            # A daemon: one that is never answered must not keep the process from ending.
            threading.Thread(target=work, name="lookup", daemon=True).start()
        except RuntimeError:
            # No thread is to be had: the process is at a limit that is not ours.
            loop.call_soon(self._answered, name, OSError("no thread"))

    def _look_up_in_thread(self, name: Name, loop: asyncio.AbstractEventLoop) -> None:
        answer: Addresses | OSError
        try:
            answer = self._look_up(name) or OSError("no address")
        except OSError as error:
            answer = error
        try:
            loop.call_soon_threadsafe(self._answered, name, answer)
        except RuntimeError:
            # The loop has been closed meanwhile, and nobody waits any more.
            return

    def _answered(self, name: Name, answer: Addresses | OSError) -> None:
        namespace = self._under_way.pop(name)
        self._unanswered[namespace] -= 1
        if not self._unanswered[namespace]:
            del self._unanswered[namespace]
        if not isinstance(answer, OSError):
            self._keep(name, answer)
        for future in self._asked.pop(name, {}):
            if not future.done():
                _settle(future, answer)
        self._start()

    def _keep(self, name: Name, addresses: Addresses) -> None:
        self._kept[name] = (asyncio.get_running_loop().time() + _KEPT_SECONDS, addresses)
        self._kept.move_to_end(name)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)

    async def close(self) -> None:
        """Let nobody wait any more."""
        for asked in self._asked.values():
            for future in asked:
                future.cancel()


def _settle(future: "asyncio.Future[Addresses]", answer: Addresses | OSError) -> None:
    if isinstance(answer, OSError):
        # One each: an exception that several tasks raise collects the frames of them all.
        future.set_exception(type(answer)(*answer.args))
    else:
        future.set_result(answer)
