"""TLS contexts: a namespace's third evicts its own oldest, and a limit holds for all."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.contexts import ContextCache


def test_the_third_of_a_namespace_evicts_its_own_oldest() -> None:
    """The third context of a namespace evicts its least recently used one, and no other namespace's."""
    contexts: ContextCache[str] = ContextCache()
    assert contexts.use("other's", "other") == []
    assert contexts.use("a", "mine") == []
    assert contexts.use("b", "mine") == []
    assert contexts.use("a", "mine") == []
    assert contexts.use("c", "mine") == ["b"]
    assert all(key in contexts for key in ("a", "c", "other's"))


def test_what_another_namespace_uses_as_well_stays() -> None:
    """A context that two namespaces claim is evicted with the last claim."""
    contexts: ContextCache[str] = ContextCache()
    contexts.use("shared", "other")
    for key in ("shared", "b", "c"):
        assert contexts.use(key, "mine") == []
    assert contexts.use("d", "mine") == ["b"]
    contexts.use("x", "other")
    assert contexts.use("y", "other") == ["shared"]


def test_those_that_nobody_can_have_several_of_take_no_place() -> None:
    """Common contexts do not count for any namespace."""
    contexts: ContextCache[str] = ContextCache()
    for key in ("usual", "none"):
        assert contexts.use(key, "mine", is_common=True) == []
    assert [contexts.use(key, "mine") for key in "abc"] == [[], [], ["a"]]


def test_in_all_the_least_recently_used_goes() -> None:
    """Beyond the limit for all, the least recently used context is evicted."""
    contexts: ContextCache[int] = ContextCache(max_contexts=3)
    for number in range(3):
        contexts.use(number, f"n{number}")
    contexts.use(0, "n0")
    assert contexts.use(3, "n3") == [1]
    assert len(contexts) == 3


def test_what_no_secret_has_any_more_goes() -> None:
    """Unused contexts are evicted, and a claim that was not renewed is dropped."""
    contexts: ContextCache[str] = ContextCache()
    contexts.use("a", "mine")
    contexts.use("b", "mine")
    assert contexts.retain({"a"}) == ["b"]
    assert contexts.retain({"a"}) == []
    assert "a" in contexts
    assert [contexts.use(key, "mine") for key in "xy"] == [[], []]
    assert "a" in contexts


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from("pqrs"), st.booleans()) | st.sets(st.integers(0, 8)), max_size=60
    )
)
def test_the_limits_hold_whatever_comes(steps: list[tuple[int, str, bool] | set[int]]) -> None:
    """The limits hold, the last context used is kept, and exactly the reported ones are evicted."""
    contexts: ContextCache[int] = ContextCache(max_contexts=5)
    kept: set[int] = set()
    for step in steps:
        if isinstance(step, set):
            kept -= set(contexts.retain(step))
            assert kept <= step
        else:
            key, namespace, is_common = step
            evicted = contexts.use(key, namespace, is_common=is_common)
            assert key not in evicted
            kept = (kept | {key}) - set(evicted)
        assert {key for key in range(9) if key in contexts} == kept
        assert len(contexts) <= 5
