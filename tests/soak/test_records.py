"""What is recorded is recorded to the end, or the soak itself fails; and what is judged beside versions is judged."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from dev.soak import conditions
from dev.soak.client import Answer, Client
from dev.soak.ends import bad_lines, pending
from dev.soak.events import leak
from dev.soak.history import History, Version, missing
from dev.soak.quiet import restless

_TIME = "2026-11-25T10:00:00Z"
Object = dict[str, Any]


def _object(number: int, synced: str = "True", *, reason: str = "R", uid: str = "u", name: str = "ref") -> Object:
    condition = {"type": "Synced", "status": synced, "reason": reason, "message": "M.", "lastTransitionTime": _TIME}
    metadata = {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(number), "generation": 1}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


class _Away(Client):
    """A client whose API server never comes back."""

    def __init__(self) -> None:
        """It needs no control plane."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        raise TimeoutError(f"{method} {path} {body}")


def test_a_history_that_has_ended_says_so() -> None:
    """Nobody judges the part that there is."""
    history = History(_Away())
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
    ("synced", "late", "patches", "is_quiet"),
    [
        ("True", 0, 0, True),
        ("True", 1, 1, False),
        ("True", 0, 1, False),
        ("Unknown", 1, 1, False),
        ("False", 1, 1, True),
        ("False", 0, 1, True),
        ("False", 2, 2, False),
        ("False", 0, 2, False),
    ],
)
def test_quiet(synced: str, late: int, patches: int, *, is_quiet: bool) -> None:
    """A status that is right is written no more; one that tells of a failure once, for what time alone changes."""
    versions = [Version(float(number), _object(number, synced), number > -3) for number in range(-3, late + 1)]
    assert (restless(versions, 0.0, patches, set(), has_rivals=False) is None) == is_quiet


def test_what_is_no_quiet() -> None:
    """Another failure than before."""
    versions = [Version(0.0, _object(1, "False", reason="A"), follows=True)]
    versions.append(Version(1.0, _object(2, "False", reason="B"), follows=True))
    assert restless(versions, 0.0, 1, set(), has_rivals=False) is not None
    assert restless(versions, 0.0, 1, set(), has_rivals=True) is None


def test_the_quiet_of_two_operators() -> None:
    """They may differ about failures until each has found out, and about what is suspended; about nothing else."""
    right = [Version(at, _object(int(at) + 9), follows=True) for at in (-9.0, 1.0)]
    assert restless(right, 0.0, 1, set(), has_rivals=True) is not None
    failed = [Version(-99.0, _object(0, "False"), follows=True), *right]
    assert restless(failed, 0.0, 1, set(), has_rivals=True) is None
    long_ago = [Version(-300.0, _object(0, "False"), follows=True), Version(-200.0, _object(1), follows=True), *right]
    assert restless(long_ago, 0.0, 1, set(), has_rivals=True) is not None
    suspended = [Version(-99.0, _object(0, "Unknown", reason="Suspended"), follows=True), *right]
    assert restless(suspended, 0.0, 1, set(), has_rivals=True) is None
    assert restless(suspended, 0.0, 1, set(), has_rivals=False) is not None


def test_a_lie_has_consequences() -> None:
    """For a while."""
    versions = [Version(at, _object(int(at)), follows=True) for at in (-60.0, 1.0)]
    assert restless(versions, 0.0, 1, {"-60"}, has_rivals=False) is None
    versions[0] = Version(-160.0, _object(-160), follows=True)
    assert restless(versions, 0.0, 1, {"-160"}, has_rivals=False) is not None


def test_what_is_gone_is_quiet() -> None:
    """Whatever was written before."""
    assert restless([Version(5.0, _object(1), follows=True, is_last=True)], 0.0, 3, set(), has_rivals=False) is None


def test_conditions_that_are_put_right() -> None:
    """With their words and times, but where two operators agree on new ones."""
    before, later = _object(1)["status"], _object(2)["status"]
    assert conditions.changes(before, later, has_rivals=False) == []
    later["conditions"][0]["lastTransitionTime"] = "2026-11-25T10:00:09Z"
    assert len(conditions.changes(before, later, has_rivals=False)) == 1
    assert conditions.changes(before, later, has_rivals=True) == []
    assert len(conditions.changes(before, _object(2, "False")["status"], has_rivals=True)) == 1
    assert len(conditions.changes(before, {}, has_rivals=True)) == 1


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
