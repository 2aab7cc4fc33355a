"""Every version that an object ever had, as a watch saw them; and what must be true of each, and of each next one."""

import json
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from tests.invariants import check_status

_SECONDS: Final = 60.0
Version = dict[str, Any]


class History:
    """Records the versions of one object. Made by User.history."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self._process = process
        self._name = name
        self._changed = threading.Condition()
        self._versions: list[Version] = []
        self._deleted = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            event = json.loads(line)
            if event["object"]["metadata"]["name"] == self._name:
                with self._changed:
                    self._versions.append(event["object"])
                    self._deleted = event["type"] == "DELETED"
                    self._changed.notify_all()

    @property
    def versions(self) -> list[Version]:
        """What has been seen so far, oldest first."""
        with self._changed:
            return list(self._versions)

    def until(self, holds: Callable[[Version], bool]) -> list[Version]:
        """The versions up to now, once the last one is such."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._versions) and holds(self._versions[-1]), _SECONDS):
                raise TimeoutError(f"the last of {len(self._versions)} versions: {self._versions[-1:]}")
        return self.versions

    def until_deleted(self) -> list[Version]:
        """All versions, once the object is gone."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._deleted, _SECONDS):
                raise TimeoutError("the object was not deleted")
        return self.versions


def check_history(versions: list[Version], targets: dict[int, str]) -> None:
    """Assert what must be true of every version, and between each and the next.

    Args:
        versions: oldest first.
        targets: by generation, the name of the backup that the ref names from that generation on.
    """
    before: dict[str, dict[str, Any]] = {}
    for version in versions:
        status = version["status"]
        if status["observedGeneration"] < 0:
            continue
        check_status(status)
        assert status["observedGeneration"] <= version["metadata"]["generation"]
        shown = status.get("backup", {}).get("name")
        named = max(each for each in targets if each <= status["observedGeneration"])
        assert shown in {None, targets[named]}, "data of another backup under this generation"
        now = {each["type"]: each for each in status["conditions"]}
        for kind, condition in now.items():
            old = before.get(kind)
            if old is not None and old["status"] == condition["status"]:
                assert old["lastTransitionTime"] == condition["lastTransitionTime"], "a time that moves by itself"
        before = now


def changes(versions: list[Version], kind: str) -> list[tuple[str, str]]:
    """How a condition went: each status and reason that differs from the one before."""
    found: list[tuple[str, str]] = []
    for version in versions:
        for condition in version["status"].get("conditions", ()):
            pair = (condition["status"], condition["reason"])
            if condition["type"] == kind and found[-1:] != [pair]:
                found.append(pair)
    return found
