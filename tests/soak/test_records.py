"""What is recorded is recorded to the end, or the soak itself fails; and what is judged beside versions is judged."""

import threading
from typing import Any, cast

import pytest

from dev.soak import conditions
from dev.soak.client import Client
from dev.soak.ends import bad_lines, pending
from dev.soak.events import leak
from dev.soak.history import History, Version, missing
from dev.soak.promises import changed
from dev.soak.settled import restless

_TIME = "2026-11-25T10:00:00Z"
Object = dict[str, Any]


def _object(number: int, synced: str = "True", *, uid: str = "u", name: str = "ref") -> Object:
    condition = {"type": "Synced", "status": synced, "reason": "R", "message": "M.", "lastTransitionTime": _TIME}
    metadata = {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(number), "generation": 1}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


class _Away:
    """Stands for a client whose API server never comes back."""

    def list(self, _: str) -> None:
        raise TimeoutError("away")


def test_a_history_that_has_ended_says_so() -> None:
    """Nobody judges the part that there is."""
    history = History(cast("Client", _Away()))
    for thread in threading.enumerate():
        if thread.name == "history":
            thread.join()
    with pytest.raises(RuntimeError, match="the soak's watch for its history has ended"):
        history.versions()


def test_what_a_history_lacks() -> None:
    """A version that is listed, or an object; not one that has been replaced meanwhile."""
    versions = {"u": [Version(1.0, _object(8), follows=False)]}
    assert missing([_object(7), _object(8)], versions) == []
    assert missing([_object(9), _object(3, uid="v", name="other")], versions) == ["ns/ref", "ns/other"]


@pytest.mark.parametrize(
    ("synced", "late", "patches", "has_rivals", "is_restless"),
    [
        ("True", 0, 0, False, False),
        ("True", 1, 1, False, True),
        ("True", 0, 1, False, True),
        ("Unknown", 1, 1, False, True),
        ("False", 1, 1, False, False),
        ("False", 2, 2, False, True),
        ("False", 0, 2, False, True),
        ("False", 4, 4, True, False),
        ("True", 1, 1, True, True),
    ],
)
def test_quiet(synced: str, late: int, patches: int, has_rivals: bool, is_restless: bool) -> None:
    """A status that is right is written no more; one that tells of a failure once, for what time alone changes."""
    versions = [Version(float(number), _object(number, synced), number > 0) for number in range(-3, late + 1)]
    assert (restless(versions, 0.0, patches, has_rivals=has_rivals) is not None) == is_restless


def test_what_is_gone_is_quiet() -> None:
    """Whatever was written before."""
    assert restless([Version(5.0, _object(1), follows=True, is_last=True)], 0.0, 3, has_rivals=False) is None


def test_conditions_that_are_put_right() -> None:
    """With their words and times, but where two operators agree on new ones; others are not looked at."""
    before = {"ns/ref": conditions.by_type(_object(1)["status"])}
    assert changed([_object(2), _object(2, "False", name="other")], before, has_rivals=False) == {}
    later = _object(2)
    later["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-25T10:00:09Z"
    assert list(changed([later], before, has_rivals=False)) == ["ns/ref"]
    assert changed([later], before, has_rivals=True) == {}
    assert list(changed([_object(2, "False")], before, has_rivals=True)) == ["ns/ref"]
    assert list(changed([{**_object(2), "status": {}}], before, has_rivals=True)) == ["ns/ref"]


def test_metrics_that_say_nothing() -> None:
    """A metric that is not there is no zero."""
    assert pending("astra_mirror_status_pending 0.0\n") is None
    assert pending("astra_mirror_status_pending 2.0\n") == "astra_mirror_status_pending 2.0"
    assert pending("astra_mirror_status_pending_other 0.0\n") == "has no metric of the statuses that wait"


def test_an_event_with_a_token() -> None:
    """In any part of it."""
    event = {"reason": "Synced", "note": "words", "regarding": {"namespace": "ns", "name": "ref"}}
    assert leak(event, ("the-token",)) is None
    assert leak(event | {"metadata": {"name": "ref.the-token"}}, ("the-token",)) is not None


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "ERROR asyncio: Task was destroyed but it is pending!",
        "ERROR asyncio: Unclosed client session",
        "ResourceWarning: unclosed transport <_SelectorSocketTransport fd=9>",
        "Exception ignored in: <function _Loop.__del__>",
        "Fatal Python error: Segmentation fault",
    ],
)
def test_lines_of_a_defect(line: str) -> None:
    """Each kind."""
    assert bad_lines(f"INFO: started\n{line}\n") is not None


def test_lines_of_no_defect() -> None:
    """What is only said."""
    assert bad_lines("INFO: started\nWARNING: the Secret is unclosed YAML\n") is None
