"""What a process finds when it starts counts only where an operator can have written it."""

from typing import Any

import pytest

from astra_mirror.core.diff import difference
from astra_mirror.core.inherited import own
from astra_mirror.core.status import UNSEEN, Event, next_status
from tests.core.cases import NOW, RUNNING, as_json, spec

_BEYOND: dict[str, Any] = {
    "state": "s" * 257,
    "stateUnready": ["reason"] * 33,
    "stateDetails": [{}] * 17,
    "hookState": "s" * 1025,
    "hookStateDetails": [{"title": "t" * 1025}],
    "progress": {"percentDone": 101},
    "backup": {"labels": [{"name": "n", "value": "v"}] * 65},
    "lastHandledReconcileAt": "a" * 1025,
}


def _status() -> dict[str, Any]:
    desired = next_status(UNSEEN, Event(generation=1, spec=spec(), outcome=RUNNING, now=NOW, at=0.0))
    return dict(difference(as_json(desired), {}, {}, NOW).status)


@pytest.mark.parametrize("field", _BEYOND)
def test_what_the_crd_does_not_admit_counts_as_none(field: str) -> None:
    """It could not be written again: the API server would refuse each status that is made of it."""
    assert own(_status()) is not UNSEEN
    assert own(_status() | {field: _BEYOND[field]}) is UNSEEN
