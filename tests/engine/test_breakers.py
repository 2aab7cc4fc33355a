"""Hours of the engine in virtual time: what refused tokens and wrong accounts cost, and whom."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import HELD_BACK
from tests.core.cases import ROWS
from tests.engine.service import FORBIDDEN, GOOD, UNAUTHORIZED, VirtualWorld, play, refused
from tests.engine.world import ID, NEW

BAD = 66


@pytest.mark.parametrize("number", [1, 10, 30])
@pytest.mark.parametrize("same_account", [True, False])
def test_a_wrong_account_stops_nobody_else(number: int, *, same_account: bool) -> None:
    """However many refs name it, and whether they name one or many: the good ones are Synced, always."""

    async def story(world: VirtualWorld) -> None:
        world.refs(20)
        await asyncio.sleep(60)
        bad = [BAD if same_account else BAD + each for each in range(number)]
        world.service.rule = refused(*bad)
        for each, account in enumerate(bad):
            world.ref(2000 + each, account=account)
        for _ in range(600):
            await asyncio.sleep(1)
            assert {world.synced(1000 + each)[0] for each in range(20)} == {"True"}
        assert {world.synced(2000 + each)[1] for each in range(number)} == {"Unauthorized"}
        asked = [each for each in world.service.log if each.account != ID.format(GOOD)]
        # Each once at first, before the first answer comes, and then one probe a minute: they are of one namespace.
        assert len(asked) <= number + 11

    play(story)


def test_who_was_refused_shows_the_servers_words_and_who_is_held_back_does_not() -> None:
    """And the text for the others says that nothing was asked for them."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = refused(GOOD)
        world.refs(5)
        await asyncio.sleep(5)
        words = [world.synced(1000 + each) for each in range(5)]
        assert words.count(("False", "Unauthorized", UNAUTHORIZED.message)) == 1
        assert words.count(("False", "Unauthorized", HELD_BACK.message)) == 4
        await asyncio.sleep(600)
        # Each probe is for the ref that has waited longest, and who was refused once goes on showing why.
        messages = [world.synced(1000 + each)[2] for each in range(5)]
        assert messages == [UNAUTHORIZED.message] * 5

    play(story)
    assert "refused for other requests with this Secret; none was made for this object" in HELD_BACK.message


def test_the_words_about_an_older_secret_are_not_kept() -> None:
    """Who is held back with the new one is told so."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = refused(GOOD)
        world.refs(5)
        await asyncio.sleep(600)
        newer = replace(UNAUTHORIZED, message="Refused as well.")
        world.service.rule = lambda _: newer
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        await asyncio.sleep(5)
        messages = [world.synced(1000 + each)[2] for each in range(5)]
        assert sorted(messages) == sorted([newer.message] + [HELD_BACK.message] * 4)

    play(story)


@pytest.mark.parametrize("failure", [UNAUTHORIZED, FORBIDDEN, Failed(SyncReason.TLS_VERIFICATION_FAILED, "expired")])
def test_one_probe_a_minute_for_two_hours_and_recovery_within_one(failure: Failed) -> None:
    """One ref alone: no backoff grows beside the probes."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = lambda _: failure
        world.ref(1000)
        await asyncio.sleep(7200)
        assert [round(each.at) for each in world.service.log] == pytest.approx(list(range(0, 7200, 60)), abs=2)
        world.service.rule = lambda _: None
        await asyncio.sleep(61)
        assert world.synced(1000)[0] == "True"

    play(story)


def test_a_revoked_token_opens_the_connection_by_the_canary() -> None:
    """Two accounts were good: one is refused, the canary of the other is too, and then there is one probe a minute."""

    async def story(world: VirtualWorld) -> None:
        world.refs(10, account=1, interval="1h")
        world.refs(10, account=2, first=2000, interval="1h")
        await asyncio.sleep(60)
        world.service.log.clear()
        world.service.rule = lambda _: UNAUTHORIZED
        world.request(1000, "now")
        await asyncio.sleep(1)
        assert [each.account for each in world.service.log] == [ID.format(1), ID.format(2)]
        assert world.engine.open_breakers() == 1
        for number in range(2000, 2010):
            world.request(number, "now")
        await asyncio.sleep(600)
        assert len(world.service.log) <= 2 + 10
        assert {each.account for each in world.service.log[-2:]} == {ID.format(1), ID.format(2)}
        world.service.rule = lambda _: None
        await asyncio.sleep(180)
        assert world.reasons() == {"Observed": 20}

    play(story)


def test_a_changed_secret_closes_the_breakers_at_once() -> None:
    """All of them."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = lambda _: UNAUTHORIZED
        world.refs(10)
        await asyncio.sleep(100)
        world.service.rule = lambda _: None
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        await asyncio.sleep(1)
        assert world.reasons() == {"Observed": 10}
        assert world.engine.open_breakers() == 0

    play(story)


def test_after_a_start_the_good_account_is_found_among_many_wrong_ones() -> None:
    """Whose refs were observed goes first; without any, up to four other accounts follow the first 401 at once."""

    async def story(world: VirtualWorld) -> None:
        bad = range(BAD, BAD + 4)
        world.service.rule = refused(*bad)
        for each in bad:
            world.refs(10, account=each, first=each * 100, namespace="hostile")
        world.refs(10)
        await asyncio.sleep(2)
        assert {world.synced(1000 + each)[0] for each in range(10)} == {"True"}

    play(story)


def test_an_observed_ref_goes_first_after_a_start() -> None:
    """Hundreds of wrong accounts beside it cost it nothing."""

    async def story(world: VirtualWorld) -> None:
        bad = range(100, 400)
        world.service.rule = refused(*bad)
        for each in bad:
            world.ref(each * 10 + 1, account=each, namespace="hostile")
        world.entrance.seen(world.cluster.put("ref-1000", 1000, app=1000, **ROWS["running"]))
        await asyncio.sleep(2)
        assert world.service.log[0].account == ID.format(GOOD)
        assert world.synced(1000)[0] == "True"

    play(story)


def test_refused_accounts_are_probed_ten_a_minute_and_one_for_a_namespace() -> None:
    """Thirty namespaces with a wrong account each, and one with thirty of them."""

    async def story(world: VirtualWorld) -> None:
        world.ref(1000, interval="24h")
        await asyncio.sleep(5)
        spread, dense = range(100, 130), range(200, 230)
        world.service.rule = refused(*spread, *dense)
        for each in spread:
            world.ref(each * 10 + 1, account=each, namespace=f"ns-{each}")
        for each in dense:
            world.ref(each * 10 + 1, account=each, namespace="dense")
        await asyncio.sleep(20)
        began = world.clock()
        world.service.log.clear()
        await asyncio.sleep(3 * 3600)
        probes = world.service.singles(began)
        for minute in range(3 * 60):
            window = [each for each in probes if 60 * minute <= each.at - began < 60 * (minute + 1)]
            assert len(window) <= 10
            assert sum(each.account in set(map(ID.format, dense)) for each in window) <= 1
        numbers = {each: len([one for one in probes if one.account == ID.format(each)]) for each in spread}
        assert max(numbers.values()) - min(numbers.values()) <= 2, numbers
        assert min(numbers.values()) >= 3 * 15
        assert {each.account for each in probes} >= set(map(ID.format, dense))

    play(story)


def test_nothing_is_asked_of_who_was_deleted_or_suspended_behind_a_breaker() -> None:
    """Its place among those that wait is nobody's any more."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = refused(GOOD)
        world.refs(5)
        await asyncio.sleep(5)
        for number in range(1000, 1003):
            world.entrance.deleted(f"ref-{number}", "ns")
        world.ref(1003, suspend=True)
        world.service.log.clear()
        await asyncio.sleep(600)
        asked: set[Any] = {each.backup for each in world.service.log}
        assert asked == {ID.format(1004)}

    play(story)


def test_each_probe_of_an_account_is_for_another_of_its_refs() -> None:
    """One backup alone may be what is refused."""

    async def story(world: VirtualWorld) -> None:
        world.refs(1, account=2, first=2000, interval="24h")
        for number in range(1000, 1003):
            world.ref(number, interval=f"{5 + number % 3}s")
        await asyncio.sleep(30)
        world.service.rule = lambda asked: UNAUTHORIZED if asked.account == ID.format(GOOD) else None
        await asyncio.sleep(20)
        world.service.log.clear()
        world.service.rule = lambda asked: UNAUTHORIZED if asked.backup == ID.format(1000) else None
        await asyncio.sleep(190)
        assert {world.synced(number)[0] for number in (1001, 1002)} == {"True"}

    play(story)
