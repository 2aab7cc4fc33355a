"""What a process finds when it starts counts only where an operator can have written it."""

from typing import Any

import pytest

from astra_mirror.core.diff import difference
from astra_mirror.core.inherited import inherited, own
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


@pytest.mark.parametrize("generation", [1, 2])
def test_an_observation_without_a_target_gets_the_one_of_its_generation(generation: int) -> None:
    """An older release has written none; whoever takes the status over says what it is about."""
    found = {key: value for key, value in _status().items() if key != "target"}
    taken_over = inherited(own(found), spec(), generation)
    if generation == 1:
        assert as_json(taken_over)["target"] == _status()["target"]
    else:
        assert taken_over.state is None
        assert taken_over.target is None
