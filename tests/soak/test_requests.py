"""What is judged of the operators' own requests, as the fault proxies have logged them."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from dev.faultproxy.faults import Request, Requests
from dev.soak import told, writes
from dev.soak.actions import Action, Script
from dev.soak.client import ref_path

_STATUS: Final = ref_path("ns", "ref", "status")
_EVENTS: Final = "/apis/events.k8s.io/v1/namespaces/ns/events"
_QUIET: Final = Script(1, 60.0, "one", ())


def _request(
    at: float, ended: float | None, path: str = _STATUS, *, method: str = "PATCH", status: int = 200
) -> Request:
    return Request(method, path, "", at=at, status=status, ended=ended)


def _stage(requests: Sequence[Request], *processes: SimpleNamespace) -> Any:
    log = Requests()
    for each in requests:
        log.append(each)
    return SimpleNamespace(processes=processes, slots=[SimpleNamespace(proxy=SimpleNamespace(requests=log))])


def _process(started_at: float = 0.0, ended_at: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(name="one", slot=0, started_at=started_at, ended_at=ended_at)


def _overlaps(*requests: Request) -> list[str]:
    return [each.text for each in writes.check(_stage(requests, _process()))]


def test_writes_of_one_object_that_overlap() -> None:
    """The second comes while the first is under way, or before it has ended at all."""
    said = ["one has written again after 2.0s, with one under way"]
    assert _overlaps(_request(10.0, 13.0), _request(12.0, 14.0)) == said
    assert _overlaps(_request(10.0, None), _request(12.0, 14.0)) == said


def test_writes_that_do_not_overlap() -> None:
    """One after the other, of two objects, no writes of a status, or seen a moment late."""
    other = ref_path("ns", "other", "status")
    assert _overlaps(_request(10.0, 12.0), _request(12.0, 14.0)) == []
    assert _overlaps(_request(10.0, 12.4), _request(12.0, 14.0)) == []
    assert _overlaps(_request(10.0, 13.0), _request(12.0, 14.0, other)) == []
    assert _overlaps(_request(10.0, 13.0, ref_path("ns", "ref")), _request(12.0, 14.0, ref_path("ns", "ref"))) == []
    assert _overlaps(_request(10.0, 13.0, method="GET"), _request(12.0, 14.0, method="GET")) == []


def test_a_write_of_another_object_of_the_same_name() -> None:
    """It was made anew, perhaps long before a process whose watch has missed that writes the one before."""
    old, new = _request(10.0, 13.0), _request(12.0, 14.0)
    old.uid, new.uid = "1", "2"
    assert _overlaps(old, new) == []
    new.uid = "1"
    assert len(_overlaps(old, new)) == 1


def test_writes_without_an_answer() -> None:
    """By the object that they are about."""
    stage = _stage([_request(10.0, 13.0), _request(12.0, 14.0, status=0), _request(15.0, None, status=0)])
    assert writes.unanswered(stage) == {"ns/ref": [12.0, 15.0]}


def test_writes_of_two_processes() -> None:
    """What one has left under way the next knows nothing of."""
    requests = [_request(10.0, None), _request(12.0, 14.0)]
    assert writes.check(_stage(requests, _process(ended_at=11.0), _process(started_at=11.5))) == []


def test_an_event_that_is_invalid() -> None:
    """The API server has refused it."""
    events = [_request(1.0, 1.1, _EVENTS, method="POST", status=status) for status in (201, 422)]
    found = told.check(_stage(events), _QUIET)
    assert [(each.invariant, each.text) for each in found] == [("each Event is valid", "1 of 2 Events were invalid")]


def test_events_that_are_not_found() -> None:
    """They were taken, the refusal is another one, or a fault of the script may have made it."""
    events = [_request(1.0, 1.1, _EVENTS, method="POST", status=status) for status in (201, 403, 500)]
    assert told.check(_stage(events), _QUIET) == []
    invalid = [_request(1.0, 1.1, _EVENTS, method="POST", status=422)]
    faults = (Action(1.0, "network", "api-fault", {"kind": "status", "status": 422}),)
    assert told.check(_stage(invalid), Script(1, 60.0, "one", faults)) == []
