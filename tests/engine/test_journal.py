"""The lines of the log about connections, breakers, lists and Secrets: each change once, with whom it concerns."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from astra_mirror.core.connection import Connection
from astra_mirror.core.journal.line import Line
from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.outcome import Failed, Listed, SyncReason
from tests.engine.monitor_world import MonitorWorld
from tests.engine.service import AWAY, ERROR, FORBIDDEN, GOOD, UNAUTHORIZED, Asked, VirtualWorld, refused, virtual_world
from tests.engine.storm import Storm
from tests.engine.world import ID, NEW, OLD, URL
from tests.virtual_time import clock, run

MISSING = Failed(SyncReason.SECRET_NOT_FOUND, "There is no such Secret.")
INVALID = Failed(SyncReason.SECRET_INVALID, "Its key 'url' is wrong.")


def _taken(world: VirtualWorld) -> list[Line]:
    lines, world.lines[:] = world.lines[:], []
    return lines


def _texts(world: VirtualWorld) -> list[str]:
    return [each.text for each in _taken(world)]


async def test_first_answer_failure_and_recovery() -> None:
    """One line each, with how many refs and in which namespaces, and nothing while nothing changes."""
    async with virtual_world() as world:
        world.refs(3)
        world.refs(2, namespace="pay", first=2000)
        world.ref(3000, suspend=True)
        await asyncio.sleep(300)
        assert _texts(world) == ["Astra Control at https://a.netapp.io answers, for 5 refs in 2 namespaces"]
        world.service.rule = lambda _: AWAY
        await asyncio.sleep(600)
        [line] = _taken(world)
        assert (
            line.text
            == "Astra Control at https://a.netapp.io fails, for 5 refs in 2 namespaces. Unreachable: no answer"
        )
        assert line.fields == {
            "host": "a.netapp.io",
            "connection": 1,
            "refs": 5,
            "monitors": 0,
            "namespaces": ["ns", "pay"],
            "reason": "Unreachable",
        }
        world.service.rule = lambda _: None
        await asyncio.sleep(1800)
        [line] = _taken(world)
        assert line.text.startswith("Astra Control at https://a.netapp.io answers again after ")
        assert (line.level, line.fields["refs"]) == ("info", 5)


async def test_one_pair_a_minute_at_most() -> None:
    """However often it changes; the last state is said at the end of the minute, though nothing happens then."""
    async with virtual_world() as world:
        world.ref(1000, interval="1s")
        await asyncio.sleep(60)
        _taken(world)
        times: list[tuple[float, str]] = []
        world.service.rule = lambda _: ERROR if len(world.service.log) % 2 else None
        for _ in range(6000):
            await asyncio.sleep(0.1)
            times += [(clock(), "fails" if "fails" in each.text else "recovers") for each in _taken(world)]
        fails = [at for at, what in times if what == "fails"]
        assert 8 <= len(fails) <= 11
        assert all(later - earlier >= 59 for earlier, later in pairwise(fails))
        assert [what for _, what in times] == ["fails", "recovers"] * (len(times) // 2) + ["fails"] * (len(times) % 2)


async def test_a_request_that_was_sent_later_decides() -> None:
    """One that hangs and fails while others succeed is no failure of the connection."""
    async with virtual_world() as world:
        world.refs(5)
        await asyncio.sleep(100)
        _taken(world)
        slow = ID.format(1000)
        answer = world.service._answer

        async def hanging(asked: Asked) -> Failed | None:
            if asked.backup == slow:
                await asyncio.sleep(10)
                return AWAY
            return await answer(asked)

        world.service._answer = hanging  # type: ignore[method-assign]
        await asyncio.sleep(600)
        assert _texts(world) == []


async def test_one_backup_that_always_fails() -> None:
    """It is one pair of lines, and not one every quarter of an hour."""
    async with virtual_world() as world:
        world.refs(10, app=7)
        await asyncio.sleep(100)
        _taken(world)
        bad = ID.format(1003)
        world.service.rule = lambda asked: ERROR if asked.backup in {bad, None} else None
        await asyncio.sleep(2 * 3600)
        lines = [each for each in _taken(world) if "list" not in each.fields]
        assert [("fails" in each.text, "again" in each.text) for each in lines] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    "failure",
    [
        FORBIDDEN,
        Failed(SyncReason.UNEXPECTED_RESPONSE, "no JSON", code=200),
        Failed(SyncReason.UNEXPECTED_RESPONSE, "a page", code=404),
    ],
)
async def test_what_is_no_failure_of_the_connection(failure: Failed) -> None:
    """A 403 of one app, a bad body, a 404: of an app whose breaker opens there is a line of its own."""
    async with virtual_world() as world:
        world.refs(4)
        await asyncio.sleep(100)
        _taken(world)
        # A list would show it as it was.
        world.service.rule = lambda asked: failure if asked.backup in {ID.format(1001), None} else None
        await asyncio.sleep(3600)
        lines = [each for each in _taken(world) if "list" not in each.fields]
        if failure is FORBIDDEN:
            [line] = lines
            assert line.text.startswith(
                f"The circuit breaker of the app {ID.format(1001)} at https://a.netapp.io opens, for 1 ref"
            )
            assert (line.fields["app"], line.fields["account"], line.fields["refs"]) == (
                ID.format(1001),
                ID.format(GOOD),
                1,
            )
            world.service.rule = lambda _: None
            await asyncio.sleep(120)
            [line] = [each for each in _taken(world) if "list" not in each.fields]
            assert "closes after" in line.text
        else:
            assert lines == []


async def test_a_token_that_is_refused_and_accepted_again() -> None:
    """The connection fails and its breaker opens: that is one line, and so is its recovery."""
    async with virtual_world() as world:
        world.refs(20)
        await asyncio.sleep(100)
        _taken(world)
        world.service.rule = lambda _: UNAUTHORIZED
        await asyncio.sleep(3600)
        [line] = _taken(world)
        assert line.text == (
            "Astra Control at https://a.netapp.io fails and its circuit breaker opens, for 20 refs in the namespace "
            "ns. Unauthorized: Astra Control refused the token (401). One request a minute is sent until one succeeds"
        )
        assert (line.fields["reason"], line.fields["refs"]) == ("Unauthorized", 20)
        world.service.rule = lambda _: None
        await asyncio.sleep(3600)
        [line] = _taken(world)
        assert line.text.startswith("Astra Control at https://a.netapp.io answers again after ")
        assert " and its circuit breaker closes, for 20 refs" in line.text


async def test_a_wrong_account_is_a_breaker_of_its_own() -> None:
    """While another account is good, the connection does not fail; also if the wrong one is asked for first."""
    async with virtual_world() as world:
        world.service.rule = refused(2)
        world.refs(2, account=2)
        world.refs(3, first=2000)
        await asyncio.sleep(3600)
        lines = _taken(world)
        assert Counter(each.text.split(",")[0] for each in lines) == {
            "Astra Control at https://a.netapp.io answers": 1,
            f"The circuit breaker of the account {ID.format(2)} at https://a.netapp.io opens": 1,
        }
        opened = next(each for each in lines if "breaker" in each.text)
        assert (opened.fields["account"], opened.fields["refs"], opened.fields["reason"]) == (
            ID.format(2),
            2,
            "Unauthorized",
        )
        world.service.rule = lambda _: None
        await asyncio.sleep(120)
        [text] = _texts(world)
        assert text.startswith(f"The circuit breaker of the account {ID.format(2)} at https://a.netapp.io closes after")


async def test_all_accounts_are_refused() -> None:
    """Up to four others are tried: one line when it is decided, not one for each of them."""
    async with virtual_world() as world:
        for account in range(1, 9):
            world.refs(2, account=account, first=1000 * account)
        world.service.rule = lambda _: UNAUTHORIZED
        await asyncio.sleep(1800)
        [text] = _texts(world)
        assert "fails and its circuit breaker opens, for 16 refs" in text


async def test_a_connection_that_nobody_uses_any_more() -> None:
    """It goes without a line, whatever it was; a new one has a line, and a number that tells it apart."""
    async with virtual_world() as world:
        world.refs(2)
        world.service.rule = lambda _: UNAUTHORIZED
        await asyncio.sleep(100)
        assert len(_texts(world)) == 1
        world.service.rule = lambda _: None
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        await asyncio.sleep(1000)
        assert _texts(world) == [
            "Astra Control at https://a.netapp.io (connection 2) answers, for 2 refs in the namespace ns"
        ]
        world.engine.drop_unused()
        world.service.rule = lambda _: AWAY
        await asyncio.sleep(100)
        [line] = _taken(world)
        assert line.fields["connection"] == 2


async def test_an_answer_that_comes_when_nobody_uses_the_connection_any_more() -> None:
    """Nothing is said of it: neither of its failure, nor at the end of the minute."""
    async with virtual_world() as world:
        world.refs(2, interval="1s")
        await asyncio.sleep(10)
        _taken(world)
        world.service.rule = lambda _: ERROR
        await asyncio.sleep(20)
        world.service.rule = lambda _: None
        await asyncio.sleep(20)
        assert len(_texts(world)) == 2
        world.service.rule, world.service.latency = lambda _: AWAY, 3.0
        await asyncio.sleep(2)
        for number in (1000, 1001):
            name = f"ref-{number}"
            world.entrance.deleted(name, "ns")
            del world.cluster.objects[name]
        await asyncio.sleep(300)
        assert _texts(world) == []


async def test_two_connections_to_one_host() -> None:
    """Each has its number, in the order in which they were seen."""
    async with virtual_world() as world:
        world.secrets.of["pay"] = NEW
        world.refs(1)
        await asyncio.sleep(10)
        world.refs(1, namespace="pay", first=2000)
        await asyncio.sleep(10)
        world.service.rule = lambda _: AWAY
        await asyncio.sleep(60)
        seen = [(each.fields["connection"], each.fields["namespaces"]) for each in world.lines]
        assert seen[:2] == [(1, ["ns"]), (2, ["pay"])]
        assert sorted(seen[2:]) == [(1, ["ns"]), (2, ["pay"])]
        # While there is one, it needs no number.
        assert "(connection" not in world.lines[0].text
        for line in world.lines[1:]:
            assert f"(connection {line.fields['connection']})" in line.text


async def test_a_secret_is_one_line_for_all_its_refs() -> None:
    """When it becomes unusable, and when it is usable again; not while it stays so."""
    async with virtual_world() as world:
        world.refs(20)
        await asyncio.sleep(60)
        _taken(world)
        for result in (INVALID, INVALID, OLD, OLD):
            world.secrets.now = result
            world.engine.secret_changed("ns", "astra-control")
            await asyncio.sleep(1800)
        lines = _taken(world)
        secret = "The Secret astra-control in the namespace ns is"
        assert [each.text for each in lines] == [
            f"{secret} unusable, for 20 refs. SecretInvalid: Its key 'url' is wrong.",
            f"{secret} usable again, for 20 refs",
        ]
        assert lines[0].fields["secret"] == "astra-control"


async def test_a_secret_that_is_missing_from_the_start() -> None:
    """One line for each of the Secrets, and one when it is there."""
    async with virtual_world() as world:
        world.secrets.of = {"ns": MISSING, "pay": MISSING}
        world.refs(3)
        world.refs(2, namespace="pay", first=2000)
        await asyncio.sleep(1800)
        lines = _taken(world)
        assert sorted((each.fields["namespaces"], each.fields["refs"]) for each in lines) == [(["ns"], 3), (["pay"], 2)]
        assert {each.fields["reason"] for each in lines} == {"SecretNotFound"}
        world.secrets.of = {}
        world.engine.secret_changed("pay", "astra-control")
        await asyncio.sleep(60)
        assert [each.text.split(",")[0] for each in _taken(world)] == [
            "The Secret astra-control in the namespace pay is usable again",
            "Astra Control at https://a.netapp.io answers",
        ]


async def test_a_list_that_is_given_up() -> None:
    """One line, though it is tried every quarter of an hour, and one when it works."""
    async with virtual_world() as world:
        world.refs(5, app=7)
        await asyncio.sleep(60)
        _taken(world)
        refusal = Failed(SyncReason.FORBIDDEN, "no lists", code=403)
        world.service.rule = lambda asked: refusal if asked.backup is None else None
        await asyncio.sleep(3600)
        [line] = _taken(world)
        assert line.text.startswith(
            f"The list of the backups of the app {ID.format(7)} at https://a.netapp.io is given up"
        )
        assert line.fields["list"] == "app_backups"
        assert (line.fields["app"], line.fields["refs"], line.fields["reason"]) == (ID.format(7), 5, "Forbidden")
        world.service.rule = lambda _: None
        await asyncio.sleep(3600)
        [line] = _taken(world)
        assert "is taken up again, for 5 refs" in line.text


async def test_a_list_that_is_never_complete() -> None:
    """It succeeds each time, and is of no use each time: that is one line."""
    async with virtual_world() as world:
        list_backups = world.service.list_backups

        async def incomplete(*arguments: Any, **named: Any) -> Listed | Failed:
            listed = await list_backups(*arguments, **named)
            return Listed(listed.digest, {}, 7, complete=False) if isinstance(listed, Listed) else listed

        world.service.list_backups = incomplete  # type: ignore[method-assign]
        world.refs(5, app=7)
        await asyncio.sleep(3600)
        texts = [each for each in _texts(world) if "list" in each]
        assert len(texts) == 1
        assert "is given up" in texts[0]


async def test_another_leader_meanwhile() -> None:
    """Who leads again says nothing of what has not changed."""
    world = VirtualWorld()
    for _ in range(2):
        async with world.running():
            world.refs(2)
            await asyncio.sleep(60)
    assert len(_texts(world)) == 1


async def test_what_is_in_use_is_known_and_nothing_else() -> None:
    """Nothing is kept of connections, Secrets, accounts and lists that are gone."""
    async with virtual_world() as world:
        world.service.rule = lambda asked: FORBIDDEN if asked.backup else ERROR
        world.secrets.of["ns-1"] = MISSING
        for number in range(5):
            world.refs(3, namespace=f"ns-{number}", first=1000 * (number + 1), app=number + 10)
        await asyncio.sleep(300)
        for name in list(world.cluster.objects):
            world.entrance.deleted(name, world.cluster.objects.pop(name)["metadata"]["namespace"])
        await asyncio.sleep(1)
        world.engine.drop_unused()
        journal = world.engine.performer.parts.journal
        assert (journal._known, journal._numbers, journal._secrets._unusable) == ({}, {}, {})


def _monitor_texts(world: MonitorWorld) -> list[str]:
    lines, world.lines[:] = world.lines[:], []
    return [each.text for each in lines]


def _monitors(world: MonitorWorld) -> dict[str, list[ListedBackup]]:
    for app in (100, 101):
        world.monitor(f"shop-{app}", app=app, interval="10s")
    return {ID.format(app): [world.taken(app)] for app in (100, 101)}


async def test_where_there_are_only_monitors() -> None:
    """Their lists are all that is known of the connection: a refused token and a server that is away are failures."""
    world = MonitorWorld()
    async with world.running():
        lists = _monitors(world)
        async with world.serving(lists):
            await asyncio.sleep(60)
        assert _monitor_texts(world) == [
            "Astra Control at https://a.netapp.io answers, for 2 monitors in the namespace ns"
        ]
        for failure, words in ((AWAY, "fails, for"), (UNAUTHORIZED, "fails and its circuit breaker opens, for")):
            async with _failing(world, failure):
                await asyncio.sleep(600)
            async with world.serving(lists):
                await asyncio.sleep(1200)
            failed, recovered = _monitor_texts(world)
            assert f"{words} 2 monitors in the namespace ns. {failure.reason}" in failed
            assert " answers again after " in recovered


@asynccontextmanager
async def _failing(world: MonitorWorld, failure: Failed) -> AsyncIterator[None]:
    """Answer each request with this failure, for the time of a `with` block."""

    async def fail() -> None:
        while True:
            _, _, request = await world.astra.asked.get()
            if not request.done():
                request.set_result(failure)

    task = asyncio.get_running_loop().create_task(fail())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_lists_of_monitors_beside_refs() -> None:
    """Where refs are answered, lists that are refused are no failure of the connection: their breakers are said."""
    world = MonitorWorld()
    async with world.running():
        world.refs.seen(world.cluster.put("ref", 11, interval="10s"))
        lists = _monitors(world)
        async with world.serving(lists):
            await asyncio.sleep(60)
        _monitor_texts(world)
        # A single GET is answered, and a list is refused.
        async with world.serving({}, refusal=UNAUTHORIZED):
            await asyncio.sleep(600)
        [opened] = _monitor_texts(world)
        assert opened.startswith("The circuit breaker of the lists of all apps at https://a.netapp.io opens, for ")
        assert "Unauthorized" in opened
        async with world.serving(lists):
            await asyncio.sleep(1200)
        [closed] = _monitor_texts(world)
        assert closed.startswith("The circuit breaker of the lists of all apps at https://a.netapp.io closes after ")


def test_in_any_weather() -> None:
    """No connection has two failures within a minute, and nothing is said twice in a row."""

    async def story(seed: int) -> None:
        storm = Storm(seed)
        await storm.run()
        by_connection: dict[object, list[tuple[float, Line]]] = {}
        for at, line in storm.lines:
            if line.text.startswith("Astra Control at"):
                by_connection.setdefault(line.fields["connection"], []).append((at, line))
        for lines in by_connection.values():
            fails = [(at, " fails" in line.text, "opens" in line.text) for at, line in lines]
            for (before, first, _), (after, second, opens) in pairwise(fails):
                assert not (first and second and not opens), "nothing is repeated"
                assert not (second and not opens and first and after - before < 60)

    # With every fourth seed there are two operators, each with a log of its own.
    for seed in (0, 1, 2, 4):
        run(story(seed))


def test_a_connection_is_what_the_repr_hides() -> None:
    """No line has a token, whatever fails."""

    async def story() -> None:
        async with virtual_world() as world:
            world.secrets.now = Connection(URL, "a-token-that-nobody-may-see")
            world.refs(3)
            for failure in (None, AWAY, UNAUTHORIZED, None):
                world.service.rule = lambda _, failure=failure: failure  # type: ignore[misc]
                await asyncio.sleep(300)
            assert len(world.lines) >= 3
            assert "a-token" not in repr(world.lines)

    run(story())
