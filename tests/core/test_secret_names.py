"""Which Secret names have a place: within the quotas, round robin, and kept where possible."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from astra_mirror.core.secret_forbidden import MAX_ROUND_SECONDS, ForbiddenNames
from astra_mirror.core.secret_names import MAX_NAMES, NamespacedName, Quota, SecretSelector, assign, refusal

_NAMES = st.lists(st.integers(0, 60), max_size=40, unique=True).map(
    lambda n: [SecretSelector(None, f"s{each}") for each in n]
)
_USED = st.dictionaries(st.sampled_from([f"ns-{number}" for number in range(8)]), _NAMES, max_size=8)
_SOME = st.sets(st.integers(0, 60).map(lambda number: SecretSelector(None, f"s{number}")), max_size=30)


@given(_USED, _SOME, _SOME, st.integers(0, 60))
def test_the_bounds_hold(
    used: dict[str, list[SecretSelector]], forbidden: set[SecretSelector], held: set[SecretSelector], capacity: int
) -> None:
    """No namespace exceeds its quota, no forbidden name has a place, and each name has a place or a reason."""
    assignment = assign(used, forbidden=forbidden, held=held, refused=(), capacity=capacity)
    assert len(assignment.owners) <= capacity
    assert not assignment.owners.keys() & forbidden
    for namespace, names in used.items():
        served = [
            each
            for each in names
            if each in assignment.owners and NamespacedName(namespace, each.name) not in assignment.refused
        ]
        assert len(served) <= MAX_NAMES
        for each in names:
            has_reason = each in forbidden or NamespacedName(namespace, each.name) in assignment.refused
            assert has_reason != (each in served)
    for secret, quota in assignment.refused.items():
        if quota is Quota.WATCHES:
            assert len(assignment.owners) == capacity
        else:
            assert len(used[secret.namespace]) > MAX_NAMES


@given(_USED, st.integers(0, 60))
def test_who_has_a_place_keeps_it(used: dict[str, list[SecretSelector]], capacity: int) -> None:
    """The same names get the same places again, in whatever order the namespaces come."""
    before = assign(used, forbidden=(), held=(), refused=(), capacity=capacity)
    backwards = dict(reversed(used.items()))
    after = assign(backwards, forbidden=(), held=before.owners.keys(), refused=before.refused.keys(), capacity=capacity)
    assert len(after.owners) == len(before.owners)
    assert after.owners.keys() == before.owners.keys()
    assert after.refused == before.refused


def test_by_turns() -> None:
    """With three places, two namespaces with many names and one with a single name get one each."""
    used = {ns: [SecretSelector(None, f"{ns}-{number}") for number in range(9)] for ns in ("one", "two")}
    used["three"] = [SecretSelector(None, "mine")]
    assignment = assign(used, forbidden=(), held=set(used["one"]), refused=(), capacity=3)
    assert sorted(assignment.owners.values()) == ["one", "three", "two"]
    assert assignment.refused[NamespacedName("one", "one-1")] is Quota.WATCHES
    assert refusal("x", Quota.NAMES).message.startswith(
        "The Secret 'x' is not read: this namespace uses 16 Secret names already"
    )


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 7))
def test_every_forbidden_name_comes_within_a_round(number: int, namespaces: int) -> None:
    """With one read a second, each of up to 300 names is read at least once in five minutes."""
    forbidden_names = ForbiddenNames()
    names = [SecretSelector(None, str(each)) for each in range(number)]
    for index, selector in enumerate(names):
        forbidden_names.add(selector, [f"ns-{index % namespaces if index < namespaces else 0}"], 0.0)
    last, longest = dict.fromkeys(names, 0.0), 0.0
    for second in range(900):
        taken = forbidden_names.take_due(float(second))
        if taken is not None:
            longest = max(longest, second - last[taken[0]])
            last[taken[0]] = second
            forbidden_names.add(*taken, float(second))
    assert max(longest, 900 - min(last.values())) <= 300


def test_a_few_of_many_forbidden_names_come_by_turns() -> None:
    """Ten thousand names of one namespace delay the only name of another by minutes at most."""
    forbidden_names = ForbiddenNames()
    mine = SecretSelector(None, "mine")
    for number in range(10_000):
        forbidden_names.add(SecretSelector(None, f"none-{number}"), ["evil"], 0.0)
    forbidden_names.add(mine, ["good"], 0.0)
    came = []
    for second in range(3300):
        taken = forbidden_names.take_due(float(second))
        if taken is not None:
            came += [second] if taken[0] == mine else []
            forbidden_names.add(*taken, float(second))
    assert all(later - earlier <= MAX_ROUND_SECONDS + 5 for earlier, later in itertools.pairwise(came))
    assert len(came) >= 10


def test_what_is_dropped_comes_no_more() -> None:
    """A name that was removed is not read again."""
    forbidden_names = ForbiddenNames()
    forbidden_names.add(SecretSelector(None, "a"), ["one", "two"], 0.0)
    forbidden_names.add(SecretSelector(None, "b"), ["one"], 0.0)
    forbidden_names.remove(SecretSelector(None, "a"))
    assert [forbidden_names.take_due(100.0), forbidden_names.take_due(100.0)] == [
        (SecretSelector(None, "b"), ("one",)),
        None,
    ]
    assert SecretSelector(None, "b") in forbidden_names
    assert list(forbidden_names) == [SecretSelector(None, "b")]
    assert len(forbidden_names) == 1
