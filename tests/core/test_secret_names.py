"""Which Secret names have a place: bounded for each namespace and in all, by turns, and no place lost without need."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from astra_mirror.core.secret_names import MAX_NAMES, Pair, Quota, Watched, assign, refusal
from astra_mirror.core.secret_retries import MAX_ROUND_SECONDS, Retries

_NAMES = st.lists(st.integers(0, 60), max_size=40, unique=True).map(lambda n: [Watched(None, f"s{each}") for each in n])
_USED = st.dictionaries(st.sampled_from([f"ns-{number}" for number in range(8)]), _NAMES, max_size=8)
_SOME = st.sets(st.integers(0, 60).map(lambda number: Watched(None, f"s{number}")), max_size=30)


@given(_USED, _SOME, _SOME, st.integers(0, 60))
def test_the_bounds_hold(
    used: dict[str, list[Watched]], forbidden: set[Watched], held: set[Watched], room: int
) -> None:
    """Nobody has more than the quota, nothing forbidden has a place, and each name has a place or a reason."""
    places = assign(used, forbidden=forbidden, held=held, refused=(), room=room)
    assert len(places.owners) <= room
    assert not places.owners.keys() & forbidden
    for namespace, names in used.items():
        served = [each for each in names if each in places.owners and Pair(namespace, each.name) not in places.refused]
        assert len(served) <= MAX_NAMES
        for each in names:
            has_reason = each in forbidden or Pair(namespace, each.name) in places.refused
            assert has_reason != (each in served)
    for pair, quota in places.refused.items():
        if quota is Quota.WATCHES:
            assert len(places.owners) == room
        else:
            assert len(used[pair.namespace]) > MAX_NAMES


@given(_USED, st.integers(0, 60))
def test_who_has_a_place_keeps_it(used: dict[str, list[Watched]], room: int) -> None:
    """Whoever comes first now, with what is held known the same names give the same places."""
    before = assign(used, forbidden=(), held=(), refused=(), room=room)
    backwards = dict(reversed(used.items()))
    after = assign(backwards, forbidden=(), held=before.owners.keys(), refused=before.refused.keys(), room=room)
    assert len(after.owners) == len(before.owners)
    assert after.owners.keys() == before.owners.keys()
    assert after.refused == before.refused


def test_by_turns() -> None:
    """With room for three, two namespaces with many names and one with a single name have one each."""
    used = {ns: [Watched(None, f"{ns}-{number}") for number in range(9)] for ns in ("one", "two")}
    used["three"] = [Watched(None, "mine")]
    places = assign(used, forbidden=(), held=set(used["one"]), refused=(), room=3)
    assert sorted(places.owners.values()) == ["one", "three", "two"]
    assert places.refused[Pair("one", "one-1")] is Quota.WATCHES
    assert refusal("x", Quota.NAMES).message.startswith(
        "The Secret 'x' is not read: this namespace uses 16 Secret names already"
    )


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 7))
def test_every_forbidden_name_comes_within_a_round(number: int, namespaces: int) -> None:
    """Asked once a second, each of up to 300 names comes at least once in five minutes, whoever has most of them."""
    retries = Retries()
    names = [Watched(None, str(each)) for each in range(number)]
    for index, watched in enumerate(names):
        retries.put(watched, [f"ns-{index % namespaces if index < namespaces else 0}"], 0.0)
    last, longest = dict.fromkeys(names, 0.0), 0.0
    for second in range(900):
        taken = retries.take(float(second))
        if taken is not None:
            longest = max(longest, second - last[taken[0]])
            last[taken[0]] = second
            retries.put(*taken, float(second))
    assert max(longest, 900 - min(last.values())) <= 300


def test_a_few_of_many_forbidden_names_come_by_turns() -> None:
    """One namespace has ten thousand: another's only one comes every few minutes all the same."""
    retries = Retries()
    mine = Watched(None, "mine")
    for number in range(10_000):
        retries.put(Watched(None, f"none-{number}"), ["evil"], 0.0)
    retries.put(mine, ["good"], 0.0)
    came = []
    for second in range(3300):
        taken = retries.take(float(second))
        if taken is not None:
            came += [second] if taken[0] == mine else []
            retries.put(*taken, float(second))
    assert all(later - earlier <= MAX_ROUND_SECONDS + 5 for earlier, later in itertools.pairwise(came))
    assert len(came) >= 10


def test_what_is_dropped_comes_no_more() -> None:
    """Because the role allows it now, or nobody uses it."""
    retries = Retries()
    retries.put(Watched(None, "a"), ["one", "two"], 0.0)
    retries.put(Watched(None, "b"), ["one"], 0.0)
    retries.drop(Watched(None, "a"))
    assert [retries.take(100.0), retries.take(100.0)] == [(Watched(None, "b"), ("one",)), None]
    assert Watched(None, "b") in retries
    assert list(retries) == [Watched(None, "b")]
    assert len(retries) == 1
