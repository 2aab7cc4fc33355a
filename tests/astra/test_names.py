"""Name look-ups: limited for each namespace and in all, and shared by all requests for a name."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from astra_mirror.astra.names import (
    MAX_LOOKUPS,
    MAX_LOOKUPS_FOR_NAMESPACE,
    REQUEST_NAMESPACE,
    Addresses,
    Name,
    NameLookups,
    look_up,
)

ADDRESS: Addresses = ((int(socket.AF_INET), "192.0.2.1"),)


class Servers:
    """Name servers that respond for `slow…` when the test allows, and for all other names at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self._may_answer = threading.Event()
        self._began = threading.Semaphore(0)

    def look_up(self, name: Name) -> Addresses:
        """Block, as the operating system's resolver does."""
        self.asked.append(name.host)
        self.threads.add(threading.current_thread().name)
        self._began.release()
        if name.host.startswith("slow"):
            self._may_answer.wait()
        if "unknown" in name.host:
            raise socket.gaierror(socket.EAI_NONAME, name.host)
        return ADDRESS

    async def began(self, number: int) -> None:
        """Wait until that many more look-ups have started."""
        for _ in range(number):
            await asyncio.to_thread(self._began.acquire)

    def answer(self) -> None:
        """Let all look-ups end."""
        self._may_answer.set()


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Name servers whose threads end with the test."""
    servers = Servers()
    yield servers
    servers.answer()


def ask(lookups: NameLookups, host: str, namespace: str = "") -> "asyncio.Task[list[str]]":
    """A request of a namespace that needs a name."""

    async def asked() -> list[str]:
        return [each["host"] for each in await lookups.resolve(host, 443)]

    context = copy_context()
    context.run(REQUEST_NAMESPACE.set, namespace)
    return asyncio.get_running_loop().create_task(asked(), context=context)


async def test_slow_names_of_one_namespace_delay_nobody_else(servers: Servers) -> None:
    """Slow names of one namespace take its four look-ups, and names of others are resolved at once."""
    lookups = NameLookups(servers.look_up)
    slow = [ask(lookups, f"slow{number}", "hostile") for number in range(100)]
    await servers.began(MAX_LOOKUPS_FOR_NAMESPACE)
    assert await asyncio.gather(*(ask(lookups, f"name{each}", "good") for each in range(20))) == [["192.0.2.1"]] * 20
    assert sum(each.startswith("slow") for each in servers.asked) == MAX_LOOKUPS_FOR_NAMESPACE
    assert servers.threads == {"lookup"}
    servers.answer()
    assert await asyncio.gather(*slow) == [["192.0.2.1"]] * 100


async def test_in_all_there_are_so_many_without_an_answer(servers: Servers) -> None:
    """At the limit of all look-ups, the end of one starts the next, of the namespace that waits."""
    lookups = NameLookups(servers.look_up)
    slow = [ask(lookups, f"slow-{space}-{number}", str(space)) for space in range(20) for number in range(4)]
    await servers.began(MAX_LOOKUPS)
    late = ask(lookups, "name", "good")
    await asyncio.sleep(0)
    assert len(servers.asked) == MAX_LOOKUPS
    servers.answer()
    assert await late == ["192.0.2.1"]
    await asyncio.gather(*slow)


async def test_a_name_that_is_being_looked_up_is_shared(servers: Servers) -> None:
    """All namespaces share a look-up, and one that is cancelled does not affect the others."""
    lookups = NameLookups(servers.look_up)
    asking = [ask(lookups, "slow", space) for space in ("a", "a", "b", "c")]
    await servers.began(1)
    asking.append(ask(lookups, "slow", "d"))
    asking[0].cancel()
    servers.answer()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [["192.0.2.1"]] * 4
    assert servers.asked == ["slow"]


async def test_a_name_waits_for_the_turn_of_whoever_comes_first(servers: Servers) -> None:
    """A name that two namespaces need is looked up in the turn of either."""
    lookups = NameLookups(servers.look_up)
    slow = [ask(lookups, f"slow{number}", "hostile") for number in range(MAX_LOOKUPS_FOR_NAMESPACE)]
    waiting = ask(lookups, "astra", "hostile")
    await servers.began(MAX_LOOKUPS_FOR_NAMESPACE)
    assert await ask(lookups, "astra", "good") == ["192.0.2.1"]
    # Who has waited for a turn needs none any more.
    assert await waiting == ["192.0.2.1"]
    assert servers.asked.count("astra") == 1
    servers.answer()
    await asyncio.gather(*slow)


async def test_whoever_gives_up_waits_no_more(servers: Servers) -> None:
    """A name whose requests were cancelled is not looked up; a pending look-up goes on counting."""
    lookups = NameLookups(servers.look_up, max_lookups=1, max_for_namespace=1)
    first, second, third = (ask(lookups, host, "a") for host in ("slow", "given-up", "wanted"))
    await servers.began(1)
    for each in (first, second):
        each.cancel()
    await asyncio.sleep(0)
    assert servers.asked == ["slow"]
    servers.answer()
    assert await third == ["192.0.2.1"]
    assert servers.asked == ["slow", "wanted"]


async def test_an_answer_is_kept_for_a_while_and_an_error_is_not(servers: Servers) -> None:
    """Addresses are cached for ten seconds, and errors are not."""
    lookups = NameLookups(servers.look_up)
    for host in ("name", "unknown"):
        for _ in range(3):
            await asyncio.wait([ask(lookups, host)])
    assert servers.asked == ["name", *["unknown"] * 3]
    failed = await asyncio.gather(ask(lookups, "unknown"), ask(lookups, "unknown"), return_exceptions=True)
    assert all(isinstance(each, socket.gaierror) for each in failed)
    # Each its own: an exception that many raise collects the frames of them all.
    assert failed[0] is not failed[1]


async def test_a_name_without_addresses_is_an_error() -> None:
    """A name without addresses raises OSError."""
    with pytest.raises(OSError, match="no address"):
        await NameLookups(lambda _: ()).resolve("name")


@pytest.mark.parametrize("host", ["x" * 300, "a..b", "\u2603" * 70, "a\0b", "no-such-name.invalid"])
def test_what_is_no_name_has_no_address(host: str) -> None:
    """An invalid name raises OSError, whatever the codec raises."""
    with pytest.raises(OSError, match=r".+"):
        look_up(Name(host, 0))


def test_the_systems_resolver_is_asked() -> None:
    """The operating system's resolver supplies each address with its family."""
    assert (int(socket.AF_INET), "127.0.0.1") in look_up(Name("127.0.0.1", 0))
