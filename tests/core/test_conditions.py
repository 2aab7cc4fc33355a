"""The conditions table, row by row, in the words in which it is written."""

import pytest

from tests.core.cases import ROWS

TABLE = [
    # row, Ready, reason, Succeeded, Finished, and
    ("nothing-yet", "Unknown", "NotObserved", "Unknown", "False", "Reconciling"),
    ("pending", "False", "BackupInProgress", "Unknown", "False", "Reconciling"),
    ("discovering", "False", "BackupInProgress", "Unknown", "False", "Reconciling"),
    ("running", "False", "BackupInProgress", "Unknown", "False", "Reconciling"),
    ("completed", "True", "BackupCompleted", "True", "True", ""),
    ("completed-hooks-failed", "True", "BackupCompletedHooksFailed", "True", "True", ""),
    ("completed-hooks-failed-wanted", "False", "BackupCompletedHooksFailed", "True", "True", "Stalled"),
    ("completed-no-hooks-wanted", "True", "BackupCompleted", "True", "True", ""),
    ("failed", "False", "BackupFailed", "False", "True", "Stalled"),
    ("removed", "False", "BackupRemoved", "False", "True", "Stalled"),
    ("deleting", "False", "BackupDeleting", "False", "True", "Stalled"),
    ("unknown", "Unknown", "BackupStateUnknown", "Unknown", "False", "Reconciling"),
    ("unrecognized", "Unknown", "BackupStateUnrecognized", "Unknown", "False", "Reconciling"),
    ("not-found", "False", "BackupNotFound", "False", "True", "Stalled"),
    ("not-found-observed-wanted", "False", "BackupNotFound", "False", "True", "Stalled"),
    ("observed-wanted", "True", "BackupObserved", "Unknown", "False", ""),
    ("suspended", "False", "BackupInProgress", "Unknown", "False", ""),
    ("suspended-at-once", "Unknown", "NotObserved", "Unknown", "False", ""),
    ("failing-running", "False", "BackupInProgress", "Unknown", "False", "Reconciling"),
    ("failing-completed", "True", "BackupCompleted", "True", "True", ""),
    ("failing-not-found", "False", "BackupNotFound", "False", "True", "Stalled"),
    ("stale-needs-person", "Unknown", "ObservationStale", "True", "True", "Stalled"),
    ("stale-waits", "Unknown", "ObservationStale", "Unknown", "False", "Reconciling"),
    ("never-Unauthorized", "False", "Unauthorized", "Unknown", "False", "Stalled"),
    ("never-Forbidden", "False", "Forbidden", "Unknown", "False", "Stalled"),
    ("never-InvalidRequest", "False", "InvalidRequest", "Unknown", "False", "Stalled"),
    ("never-ServerError", "False", "ServerError", "Unknown", "False", "Reconciling"),
    ("never-RateLimited", "False", "RateLimited", "Unknown", "False", "Reconciling"),
    ("never-Unreachable", "False", "Unreachable", "Unknown", "False", "Reconciling"),
    ("never-ListIncomplete", "False", "ListIncomplete", "Unknown", "False", "Reconciling"),
    ("never-UnexpectedResponse", "False", "UnexpectedResponse", "Unknown", "False", "Reconciling"),
    ("never-TLSVerificationFailed", "False", "TLSVerificationFailed", "Unknown", "False", "Stalled"),
    ("never-SecretUnreadable", "False", "SecretUnreadable", "Unknown", "False", "Reconciling"),
    ("never-SecretNotFound", "False", "SecretNotFound", "Unknown", "False", "Stalled"),
    ("never-SecretInvalid", "False", "SecretInvalid", "Unknown", "False", "Stalled"),
    ("never-SecretForbidden", "False", "SecretForbidden", "Unknown", "False", "Stalled"),
    ("never-URLNotAllowed", "False", "URLNotAllowed", "Unknown", "False", "Stalled"),
    ("never-InvalidSpec", "False", "InvalidSpec", "Unknown", "False", "Stalled"),
]


@pytest.mark.parametrize(("row", "ready", "reason", "succeeded", "finished", "activity"), TABLE)
def test_a_row(row: str, ready: str, reason: str, succeeded: str, finished: str, activity: str) -> None:
    """A row says of the conditions what the table says."""
    conditions = {each["type"]: each for each in ROWS[row]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == (ready, reason)
    assert (conditions["Succeeded"]["status"], conditions["Finished"]["status"]) == (succeeded, finished)
    assert "".join({"Reconciling", "Stalled"} & set(conditions)) == activity


def test_every_row_is_in_the_table() -> None:
    """No row goes unjudged."""
    assert {row for row, *_ in TABLE} == set(ROWS)
