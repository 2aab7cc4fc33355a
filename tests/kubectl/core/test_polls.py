"""A requested poll: the value of the annotation, its answer, and what holds it back."""

from datetime import timedelta

import pytest

from astra_mirror.kubectl.core.polls import answer, is_answered, next_request, obstacle, unanswered
from astra_mirror.kubectl.core.verdicts import Outcome
from tests.kubectl.core.objects import COMPLETED, NOW, RUNNING, SYNCED, ref


def test_a_request_is_a_later_time_than_the_one_before() -> None:
    """In whole seconds, as other requesters write them and compare them as texts."""
    assert next_request("", NOW) == "2026-11-27T12:00:00Z"
    assert next_request("2026-11-27T12:00:00Z", NOW) == "2026-11-27T12:00:01Z"
    assert next_request("2026-11-27T12:00:07Z", NOW) == "2026-11-27T12:00:08Z"
    assert next_request("2026-11-27T11:00:00Z", NOW + timedelta(microseconds=7)) == "2026-11-27T12:00:00Z"
    assert next_request("soon", NOW) == "2026-11-27T12:00:00Z"


@pytest.mark.parametrize(
    ("handled", "is_over"),
    [
        ("", False),
        ("2026-11-27T11:59:59Z", False),
        ("2026-11-27T12:00:00Z", True),
        # Somebody else has asked later: the poll was begun after that.
        ("2026-11-27T12:00:09Z", True),
        ("now", False),
    ],
)
def test_an_answer(handled: str, is_over: bool) -> None:
    """It counts for this request and for all before it."""
    seen = ref(statuses=COMPLETED | SYNCED, lastHandledReconcileAt=handled)
    assert is_answered(seen, "2026-11-27T12:00:00Z") is is_over


def test_what_the_answer_is() -> None:
    """Whether Astra Control has answered, not how the backup is."""
    assert answer(ref(statuses=RUNNING | SYNCED)).outcome is Outcome.SUCCEEDED
    verdict = answer(ref(statuses=COMPLETED | {"Synced": "False Unreachable"}))
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "Unreachable")


def test_a_suspended_one_is_not_polled() -> None:
    """That is said at once."""
    verdict = obstacle(ref(statuses=RUNNING, spec={"suspend": True}), grace_is_over=False)
    assert verdict is not None
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, "Suspended")


@pytest.mark.parametrize("reason", ["Unauthorized", "Forbidden", "TLSVerificationFailed"])
def test_a_breaker_holds_it_back(reason: str) -> None:
    """Those reasons open one; but a moment is left for the answer, because a new Secret may have just closed it."""
    seen = ref(statuses=RUNNING | {"Synced": f"False {reason}"})
    assert obstacle(seen, grace_is_over=False) is None
    verdict = obstacle(seen, grace_is_over=True)
    assert verdict is not None
    assert verdict.reason == reason
    assert "a circuit breaker holds the poll back" in verdict.text


@pytest.mark.parametrize("synced", ["True Observed", "False Unreachable", "False SecretNotFound", "False Whatever"])
def test_nothing_holds_it_back(synced: str) -> None:
    """After any other failure the poll is made."""
    assert obstacle(ref(statuses=RUNNING | {"Synced": synced}), grace_is_over=True) is None


def test_while_there_is_no_answer() -> None:
    """It is waited for, unless no operator handles the object."""
    assert unanswered(ref(statuses=RUNNING)).outcome is Outcome.IN_PROGRESS
    assert unanswered(ref(observed=-1)).reason == "NoOperator"
