"""Each version that each ref ever had, as a watch at the API server itself has seen them."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dev.soak.client import REFS, Client
from dev.soak.watch import Watch

_LATE_SECONDS: Final = 30.0
"""For how long the watch may be behind: it may have to begin anew."""
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `follows` is true when the one before it in the list is the one that it has replaced.

    `is_last`: the object was deleted; where that was not seen, it is the version before once more.
    """

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
        self._watch = Watch(client, REFS, self._take, name="history")

    def stop(self) -> None:
        """Stop recording."""
        self._watch.stop()

    def versions(self) -> dict[str, list[Version]]:
        """By uid, oldest first.

        Raises:
            RuntimeError: the recording has ended by itself.
        """
        self._watch.check()
        with self._guard:
            return {uid: list(each) for uid, each in self._versions.items()}

    def until_complete(self) -> None:
        """Wait until it has the versions that the API server has.

        Raises:
            RuntimeError: it does not get them: nothing that is judged by it counts.
        """
        items, _ = self._client.list(REFS)
        deadline = time.monotonic() + _LATE_SECONDS
        while missed := missing(items, self.versions()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the history lacks versions that the API server has, of {', '.join(missed[:5])}")
            time.sleep(_LOOK_SECONDS)

    def _take(self, item: dict[str, Any], *, follows: bool, is_last: bool = False) -> None:
        with self._guard:
            known = self._versions[item["metadata"]["uid"]]
            if known and known[-1].number == item["metadata"]["resourceVersion"] and not is_last:
                return
            known.append(Version(time.time(), item, follows and bool(known), is_last))


def missing(items: Iterable[Mapping[str, Any]], versions: Mapping[str, list[Version]]) -> list[str]:
    """The names of the objects in a list of which these versions end before the one that is listed."""
    found = []
    for item in items:
        metadata = item["metadata"]
        known = versions.get(metadata["uid"], [])
        # Versions count upwards in all objects together; a later one says that the listed one has been replaced.
        if all(int(each.number) < int(metadata["resourceVersion"]) for each in known):
            found.append(f"{metadata['namespace']}/{metadata['name']}")
    return found
