"""Each version that each ref ever had, as a watch at the API server itself has seen them."""

import http.client
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from dev.soak.client import REFS, Client, ExpiredError

_SILENCE_SECONDS: Final = 75.0
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `follows` is true when the one before it in the list is the one that it has replaced."""

    at: float
    object: dict[str, Any]
    follows: bool
    is_last: bool = False

    @property
    def status(self) -> dict[str, Any]:
        """Its status; empty where there is none."""
        found: dict[str, Any] = self.object.get("status") or {}
        return found

    @property
    def number(self) -> str:
        """Its resource version."""
        return str(self.object["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        """Its generation."""
        return int(self.object["metadata"]["generation"])

    @property
    def name(self) -> str:
        """Namespace and name."""
        return "/".join(self.object["metadata"][each] for each in ("namespace", "name"))


class History:
    """Records from the moment on that it is made until it is stopped. Safe for use from several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._guard = threading.Lock()
        self._versions: defaultdict[str, list[Version]] = defaultdict(list)
        self._stop = threading.Event()
        self._last_change = time.time()
        self._version = ""
        self._thread = threading.Thread(target=self._record, name="history", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more up."""
        self._stop.set()

    def versions(self) -> dict[str, list[Version]]:
        """By uid, oldest first."""
        with self._guard:
            return {uid: list(each) for uid, each in self._versions.items()}

    @property
    def last_change(self) -> float:
        """When the last version came."""
        with self._guard:
            return self._last_change

    def _record(self) -> None:
        """List, watch, and watch on after each end, until the API server does not know the version any more."""
        while not self._stop.is_set():
            if not self._version:
                items, self._version = self._client.list(REFS)
                for item in items:
                    self._take(item, follows=False)
            try:
                self._follow()
            except ExpiredError:
                self._version = ""
            except (OSError, http.client.HTTPException, ValueError):
                self._stop.wait(_PAUSE_SECONDS)

    def _follow(self) -> None:
        """Take up what a watch says."""
        with self._client.watch(REFS, self._version, silence=_SILENCE_SECONDS) as events:
            for event in events:
                if event["type"] != "BOOKMARK":
                    self._take(event["object"], follows=True, is_last=event["type"] == "DELETED")
                self._version = event["object"]["metadata"]["resourceVersion"]

    def _take(self, item: dict[str, Any], *, follows: bool, is_last: bool = False) -> None:
        with self._guard:
            known = self._versions[item["metadata"]["uid"]]
            if known and known[-1].number == item["metadata"]["resourceVersion"]:
                return
            self._last_change = time.time()
            known.append(Version(self._last_change, item, follows and bool(known), is_last))
