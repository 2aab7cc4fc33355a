"""A watch of the soak's own, in a thread: it lists, watches, and goes on after each end until it is stopped.

A judge that sees only a part of what happened finds nothing and calls it clean. So a watch that has ended by itself
says so when its owner asks.
"""

import http.client
import threading
from typing import Any, Final, Protocol

from dev.soak.client import Client, ExpiredError

_SILENCE_SECONDS: Final = 75.0
_PAUSE_SECONDS: Final = 0.2


class Take(Protocol):
    """Takes in an object. `follows` is false for one from a list, before which others may have been missed."""

    def __call__(self, item: dict[str, Any], *, follows: bool, is_last: bool = False) -> None:
        """Take it in; `is_last` when the object was deleted."""


class Watch:
    """Reports what a watch sees, from the moment on that it is made until it is stopped.

    Args:
        client: the way to the API server.
        path: what is watched.
        take: called in the watch's thread.
        name: the thread's.
    """

    def __init__(self, client: Client, path: str, take: Take, *, name: str) -> None:
        self._client = client
        self._path = path
        self._take = take
        self._stop = threading.Event()
        self._version = ""
        self._there: dict[str, dict[str, Any]] = {}
        self._failure: Exception | None = None
        self._name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop recording."""
        self._stop.set()

    def check(self) -> None:
        """See that it still runs.

        Raises:
            RuntimeError: it has ended by itself.
        """
        if self._failure is not None:
            raise RuntimeError(f"the soak's watch for its {self._name} has ended") from self._failure

    def _run(self) -> None:
        try:
            self._follow_all()
        except Exception as error:  # noqa: BLE001 - reported by check()
            self._failure = error

    def _follow_all(self) -> None:
        """List, watch, and watch on after each end, until the API server does not know the version any more."""
        while not self._stop.is_set():
            if not self._version:
                items, self._version = self._client.list(self._path)
                self._take_list({item["metadata"]["uid"]: item for item in items})
            try:
                self._follow()
            except ExpiredError:
                self._version = ""
            except (OSError, http.client.HTTPException, ValueError):
                self._stop.wait(_PAUSE_SECONDS)

    def _take_list(self, items: dict[str, dict[str, Any]]) -> None:
        """Take in what is there now; what was there and is not any more has been deleted unseen."""
        for uid in self._there.keys() - items.keys():
            self._take(self._there[uid], follows=False, is_last=True)
        for item in items.values():
            self._take(item, follows=False)
        self._there = items

    def _follow(self) -> None:
        with self._client.watch(self._path, self._version, silence=_SILENCE_SECONDS) as events:
            for event in events:
                item, is_last = event["object"], event["type"] == "DELETED"
                if event["type"] != "BOOKMARK":
                    self._take(item, follows=True, is_last=is_last)
                    self._there[item["metadata"]["uid"]] = item
                if is_last:
                    del self._there[item["metadata"]["uid"]]
                self._version = item["metadata"]["resourceVersion"]
