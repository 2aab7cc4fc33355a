"""What of the watches' events reaches the engine."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from astra_mirror.cluster.feed import Feed

OBJECT: Mapping[str, Any] = {
    "metadata": {"uid": "u", "resourceVersion": "1", "name": "a", "namespace": "shop", "generation": 1}
}


class Engine:
    """An engine that knows the versions in `known`, and has a defect if `fails`."""

    def __init__(self, *known: str, fails: bool = False) -> None:
        self._known, self._fails = known, fails
        self.calls: list[object] = []

    def seen(self, body: Mapping[str, Any], *, listed_at: float | None = None) -> None:
        """Record it."""
        if self._fails:
            raise RuntimeError
        self.calls.append((body["metadata"]["resourceVersion"], listed_at))

    def deleted(self, uid: str, namespace: str) -> None:
        """Record it."""
        self.calls.append((uid, namespace))

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """By its version."""
        return metadata["resourceVersion"] not in self._known


def _fed(engine: Engine, kind: str | None) -> list[object]:
    fed: Any = engine
    Feed(fed).take({"type": kind, "object": OBJECT}, 7.0)
    return engine.calls


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(None, ("1", 7.0)), ("ADDED", ("1", None)), ("MODIFIED", ("1", None)), ("DELETED", ("u", "shop"))],
)
def test_an_event_reaches_the_engine(kind: str | None, expected: object) -> None:
    """Only an object of a list comes with the time at which the list was requested."""
    assert _fed(Engine(), kind) == [expected]


def test_an_echo_does_not() -> None:
    """A version that is known; but a list, and an object that has come back, count all the same."""
    assert _fed(Engine("1"), "MODIFIED") == []
    assert len(_fed(Engine("1"), None) + _fed(Engine("1"), "ADDED")) == 2


def test_a_defect_is_logged_for_the_objects_namespace(caplog: pytest.LogCaptureFixture) -> None:
    """And ends nothing. The lines of a namespace are limited."""
    _fed(Engine(fails=True), "ADDED")
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "The object shop/a could not be taken in")
    assert (vars(record)["namespace"], record.exc_info is not None) == ("shop", True)
