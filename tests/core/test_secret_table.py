"""What counts of each Secret, and what is kept of contents and of failures."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_content import HELD_CHARACTERS, Content, content_of
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.core.secret_reading import FAILING_SECONDS, FORBIDDEN_SECONDS, Finding, Reading
from astra_mirror.core.secret_table import Counted, SecretTable

_PAIR = Pair("ns", "name")
_STEPS = st.lists(st.tuples(st.floats(0, 30), st.one_of(st.none(), st.integers(0, 3))), max_size=60)


def _content(number: int | None) -> Content | None:
    return None if number is None else content_of({"token": str(number)})


def _result(content: Content | None) -> Failed | None:
    return None if content is None else Failed(SyncReason.SECRET_INVALID, content.digest.hex())


def _settle(table: SecretTable) -> None:
    content = table.newest(_PAIR)
    assert table.settle(_PAIR, content.digest if content else None, _result(content))


@given(_STEPS)
def test_the_last_content_counts_and_not_more_often_than_agreed(steps: list[tuple[float, int | None]]) -> None:
    """After whatever changes, ten seconds later the last one counts; in no minute do more than nine count."""
    table, now, counted = SecretTable(), 0.0, []
    for pause, number in steps:
        for _ in range(int(pause)):
            now += 1
            for _ in table.take_due(now):
                counted.append(now)
                _settle(table)
        if table.offer(_PAIR, _content(number), now, was_absent=True):
            counted.append(now)
            _settle(table)
    now += 11
    for _ in table.take_due(now):
        _settle(table)
    last = _content(steps[-1][1]) if steps else None
    found = table.counted(_PAIR)
    assert (found.result if found else None) == _result(last)
    assert table.unparsed(_PAIR) is None
    assert all(sum(at <= each < at + 60 for each in counted) <= 9 for at in counted)


def test_at_first_sight_everything_counts_at_once() -> None:
    """None of the three changes is used up by it, nor by what is the same."""
    table = SecretTable()
    for number in range(5):
        assert table.offer(_PAIR, _content(number), 0.0, was_absent=False)
    _settle(table)
    assert not table.offer(_PAIR, _content(4), 1.0, was_absent=True)
    for number in range(3):
        assert table.offer(_PAIR, _content(number), 1.0, was_absent=True)
        _settle(table)
    assert not table.offer(_PAIR, _content(4), 1.0, was_absent=True)
    assert table.counted(_PAIR) == Counted(_result(_content(2)), content_of({"token": "2"}).digest)


def test_a_result_for_an_older_content_is_not_taken() -> None:
    """It was parsed, and the Secret has changed meanwhile."""
    table = SecretTable()
    old, new = content_of({"token": "old"}), content_of({"token": "new"})
    table.offer(_PAIR, old, 0.0, was_absent=False)
    table.offer(_PAIR, new, 0.0, was_absent=False)
    assert not table.settle(_PAIR, old.digest, _result(old))
    assert table.is_awaited(_PAIR)
    assert table.settle(_PAIR, new.digest, _result(new))
    assert not table.is_awaited(_PAIR)


def test_what_could_not_be_read_is_tried_later() -> None:
    """It counts when its time has come, and no sooner."""
    table = SecretTable()
    table.offer(_PAIR, _content(1), 0.0, was_absent=False)
    table.postpone(_PAIR, 5.0)
    assert table.unparsed(_PAIR) is None
    assert table.is_awaited(_PAIR)
    assert table.take_due(4.0) == []
    table.keep(_PAIR, hold=True)
    assert table.newest(_PAIR).data == {"token": "1"}  # type: ignore[union-attr]
    table.keep(_PAIR, hold=False)
    assert table.newest(_PAIR).data is None  # type: ignore[union-attr]
    assert table.take_due(5.0) == [_PAIR]
    assert table.unparsed(_PAIR) == _content(1)


def test_what_has_gone_is_forgotten_when_it_is_quiet() -> None:
    """Not while it still has to be known how often it changed."""
    table, watched = SecretTable(), Watched(None, "name")
    table.offer(_PAIR, _content(1), 0.0, was_absent=False)
    _settle(table)
    assert table.offer(_PAIR, None, 10.0, was_absent=True)
    _settle(table)
    table.prune(watched, 20.0)
    assert len(table) == 1
    table.prune(Watched("another", "name"), 80.0)
    assert len(table) == 1
    table.prune(watched, 80.0)
    assert len(table) == 0
    table.offer(_PAIR, _content(1), 90.0, was_absent=False)
    assert list(table.of(watched)) == [_PAIR]
    table.drop(watched)
    assert list(table.of(watched)) == []


def test_only_small_contents_are_kept_while_they_wait() -> None:
    """The digest stands for the rest, and the values are in no text that is made of a content."""
    small, large = content_of({"token": "secret"}), content_of({"config.yaml": "x" * (HELD_CHARACTERS + 1)})
    assert small.kept().data == {"token": "secret"}
    assert large.kept().data is None
    assert large.kept() == large
    assert "secret" not in repr(small)
    table = SecretTable()
    table.offer(_PAIR, small, 0.0, was_absent=False)
    _settle(table)
    newest = table.newest(_PAIR)
    assert newest == small
    assert newest.data is None


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)), st.dictionaries(st.text(max_size=3), st.text()))
def test_a_digest_stands_for_the_keys_that_are_looked_at(one: dict[str, str], other: dict[str, str]) -> None:
    """Others change nothing; values that run into one another do not look alike."""
    read = {"url": "a", "token": "b"}
    assert content_of(read | {f"x{key}": each for key, each in one.items()}) == content_of(read)
    assert content_of({"url": "ab", "token": "c"}) != content_of({"url": "a", "token": "bc"})
    same = {key: one.get(key) for key in ("url", "token")} == {key: other.get(key) for key in ("url", "token")}
    assert (content_of(one) == content_of(other)) == same
    assert content_of(None) == content_of([]) == content_of({"url": 5}) == content_of({})


def test_a_refusal_counts_when_it_lasts() -> None:
    """From the first 403 on, whatever else comes in between; what is read ends it."""
    reading = Reading().begun(0.0).refused(0.0)
    assert reading.finding(FORBIDDEN_SECONDS) is None
    reading = reading.begun(20.0).failed(20.0).refused(FORBIDDEN_SECONDS)
    assert reading.finding(FORBIDDEN_SECONDS) is Finding.FORBIDDEN
    assert reading.begun(31.0).finding(1000.0) is Finding.FORBIDDEN
    assert reading.progressed().finding(1000.0) is None


def test_failures_count_when_they_last() -> None:
    """From the request on that failed first; not while the API server is away, and not after a refusal."""
    reading = Reading().begun(5.0)
    assert reading.finding(5.0 + FAILING_SECONDS - 0.1) is None
    assert reading.failed(6.0).begun(7.0).finding(5.0 + FAILING_SECONDS) is Finding.FAILING
    assert reading.interrupted().finding(1000.0) is None
    assert reading.refused(8.0).finding(1000.0) is None
    assert reading.succeeded() == Reading(is_read=True)
    assert reading.succeeded().begun(0.0).progressed() == Reading(is_read=True)


def test_who_waits_for_a_turn_is_not_unreadable_while_others_are_read() -> None:
    """A minute at most, though."""
    reading = Reading().begun(0.0)
    assert not reading.is_unreadable(None, 12.9)
    assert reading.is_unreadable(None, 13.0)
    assert not reading.is_unreadable(12.0, 13.0)
    assert reading.is_unreadable(5.0, 13.0)
    assert reading.is_unreadable(60.0, 60.0)
