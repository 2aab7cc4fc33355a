"""The limit of log lines for each namespace, and failures that are logged once."""

from astra_mirror.core.loglines import FailureLog, LogLines


def test_ten_lines_in_any_minute() -> None:
    """The eleventh line is left out; a minute after the first, one line says how many were."""
    lines = LogLines()
    assert [lines.admit("a", each) for each in range(12)] == [True] * 10 + [False] * 2
    assert lines.left_out(59.9) == {}
    assert lines.left_out(60) == {"a": 2}
    # That line has taken the place.
    assert not lines.admit("a", 60)
    assert lines.left_out(61) == {"a": 1}


def test_what_was_left_out_is_told_before_anything_new() -> None:
    """The line with the number left out comes before any new line."""
    lines = LogLines()
    for _ in range(11):
        lines.admit("a", 0)
    assert not lines.admit("a", 70)
    assert lines.left_out(70) == {"a": 2}
    assert lines.admit("a", 70)


def test_one_namespace_takes_nothing_from_another() -> None:
    """Each namespace has its own ten lines."""
    lines = LogLines()
    for _ in range(1000):
        lines.admit("a", 0)
    assert all(lines.admit("b", 0) for _ in range(10))
    assert lines.left_out(60) == {"a": 990}


def test_nothing_stays_in_mind_of_those_that_are_quiet() -> None:
    """Nothing is kept of namespaces without lines in the last minute."""
    lines = LogLines()
    for number in range(1000):
        assert lines.admit(f"namespace-{number}", number * 60.0)
    assert lines.left_out(1e6) == {}


def test_a_failure_is_told_when_it_has_happened_twice() -> None:
    """A failure is logged once, at its second occurrence, and again after it ended or its text changed."""
    failure_log = FailureLog()
    assert [failure_log.should_log(each) for each in ("x", "x", "x", "y", "y", "y")] == [False, True, False] * 2
    failure_log.succeeded()
    assert [failure_log.should_log("y") for _ in range(3)] == [False, True, False]
