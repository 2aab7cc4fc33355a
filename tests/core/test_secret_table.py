"""Which content of a Secret is in effect, and what is kept of contents and failures."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_content import HELD_CHARACTERS, Content, content_of
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.secret_reading import FAILING_SECONDS, FORBIDDEN_SECONDS, ReadProblem, ReadState
from astra_mirror.core.secret_table import EffectiveContent, SecretTable

_SECRET_NAME = NamespacedName("ns", "name")
_STEPS = st.lists(st.tuples(st.floats(0, 30), st.one_of(st.none(), st.integers(0, 3))), max_size=60)


def _content(number: int | None) -> Content | None:
    return None if number is None else content_of({"token": str(number)})


def _result(content: Content | None) -> Failed | None:
    return None if content is None else Failed(SyncReason.SECRET_INVALID, content.digest.hex())


def _apply(table: SecretTable) -> None:
    content = table.latest(_SECRET_NAME)
    assert table.apply(_SECRET_NAME, content.digest if content else None, _result(content))


@given(_STEPS)
def test_the_last_content_counts_and_not_more_often_than_agreed(steps: list[tuple[float, int | None]]) -> None:
    """The last content is in effect after ten seconds, and at most nine take effect in any minute."""
    table, now, effective = SecretTable(), 0.0, []
    for pause, number in steps:
        for _ in range(int(pause)):
            now += 1
            for _ in table.take_due(now):
                effective.append(now)
                _apply(table)
        if table.observe(_SECRET_NAME, _content(number), now, was_absent=True):
            effective.append(now)
            _apply(table)
    now += 11
    for _ in table.take_due(now):
        _apply(table)
    last = _content(steps[-1][1]) if steps else None
    found = table.effective(_SECRET_NAME)
    assert (found.result if found else None) == _result(last)
    assert table.unparsed(_SECRET_NAME) is None
    assert all(sum(at <= each < at + 60 for each in effective) <= 9 for at in effective)


def test_at_first_sight_everything_counts_at_once() -> None:
    """Contents before the first result, and unchanged ones, do not count for the throttle."""
    table = SecretTable()
    for number in range(5):
        assert table.observe(_SECRET_NAME, _content(number), 0.0, was_absent=False)
    _apply(table)
    assert not table.observe(_SECRET_NAME, _content(4), 1.0, was_absent=True)
    for number in range(3):
        assert table.observe(_SECRET_NAME, _content(number), 1.0, was_absent=True)
        _apply(table)
    assert not table.observe(_SECRET_NAME, _content(4), 1.0, was_absent=True)
    assert table.effective(_SECRET_NAME) == EffectiveContent(_result(_content(2)), content_of({"token": "2"}).digest)


def test_a_result_for_an_older_content_is_not_taken() -> None:
    """The result of a content is dropped if the Secret has changed since."""
    table = SecretTable()
    old, new = content_of({"token": "old"}), content_of({"token": "new"})
    table.observe(_SECRET_NAME, old, 0.0, was_absent=False)
    table.observe(_SECRET_NAME, new, 0.0, was_absent=False)
    assert not table.apply(_SECRET_NAME, old.digest, _result(old))
    assert table.is_pending(_SECRET_NAME)
    assert table.apply(_SECRET_NAME, new.digest, _result(new))
    assert not table.is_pending(_SECRET_NAME)


def test_what_could_not_be_read_is_tried_later() -> None:
    """A postponed content is due at its time, and no sooner."""
    table = SecretTable()
    table.observe(_SECRET_NAME, _content(1), 0.0, was_absent=False)
    table.postpone(_SECRET_NAME, 5.0)
    assert table.unparsed(_SECRET_NAME) is None
    assert table.is_pending(_SECRET_NAME)
    assert table.take_due(4.0) == []
    table.trim(_SECRET_NAME, hold=True)
    assert table.latest(_SECRET_NAME).data == {"token": "1"}  # type: ignore[union-attr]
    table.trim(_SECRET_NAME, hold=False)
    assert table.latest(_SECRET_NAME).data is None  # type: ignore[union-attr]
    assert table.take_due(5.0) == [_SECRET_NAME]
    assert table.unparsed(_SECRET_NAME) == _content(1)


def test_what_has_gone_is_forgotten_when_it_is_quiet() -> None:
    """A deleted Secret is forgotten once its throttle has expired."""
    table, selector = SecretTable(), SecretSelector(None, "name")
    table.observe(_SECRET_NAME, _content(1), 0.0, was_absent=False)
    _apply(table)
    assert table.observe(_SECRET_NAME, None, 10.0, was_absent=True)
    _apply(table)
    table.prune(selector, 20.0)
    assert len(table) == 1
    table.prune(SecretSelector("another", "name"), 80.0)
    assert len(table) == 1
    table.prune(selector, 80.0)
    assert len(table) == 0
    table.observe(_SECRET_NAME, _content(1), 90.0, was_absent=False)
    assert list(table.matching(selector)) == [_SECRET_NAME]
    table.drop(selector)
    assert list(table.matching(selector)) == []


def test_only_small_contents_are_kept_while_they_wait() -> None:
    """Large values are dropped, equality goes by the digest, and no repr has a value."""
    small, large = content_of({"token": "secret"}), content_of({"config.yaml": "x" * (HELD_CHARACTERS + 1)})
    assert small.kept().data == {"token": "secret"}
    assert large.kept().data is None
    assert large.kept() == large
    assert "secret" not in repr(small)
    table = SecretTable()
    table.observe(_SECRET_NAME, small, 0.0, was_absent=False)
    _apply(table)
    latest = table.latest(_SECRET_NAME)
    assert latest == small
    assert latest.data is None


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)), st.dictionaries(st.text(max_size=3), st.text()))
def test_a_digest_stands_for_the_keys_that_are_looked_at(one: dict[str, str], other: dict[str, str]) -> None:
    """Other keys do not change the digest, and different values never have the same digest."""
    read = {"url": "a", "token": "b"}
    assert content_of(read | {f"x{key}": each for key, each in one.items()}) == content_of(read)
    assert content_of({"url": "ab", "token": "c"}) != content_of({"url": "a", "token": "bc"})
    same = {key: one.get(key) for key in ("url", "token")} == {key: other.get(key) for key in ("url", "token")}
    assert (content_of(one) == content_of(other)) == same
    assert content_of(None) == content_of([]) == content_of({"url": 5}) == content_of({})


def test_a_refusal_counts_when_it_lasts() -> None:
    """A 403 counts after its time, whatever else happens in between, until a page is read."""
    read_state = ReadState().started(0.0).refused(0.0)
    assert read_state.problem(FORBIDDEN_SECONDS) is None
    read_state = read_state.started(20.0).failed(20.0).refused(FORBIDDEN_SECONDS)
    assert read_state.problem(FORBIDDEN_SECONDS) is ReadProblem.FORBIDDEN
    assert read_state.started(31.0).problem(1000.0) is ReadProblem.FORBIDDEN
    assert read_state.page_read().problem(1000.0) is None


def test_failures_count_when_they_last() -> None:
    """Failures count from the first failed request on, not during an outage, and not after a 403."""
    read_state = ReadState().started(5.0)
    assert read_state.problem(5.0 + FAILING_SECONDS - 0.1) is None
    assert read_state.failed(6.0).started(7.0).problem(5.0 + FAILING_SECONDS) is ReadProblem.FAILING
    assert read_state.paused().problem(1000.0) is None
    assert read_state.refused(8.0).problem(1000.0) is None
    assert read_state.succeeded() == ReadState(is_read=True)
    assert read_state.succeeded().started(0.0).page_read() == ReadState(is_read=True)


def test_who_waits_for_a_turn_is_not_unreadable_while_others_are_read() -> None:
    """While other single reads succeed, a Secret becomes unreadable after a minute at most."""
    read_state = ReadState().started(0.0)
    assert not read_state.is_unreadable(None, 12.9)
    assert read_state.is_unreadable(None, 13.0)
    assert not read_state.is_unreadable(12.0, 13.0)
    assert read_state.is_unreadable(5.0, 13.0)
    assert read_state.is_unreadable(60.0, 60.0)
