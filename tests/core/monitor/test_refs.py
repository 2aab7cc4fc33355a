"""The refs of a monitor: their names and content, and which are made, repaired and removed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.monitor.listing import ListedBackup, WholeList
from astra_mirror.core.monitor.ref_plan import Context, Plan, context_of, may_remove, planning
from astra_mirror.core.monitor.ref_report import Problem, Trouble, report_of
from astra_mirror.core.monitor.refs import Owner, OwnRef, body_of, name_of, own_ref, repair_of, wanted_refs
from astra_mirror.core.monitor.selection import UNDER_WAY, selected
from tests.core.cases import ACCOUNT, APP, NOW
from tests.core.monitor.lists import AT, ID, backup, spec

OWNER = Owner("m-1", "ns", "shop")
MIRROR: dict[str, Any] = {"newest": 2, "readyWhen": "Observed", "interval": "20s", "labels": {"team": "shop"}}
MIRRORING = spec(mirror=MIRROR)
HOUR = timedelta(hours=1)
SINCE = 100_000.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nightly-7", "nightly-7"),
        ("Nightly__7 (x)", "nightly-7-x"),
        ("-a-", "a"),
        ("ÄÖ", "backup"),
        (None, "backup"),
        ("a" * 300, "a" * 244),
        ("a" * 243 + "-b", "a" * 243),
    ],
)
def test_names(name: str | None, expected: str) -> None:
    """Lower case, one hyphen for each run of other characters, cut, trimmed; then the start of the ID."""
    assert name_of(backup(0xABCDEF12, name=name)) == f"{expected}-abcdef12"
    assert len(name_of(backup(1, name=name))) <= 253


def _context(
    backups: Sequence[ListedBackup], of: Any = MIRRORING, missed: Mapping[str, float] | None = None
) -> Context:
    ordered = selected(WholeList(len(backups), tuple(backups)), of.select, AT)
    context = context_of(of, wanted_refs(OWNER, of, ordered), backups, ordered)
    return replace(context, missed_since=missed or {}, gone=set(missed or ()))


def plan(context: Context, own: Sequence[OwnRef]) -> Plan:
    """The plan, after all of its steps."""
    steps = planning(context, own, SINCE)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            found: Plan = ended.value
            return found


def _own(number: int, *, name: str | None = None, **changes: Any) -> OwnRef:
    [wanted] = wanted_refs(OWNER, MIRRORING, [backup(number)])
    body = body_of(OWNER, wanted)
    body["metadata"] |= {"uid": f"u-{number}", "resourceVersion": "1", **changes.pop("metadata", {})}
    body["metadata"]["name"] = name or body["metadata"]["name"]
    body["spec"] |= changes
    return own_ref(body)


def test_what_is_made() -> None:
    """The newest selected ones, whatever their state, with what `mirror` gives, the label and the owner."""
    context = _context([backup(1, hours=3), backup(2, "failed", hours=2), backup(3, "running", hours=1)])
    found = plan(context, [])
    assert [each.backup_id for each in found.make] == [ID.format(3), ID.format(2)]
    body = body_of(OWNER, found.make[0])
    assert body["metadata"] == {
        "name": "nightly-3-00000003",
        "namespace": "ns",
        "labels": {"team": "shop", "astra-mirror.io/monitor": "shop"},
        "ownerReferences": [
            {
                "apiVersion": "astra-mirror.io/v1",
                "kind": "AppBackupMonitor",
                "name": "shop",
                "uid": "m-1",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    assert body["spec"] == {
        "accountID": ACCOUNT,
        "appID": APP,
        "backupID": ID.format(3),
        "secretRef": {"name": "astra-control"},
        "readyWhen": "Observed",
        "interval": "20s",
    }


def test_an_id_that_no_ref_can_name_is_left_out() -> None:
    """The CRD of the refs admits UUIDs alone."""
    odd = backup(1)._replace(id="odd")
    assert [each.backup_id for each in wanted_refs(OWNER, MIRRORING, [odd, backup(2)])] == [ID.format(2)]


def test_what_is_right_is_left() -> None:
    """Also with fields, labels and IDs that are the user's: another case, more of them."""
    own = _own(1, accountID=ACCOUNT.upper(), suspend=True, metadata={"labels": {"team": "shop", "mine": "x"} | LABEL})
    found = plan(_context([backup(1)]), [own])
    assert (len(found.kept), found.make, found.repair, found.remove) == (1, (), (), ())


LABEL = {"astra-mirror.io/monitor": "shop"}


def test_what_is_repaired() -> None:
    """What the monitor gives; of the labels those that the operator has set and the monitor no longer gives go."""
    managed = [
        {"manager": "astra-mirror", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}, "f:old": {}}}}},
        {"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {"f:mine": {}}}}},
        {"manager": "astra-mirror", "subresource": "status", "fieldsV1": {"f:metadata": {"f:labels": {"f:no": {}}}}},
        "nonsense",
    ]
    labels = {"team": "other", "old": "x", "mine": "x", "no": "x"}
    own = _own(
        1,
        appID=ID.format(9),
        secretRef={"name": "other"},
        readyWhen="Completed",
        metadata={"labels": labels, "managedFields": managed},
    )
    [(_, wanted)] = plan(_context([backup(1)]), [own]).repair
    assert repair_of(own, wanted) == {
        "metadata": {"labels": {"team": "shop", "old": None, **LABEL}},
        "spec": {"appID": APP, "secretRef": {"name": "astra-control"}, "readyWhen": "Observed"},
    }


def test_a_renamed_backup_keeps_its_ref_and_an_edited_id_is_set_back() -> None:
    """Refs are matched by the backup's ID first, by the name second."""
    renamed = plan(_context([backup(1, name="another")]), [_own(1)])
    assert (len(renamed.kept), renamed.make, renamed.remove) == (1, (), ())
    first, second = _own(1, backupID=ID.format(2)), _own(2)
    found = plan(_context([backup(1), backup(2)]), [first, second])
    assert [(own.uid, wanted.backup_id) for own, wanted in found.repair] == [("u-1", ID.format(1))]
    assert [own.uid for own, _ in found.kept] == ["u-2"]


def test_an_id_counts_for_more_than_a_name() -> None:
    """Of two refs the one with the backup's ID is its ref, whatever their names are."""
    edited, renamed = _own(1, backupID=ID.format(9)), _own(1, name="another", metadata={"uid": "u-2"})
    found = plan(_context([backup(1)]), [edited, renamed])
    assert ([own.uid for own, _ in found.kept], found.repair, found.make) == (["u-2"], (), ())


def test_what_is_not_among_the_newest_goes() -> None:
    """The oldest first, unless it is under way: by the list, or by its own status when it is read."""
    backups = [*(backup(number, hours=number) for number in range(1, 5)), backup(5, "running", hours=5)]
    own = [_own(number) for number in range(1, 6)]
    context = _context(backups)
    found = plan(context, own)
    assert [each.uid for each in found.remove] == ["u-4", "u-3"]
    assert [each.uid for each in found.under_way] == ["u-5"]
    assert may_remove(context, own[2], {"state": "completed"}, NOW)
    assert may_remove(context, own[2], None, NOW)
    for state in UNDER_WAY:
        assert not may_remove(context, own[2], {"state": state}, NOW)
    assert not may_remove(context, own[0], None, NOW)


def _status(reason: str, *moved: timedelta) -> dict[str, Any]:
    times = [(NOW - each).strftime("%Y-%m-%dT%H:%M:%SZ") for each in moved]
    kinds = ("Ready", "Synced", "Finished")
    return {
        "conditions": [
            {"type": kind, "status": "False", "reason": reason, "lastTransitionTime": time}
            for kind, time in zip(kinds, times, strict=False)
        ]
    }


def test_what_the_list_lacks_goes_when_it_is_known_to_be_gone() -> None:
    """For an hour since the last transition of any condition, and since this process first missed it."""
    own = _own(9)
    for missed, removed in ((None, False), (3590.0, False), (3600.0, True)):
        context = _context([backup(1)], missed={} if missed is None else {"u-9": SINCE - missed})
        found = plan(context, [own])
        assert [each.uid for each in found.remove] == (["u-9"] if removed else [])
        assert [each.uid for each in found.lacking] == ([] if removed else ["u-9"])
        assert found.missed == {"u-9": SINCE - (missed or 0)}
    assert may_remove(context, own, _status("BackupNotFound", HOUR, HOUR), NOW)
    for status in (
        _status("BackupNotFound", HOUR, HOUR * 0.9),
        _status("ObservationStale", HOUR),
        _status("BackupNotFound", HOUR) | {"state": "running"},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "BackupNotFound"}]},
        {"conditions": "nonsense"},
        {},
        None,
    ):
        assert not may_remove(context, own, status, NOW)


def test_all_go_with_mirror() -> None:
    """Whether the list holds their backups or not, by the same exception."""
    context = _context([backup(1), backup(2, "running")], spec())
    found = plan(context, [_own(1), _own(2), _own(9)])
    assert sorted(each.uid for each in found.remove) == ["u-1", "u-9"]
    assert may_remove(context, _own(9), {}, NOW)
    assert not may_remove(context, _own(9), {"state": "pending"}, NOW)


@pytest.mark.parametrize("edited", ["accountID", "appID"])
def test_the_refs_of_an_old_target_go(edited: str) -> None:
    """With the first complete list of the new one."""
    old = _own(9, **{edited: ID.format(77)})
    context = _context([backup(1)])
    assert [each.uid for each in plan(context, [old]).remove] == ["u-9"]
    assert may_remove(context, old, {"state": "completed"}, NOW)


def test_a_ref_that_waits_for_a_finalizer_is_neither_there_nor_made() -> None:
    """Its name is taken."""
    dying = _own(1, metadata={"deletionTimestamp": "2026-03-01T12:00:00Z"})
    found = plan(_context([backup(1)]), [dying])
    assert (found.make, found.kept, found.remove) == ((), (), ())
    assert [each.backup_id for each in found.waiting] == [ID.format(1)]


STATES = st.sampled_from(["pending", "discovering", "running", "completed", "failed", "removed", "deleting", "odd"])


@given(
    st.lists(st.tuples(st.integers(1, 12), STATES, st.integers(0, 50)), max_size=8, unique_by=lambda each: each[0]),
    st.lists(st.tuples(st.integers(1, 12), STATES), max_size=8, unique_by=lambda each: each[0]),
    st.booleans(),
    st.booleans(),
)
def test_no_list_leads_to_the_removal_of_a_ref_whose_backup_is_under_way(
    listed: list[tuple[int, str, int]], held: list[tuple[int, str]], mirrors: bool, old: bool
) -> None:
    """Whatever it contains; and a ref that is removed is none that there should be."""
    backups = [backup(number, state, hours=hours) for number, state, hours in listed]
    own = {number: _own(number, **({"appID": ID.format(77)} if old else {})) for number, _ in held}
    missed = {each.uid: SINCE - 7200 for each in own.values()}
    context = _context(backups, MIRRORING if mirrors else spec(), missed)
    found = plan(context, list(own.values()))
    states = {number: state for number, state, _ in listed}
    for number, state in held:
        status = {"state": state, **_status("BackupNotFound", 2 * HOUR)}
        if own[number] in found.remove and may_remove(context, own[number], status, NOW):
            assert state not in UNDER_WAY
            assert old or states.get(number) not in UNDER_WAY
            assert old or own[number].backup_id not in {each.backup_id for each in context.wanted}


def test_what_a_round_found() -> None:
    """The reasons in their order; the message counts what is in each."""
    fine = report_of(2, {}, [], existing=2, has_mirror=True, generation=1)
    assert (fine.status, fine.reason, fine.is_shown) == ("True", "RefsCurrent", True)
    problems = [
        Problem(Trouble.PENDING),
        Problem(Trouble.CONFLICT, "a is somebody else's."),
        Problem(Trouble.REFUSED, "No."),
        Problem(Trouble.REFUSED, "No."),
    ]
    found = report_of(4, {}, problems, existing=0, has_mirror=True, generation=1)
    assert (found.status, found.reason) == ("False", "RefsRefused")
    assert found.message == (
        "2 refs refused by the API server: No. 1 ref in conflict: a is somebody else's. 1 ref not done yet."
    )
    forbidden = report_of(
        1, {}, [*problems, Problem(Trouble.FORBIDDEN, "x")], existing=0, has_mirror=True, generation=1
    )
    assert forbidden.reason == "RefsForbidden"


@pytest.mark.parametrize(("existing", "has_mirror", "shown"), [(0, False, False), (1, False, True), (0, True, True)])
def test_where_the_condition_is(existing: int, has_mirror: bool, shown: bool) -> None:
    """Where there is `mirror`, or a ref of its own is left."""
    assert report_of(0, {}, [], existing=existing, has_mirror=has_mirror, generation=1).is_shown is shown


def test_thousands_of_refs_are_planned_one_step_at_a_time() -> None:
    """Their number counts once, whatever they name: somebody may have given all of them this owner."""
    context = _context([backup(number, hours=number) for number in range(1, 101)], spec(mirror={"newest": 100}))
    same = [replace(_own(1), uid=f"s-{number}", name=f"same-{number}") for number in range(5000)]
    others = [replace(_own(1000 + number, appID=ID.format(77)), uid=f"o-{number}") for number in range(5000)]
    before = time.process_time()
    steps = sum(1 for _ in planning(context, [*same, *others], SINCE))
    assert time.process_time() - before < 2.0
    assert steps <= 2 * 10_000 + 3 * 100
    found = plan(context, [*same, *others])
    assert (len(found.remove), len(found.make), len(found.repair) + len(found.kept)) == (5000, 99, 1)


def test_of_thousands_of_labels_few_are_kept() -> None:
    """What the operator has set is always among them."""
    set_by_us = {"astra-mirror.io/monitor": "shop", "team": "shop"}
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in set_by_us}}}
    body = {
        "metadata": {
            "uid": "u",
            "name": "ref",
            "resourceVersion": "1",
            "labels": {**{f"a-{number}": "x" for number in range(5000)}, **set_by_us},
            "managedFields": [{"manager": "astra-mirror", "fieldsV1": fields}],
        }
    }
    own = own_ref(body)
    assert len(own.labels) == 64 + 2
    assert set_by_us.items() <= own.labels.items()
    assert own.given == set_by_us.keys()
