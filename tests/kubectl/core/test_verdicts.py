"""What has become of a ref or a monitor, for each combination of conditions that the operator writes."""

from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.core.monitor.conditions import STALE as STALE_OF_MONITORS
from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.verdicts import STALE, Outcome, judge, missing, unreachable
from tests.core.cases import ROWS
from tests.kubectl.core.objects import COMPLETED, FAILED, NOW, RUNNING, STALLED, SYNCED, monitor, ref

STALE_REF = {"Ready": "Unknown ObservationStale", "Synced": "False Unreachable"}


@pytest.mark.parametrize(
    ("statuses", "outcome", "reason"),
    [
        (COMPLETED | SYNCED, Outcome.SUCCEEDED, "BackupCompleted"),
        (FAILED | SYNCED, Outcome.FAILED, "BackupFailed"),
        (RUNNING | SYNCED, Outcome.IN_PROGRESS, "BackupInProgress"),
        # Known of the backup, and not stale: that refreshing fails does not matter.
        (COMPLETED | {"Synced": "False Unauthorized"}, Outcome.SUCCEEDED, "BackupCompleted"),
        (FAILED | {"Synced": "False Unauthorized"}, Outcome.FAILED, "BackupFailed"),
        # Stale: nothing counts.
        (COMPLETED | STALE_REF, Outcome.UNDECIDED, "ObservationStale"),
        (FAILED | STALE_REF, Outcome.UNDECIDED, "ObservationStale"),
        (RUNNING | STALE_REF, Outcome.UNDECIDED, "ObservationStale"),
        # Complete, but not what readyWhen asks for.
        (
            COMPLETED | SYNCED | {"Ready": "False BackupCompletedHooksFailed", "Stalled": "True X"},
            Outcome.FAILED,
            "BackupCompletedHooksFailed",
        ),
        (COMPLETED | SYNCED | {"Ready": "True BackupCompletedHooksFailed"}, Outcome.SUCCEEDED, "BackupCompleted"),
        # Somebody has to do something before anything can be known.
        (RUNNING | STALLED | {"Ready": "False Unauthorized"}, Outcome.UNDECIDED, "Unauthorized"),
        (RUNNING | {"Synced": "False Unreachable", "Reconciling": "True X"}, Outcome.IN_PROGRESS, "BackupInProgress"),
        (RUNNING | {"Synced": "Unknown Suspended"}, Outcome.UNDECIDED, "Suspended"),
        # What was observed before the suspension stands, as Ready does.
        (COMPLETED | {"Synced": "Unknown Suspended"}, Outcome.SUCCEEDED, "BackupCompleted"),
        (FAILED | {"Synced": "Unknown Suspended"}, Outcome.FAILED, "BackupFailed"),
        (
            {
                "Ready": "False BackupNotFound",
                "Succeeded": "False BackupNotFound",
                "Finished": "True X",
                "Stalled": "True X",
                "Synced": "True Observed",
            },
            Outcome.FAILED,
            "BackupNotFound",
        ),
        ({}, Outcome.IN_PROGRESS, ""),
    ],
)
def test_a_ref(statuses: dict[str, str], outcome: Outcome, reason: str) -> None:
    """Read from the top, the first that holds counts."""
    verdict = judge(ref(statuses=statuses), NOW)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("statuses", "outcome", "reason"),
    [
        ({"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet"}, Outcome.SUCCEEDED, "ObjectivesMet"),
        (
            {"Ready": "False ObjectiveMissed", "ObjectivesMet": "False ObjectiveMissed", "Stalled": "True X"},
            Outcome.FAILED,
            "ObjectiveMissed",
        ),
        (
            {"Ready": "False AppNotFound", "ObjectivesMet": "False AppNotFound", "Stalled": "True X"},
            Outcome.FAILED,
            "AppNotFound",
        ),
        (
            {
                "Ready": "False FirstBackupInProgress",
                "ObjectivesMet": "False FirstBackupInProgress",
                "Reconciling": "True X",
            },
            Outcome.IN_PROGRESS,
            "FirstBackupInProgress",
        ),
        (
            {"Ready": "Unknown ObservationStale", "ObjectivesMet": "Unknown ObservationStale", "Stalled": "True X"},
            Outcome.UNDECIDED,
            "ObservationStale",
        ),
        (
            {"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet", "Synced": "Unknown Suspended"},
            Outcome.UNDECIDED,
            "Suspended",
        ),
        (
            {"Ready": "False Unauthorized", "ObjectivesMet": "Unknown Unauthorized"} | STALLED,
            Outcome.UNDECIDED,
            "Unauthorized",
        ),
        (
            {"Ready": "Unknown NotObserved", "ObjectivesMet": "Unknown NotObserved", "Reconciling": "True X"},
            Outcome.IN_PROGRESS,
            "NotObserved",
        ),
    ],
)
def test_a_monitor(statuses: dict[str, str], outcome: Outcome, reason: str) -> None:
    """Its objectives decide; while it is suspended they are not kept."""
    verdict = judge(monitor(statuses=SYNCED | statuses), NOW)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_a_monitor_without_objectives() -> None:
    """There is nothing that it could be waited for."""
    seen = monitor(statuses={"Ready": "True ListObserved"} | SYNCED, spec={"objectives": None})
    verdict = judge(seen, NOW)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, "NoObjectives")


def test_a_deadline_of_which_no_operator_has_said_anything() -> None:
    """The status still says that the objectives are met: the operator may be down, so that does not count."""
    statuses = {"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet"} | SYNCED
    seen = monitor(statuses=statuses, deadline="2026-11-27T12:00:00Z")
    assert judge(seen, NOW).outcome is Outcome.SUCCEEDED
    assert judge(seen, NOW + timedelta(seconds=1)).reason == "DeadlinePassed"


@pytest.mark.parametrize(("observed", "words"), [(-1, "has seen it"), (1, "has handled its latest spec")])
def test_no_operator(observed: int, words: str) -> None:
    """What the status says of an earlier spec does not count."""
    for make in (ref, monitor):
        verdict = judge(make(statuses=COMPLETED, generation=2, observed=observed), NOW)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, "NoOperator")
        assert words in verdict.text


def test_a_condition_about_an_earlier_spec_does_not_count() -> None:
    """Also if somebody has written an observedGeneration that is too high."""
    seen = ref(statuses=COMPLETED, generation=2, observed=1)
    assert seen.conditions == {}


def test_objects_that_are_not_there() -> None:
    """Nothing can be told of them."""
    assert missing(Key(Kind.REF, "shop", "a")).text == "there is no such ref in the namespace shop"
    assert missing(Key(Kind.MONITOR, "shop", "a")).outcome is Outcome.UNDECIDED
    assert unreachable("why").outcome is Outcome.UNDECIDED


@pytest.mark.parametrize("name", ROWS)
def test_every_status_that_the_operator_writes_is_judged(name: str) -> None:
    """The golden statuses of the operator's own tests: done well is a success, what needs a person never is."""
    status: dict[str, Any] = ROWS[name]
    seen = ref(statuses={each["type"]: f"{each['status']} {each['reason']}" for each in status["conditions"]})
    outcome = judge(seen, NOW).outcome
    found = {each["type"]: each["status"] for each in status["conditions"]}
    if "Stalled" in found:
        assert outcome in {Outcome.FAILED, Outcome.UNDECIDED}
    elif found["Ready"] == "True" and found["Succeeded"] == "True":
        assert outcome is Outcome.SUCCEEDED
    assert STALE == STALE_OF_MONITORS
