"""Until when the same list leads to the same status: whatever the clock says before that, nothing changes."""

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.monitor.listing import ListedBackup, ListRead
from astra_mirror.core.monitor.selection import selected
from astra_mirror.core.monitor.standing import stands_until
from astra_mirror.core.monitor.status import next_status
from tests.core.monitor.lists import AT, DAILY, HOUR, SCHEDULE, after, backup, event, read, spec

MINUTE: Final = HOUR // 60
HOURLY: Final = {"name": "hourly", "maxAge": "1h"}
OBJECTIVES: Final = (DAILY, HOURLY, DAILY | {"name": "of-one", "scheduleID": SCHEDULE}, HOURLY | {"name": "x"})


def _until(of: Any, *backups: ListedBackup) -> int:
    found = read(*backups)
    return stands_until(after([found], of), selected(found.whole, of.select, AT), AT)


@given(
    st.lists(
        st.builds(
            backup,
            st.integers(1, 9),
            st.sampled_from(["completed", "running", "pending", "failed"]),
            hours=st.none() | st.floats(-3, 30).map(lambda each: round(each, 2)),
            schedule=st.sampled_from([None, SCHEDULE]),
        ),
        max_size=6,
        unique_by=lambda each: each.id,
    ),
    st.lists(st.sampled_from(OBJECTIVES), max_size=3, unique_by=lambda each: str(each["name"])),
    st.sampled_from([None, {"scheduleIDs": [SCHEDULE]}]),
    st.data(),
)
def test_nothing_changes_before_that(
    backups: list[Any], objectives: list[Any], select: Any, data: st.DataObject
) -> None:
    """Neither the status nor the order of the backups, which the refs are made by."""
    of, first = spec(objectives=objectives, select=select), read(*backups)
    status, order = after([first], of), selected(first.whole, of.select, AT)
    until = stands_until(status, order, AT)
    assert until >= AT
    if until > AT:
        again = ListRead(first.whole, data.draw(st.integers(AT, min(until - 1, AT + 50 * HOUR))))
        assert next_status(status, event(again, of)) == status
        assert selected(again.whole, of.select, again.sent) == order


def test_an_objective_that_is_met_may_be_missed_after_its_deadline() -> None:
    """The earliest one decides, and it is met until then."""
    of, one = spec(objectives=[DAILY, HOURLY]), backup(1, hours=0.5)
    until = _until(of, one)
    assert until == AT + HOUR // 2 + 1
    assert after([ListRead(read(one).whole, until)], of) != after([read(one)], of)
    assert after([ListRead(read(one).whole, until - 1)], of) == after([read(one)], of)


def test_a_time_that_is_ahead_becomes_usable() -> None:
    """Of the selected backups; one without a time never does."""
    ahead = [backup(1, hours=-1), backup(2, hours=-2), backup(3, hours=None), backup(4, hours=2)]
    until = _until(spec(), *ahead)
    assert until == AT + 55 * MINUTE
    assert after([ListRead(read(*ahead).whole, until)], spec()) != after([read(*ahead)], spec())
    assert _until(spec(select={"names": ["nightly-3", "nightly-4"]}), *ahead) > AT + 10**6 * HOUR


def test_where_a_backup_under_way_may_count_it_is_judged_each_time() -> None:
    """Whether its time is recent enough for an objective that is missed changes with the clock."""
    of, running = spec(objectives=[HOURLY]), backup(1, "running", hours=0.5)
    assert _until(of, running) == AT
    assert after([read(running, hours=1)], of) != after([read(running)], of)
    assert _until(of, backup(1, "failed")) > AT + 10**6 * HOUR
