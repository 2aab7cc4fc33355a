"""The soak's own watch tells of every deletion, also of one that it has missed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from dev.soak.client import ExpiredError
from dev.soak.history import History
from dev.soak.watch import Watch

_SECONDS: Final = 10.0
Object = dict[str, Any]


def _item(uid: str, version: int) -> Object:
    return {"metadata": {"namespace": "ns", "name": uid, "uid": uid, "resourceVersion": str(version)}}


class _Client:
    """An API server that has forgotten every version after one event: each list is another one."""

    def __init__(self, *lists: list[Object], event: Object) -> None:
        self._lists = list(lists)
        self._event = event
        self.is_done = threading.Event()
        self.may_end = threading.Event()

    def list(self, _: str) -> tuple[list[Object], str]:
        return self._lists.pop(0), "1"

    @contextmanager
    def watch(self, _: str, __: str, *, silence: float) -> Iterator[Iterator[Object]]:
        if not self._lists:
            self.is_done.set()
            self.may_end.wait(silence)
        yield iter([self._event])
        raise ExpiredError


def test_a_deletion_that_was_missed() -> None:
    """The object was in one list, or came later, and is in the next list no more."""
    added = {"type": "ADDED", "object": _item("c", 3)}
    client: Any = _Client([_item("a", 1), _item("b", 2)], [_item("b", 2)], event=added)
    taken: list[tuple[str, bool]] = []

    def take(item: Object, *, follows: bool, is_last: bool = False) -> None:
        del follows
        taken.append((item["metadata"]["uid"], is_last))

    watch = Watch(client, "", take, name="test")
    assert client.is_done.wait(_SECONDS)
    watch.stop()
    client.may_end.set()
    assert taken[:3] == [("a", False), ("b", False), ("c", False)]
    assert sorted(taken[3:]) == [("a", True), ("b", False), ("c", True)]


def test_a_deletion_that_was_missed_is_in_the_history() -> None:
    """It is the last version once more."""
    added = {"type": "ADDED", "object": _item("c", 3)}
    client: Any = _Client([_item("a", 1)], [], event=added)
    history = History(client)
    assert client.is_done.wait(_SECONDS)
    history.stop()
    client.may_end.set()
    versions = history.versions()
    assert [(each.number, each.is_last) for each in versions["a"]] == [("1", False), ("1", True)]
    assert [(each.number, each.is_last) for each in versions["c"]] == [("3", False), ("3", True)]
