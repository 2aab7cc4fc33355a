"""Which requests are planned: as few as the lists allow, each ref once, and nothing for refs that are not due."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import Attempt, Catalog, Collection, ListOf, Single, Want, plan

ACCOUNT, SHOP, BANK = "account", "shop", "bank"
BROKEN = Failed(SyncReason.UNREACHABLE, "the connection was reset")


def wants(app: str, number: int, **fields: bool) -> list[Want]:
    """Some refs of an app."""
    return [Want(f"{app}-{each}-{sorted(fields)}", ACCOUNT, app, **fields) for each in range(number)]


def keys(refs: list[Want]) -> tuple[str, ...]:
    """Their keys."""
    return tuple(each.key for each in refs)


def test_one_ref_costs_its_own_request() -> None:
    """A list would tell no more."""
    [only] = wants(SHOP, 1)
    assert plan([only], Catalog(), 0) == [Single(only.key)]


def test_refs_of_an_app_share_its_list() -> None:
    """Two are enough, as long as nothing is known of the list."""
    refs = wants(SHOP, 2)
    assert plan(refs, Catalog(), 0) == [ListOf(Collection(ACCOUNT, SHOP), keys(refs))]


def test_a_long_list_is_not_asked_for_two_refs() -> None:
    """What it cost last time decides."""
    catalog = Catalog()
    catalog.learn(Collection(ACCOUNT, SHOP), 5000)
    refs = wants(SHOP, 2)
    assert plan(refs, catalog, 0) == [Single(each.key) for each in refs]
    many = wants(SHOP, 60)
    assert plan(many, catalog, 0) == [ListOf(Collection(ACCOUNT, SHOP), keys(many))]


def test_refs_of_many_apps_share_the_accounts_list() -> None:
    """When that is expected to be cheaper than the apps' lists."""
    refs = [each for app in range(10) for each in wants(f"app-{app}", 2)]
    assert plan(refs, Catalog(), 0) == [ListOf(Collection(ACCOUNT, None), keys(refs))]
    catalog = Catalog()
    catalog.learn(Collection(ACCOUNT, None), 100_000)
    assert [type(each) for each in plan(refs, catalog, 0)] == [ListOf] * 10


def test_an_accounts_list_serves_no_ref_whose_app_is_not_known_to_be_right() -> None:
    """Its items do not name their app."""
    sure = wants(SHOP, 5) + wants(BANK, 5)
    unsure = wants(SHOP, 1, in_account=False)
    assert plan(sure + unsure, Catalog(), 0) == [ListOf(Collection(ACCOUNT, None), keys(sure)), Single(unsure[0].key)]


def test_a_list_of_no_use_is_left_alone_for_a_while() -> None:
    """And tried again later."""
    catalog, refs = Catalog(), wants(SHOP, 3)
    catalog.avoid(Collection(ACCOUNT, SHOP), 10)
    assert plan(refs, catalog, 9) == [Single(each.key) for each in refs]
    assert plan(refs, catalog, 10) == [ListOf(Collection(ACCOUNT, SHOP), keys(refs))]


def test_a_list_is_left_alone_when_it_has_failed_twice_in_a_row() -> None:
    """Once may be the connection's fault; and so may twice with an answer between."""
    catalog, refs, shop = Catalog(), wants(SHOP, 3), Collection(ACCOUNT, SHOP)
    catalog.suspect(Attempt(shop, 0, 0.1, BROKEN), 10)
    assert plan(refs, catalog, 1) == [ListOf(shop, keys(refs))]
    catalog.learn(shop, None)
    catalog.suspect(Attempt(shop, 2, 2.1, BROKEN), 10)
    assert plan(refs, catalog, 3) == [ListOf(shop, keys(refs))]
    catalog.suspect(Attempt(shop, 2.2, 2.3, BROKEN), 10)
    assert plan(refs, catalog, 9) == [Single(each.key) for each in refs]
    assert plan(refs, catalog, 10) == [ListOf(shop, keys(refs))]
    catalog.suspect(Attempt(shop, 10, 10.1, BROKEN), 20)
    assert plan(refs, catalog, 11) == [Single(each.key) for each in refs]


def test_lists_that_break_together_count_once() -> None:
    """It was one event."""
    catalog, refs, shop = Catalog(), wants(SHOP, 3), Collection(ACCOUNT, SHOP)
    catalog.suspect(Attempt(shop, 0, 1, BROKEN), 10)
    catalog.suspect(Attempt(shop, 0.5, 1, BROKEN), 10)
    assert plan(refs, catalog, 2) == [ListOf(shop, keys(refs))]


def test_a_list_that_took_long_has_had_its_chance() -> None:
    """To wait for its time-out once more would help nobody."""
    catalog, refs, shop = Catalog(), wants(SHOP, 3), Collection(ACCOUNT, SHOP)
    catalog.suspect(Attempt(shop, 0, 2, BROKEN), 10)
    assert plan(refs, catalog, 3) == [Single(each.key) for each in refs]


def test_refs_that_lists_lack_are_asked_for_one_by_one() -> None:
    """Next to the list for the others."""
    listed, unlisted = wants(SHOP, 3), wants(SHOP, 2, in_lists=False)
    expected = [ListOf(Collection(ACCOUNT, SHOP), keys(listed)), *(Single(each.key) for each in unlisted)]
    assert plan(listed + unlisted, Catalog(), 0) == expected


def test_a_ref_that_is_due_soon_makes_a_list_worth_it() -> None:
    """It is served early, and due together with the other from then on."""
    due, soon = wants(SHOP, 1), wants(SHOP, 1, due=False)
    assert plan(due + soon, Catalog(), 0) == [ListOf(Collection(ACCOUNT, SHOP), keys(due))]


def test_what_reads_a_list_itself_gets_it_whatever_it_costs() -> None:
    """The refs of the app that lists do not lack share it, due or not worth a list."""
    catalog, collection = Catalog(), Collection(ACCOUNT, SHOP)
    catalog.learn(collection, 100_000)
    [reader], [ref], [lacking] = wants(SHOP, 1, reads_list=True), wants(SHOP, 1), wants(SHOP, 1, in_lists=False)
    assert plan([ref, lacking, reader], catalog, 0) == [ListOf(collection, keys([ref, reader])), Single(lacking.key)]


def test_a_list_that_is_avoided_is_requested_for_what_reads_it_alone() -> None:
    """Its failures must not hold up refs whose single GETs succeed; what is not due is not in it."""
    catalog, collection = Catalog(), Collection(ACCOUNT, SHOP)
    catalog.avoid(collection, 900)
    [reader], refs = wants(SHOP, 1, reads_list=True), wants(SHOP, 2)
    late = wants(SHOP, 1, due=False)
    requests = plan([*refs, *late, reader], catalog, 0)
    assert requests == [ListOf(collection, keys([reader])), *(Single(each.key) for each in refs)]
    assert plan([*refs, reader], catalog, 900) == [ListOf(collection, keys([*refs, reader]))]


def test_what_reads_a_list_itself_is_in_no_accounts_list() -> None:
    """Nor is a ref of the same app then; before it is due it changes nothing but the number of those that profit."""
    others = [each for app in range(10) for each in wants(f"app-{app}", 2)]
    [reader], [ref] = wants(SHOP, 1, in_account=False, reads_list=True), wants(SHOP, 1)
    assert plan([ref, *others, reader], Catalog(), 0) == [
        ListOf(Collection(ACCOUNT, SHOP), keys([ref, reader])),
        ListOf(Collection(ACCOUNT, None), keys(others)),
    ]
    later = reader._replace(due=False)
    assert plan([ref, *others, later], Catalog(), 0) == [ListOf(Collection(ACCOUNT, None), keys([ref, *others]))]


def test_nothing_is_asked_for_refs_that_are_not_due() -> None:
    """However many there are."""
    assert plan(wants(SHOP, 5, due=False) + wants(BANK, 5, due=False), Catalog(), 0) == []


_WANTS = st.lists(
    st.builds(
        Want,
        key=st.uuids().map(str),
        account=st.sampled_from(["a", "b"]),
        app=st.sampled_from(["x", "y", "z"]),
        due=st.booleans(),
        in_lists=st.booleans(),
        in_account=st.booleans(),
        reads_list=st.just(False),
    )
    | st.builds(
        Want,
        key=st.uuids().map(str),
        account=st.sampled_from(["a", "b"]),
        app=st.sampled_from(["x", "y", "z"]),
        due=st.booleans(),
        in_lists=st.just(True),
        in_account=st.just(False),
        reads_list=st.just(True),
    ),
    unique_by=lambda want: want.key,
    max_size=40,
)
_SIZES = st.dictionaries(
    st.builds(Collection, st.sampled_from(["a", "b"]), st.sampled_from([None, "x", "y", "z"])), st.integers(0, 10_000)
)


@given(_WANTS, _SIZES)
def test_every_due_ref_is_asked_for_once_and_at_no_more_than_its_own_price(
    refs: list[Want], sizes: dict[Collection, int]
) -> None:
    """Whatever is known: one request for each due ref at most, no other, and lists only for whom they may serve."""
    catalog = Catalog()
    for collection, size in sizes.items():
        catalog.learn(collection, size)
    requests = plan(refs, catalog, 0)
    by_key = {each.key: each for each in refs}
    asked = [key for each in requests for key in (each.keys if isinstance(each, ListOf) else (each.key,))]
    assert sorted(asked) == sorted(each.key for each in refs if each.due)
    assert len(requests) <= len(asked)
    assert not {each.key for each in refs if each.reads_list} & {
        each.key for each in requests if isinstance(each, Single)
    }
    for request in requests:
        if isinstance(request, ListOf):
            served = [by_key[key] for key in request.keys]
            assert served
            assert all(each.in_lists and each.account == request.collection.account for each in served)
            if request.collection.app is None:
                assert all(each.in_account for each in served)
            else:
                assert {each.app for each in served} == {request.collection.app}
