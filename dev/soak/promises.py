"""What is promised in seconds, tried at the end of a run, when nothing else is going on."""

import time
from typing import Any, Final

from dev.soak.doing.lies import lie
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.settled import wait_for
from dev.soak.stage import Stage
from dev.soak.truth import Oracle, World

_LIES: Final = ("wipe", "completed", "no-ready", "foreign", "times")
_REPAIR_SECONDS: Final = 5.0
_BACK_SECONDS: Final = 5.0
_LEASE_SECONDS: Final = 20.0
"""Until a Lease that was lost meanwhile has a holder again: only then the seconds count."""
_AWAY_SECONDS: Final = 10.0
_SLACK_SECONDS: Final = 1.5
"""For the looking, and for a machine that does all this at once."""
_RECENT_SECONDS: Final = 75.0
_SEEN_SECONDS: Final = 120.0


class Promises:
    """Tries them; each gives what was broken."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self._oracle = Oracle(stage.astra, stage.seed)

    def repair(self) -> list[Finding]:
        """A status that somebody has changed or wiped is put right within 5 s."""
        refs = self._untouched()[: len(_LIES)]
        for version, how in zip(refs, _LIES, strict=False):
            namespace, name = version.name.split("/")
            lie(self._stage.client, namespace, name, how)
        names = [each.name for each in refs]
        return self._until_right(names, _REPAIR_SECONDS, "a status is put right within 5 s")

    def comeback(self) -> list[Finding]:
        """When the API server was away, every status is right within 5 s of its return."""
        refs = self._untouched()
        moved = [each for each in refs if each.status.get("state") == "completed" and _is_asked_soon(each)][:5]
        self._stage.plane.stop_apiserver()
        try:
            for each in moved:
                self._change(each.status["target"])
            # Long enough that a settled backup is asked for meanwhile, with the shortened interval.
            time.sleep(_AWAY_SECONDS)
        finally:
            self._stage.plane.start_apiserver()
        names = [each.name for each in moved]
        seconds = _BACK_SECONDS + (_LEASE_SECONDS if self._stage.topology == "elected" else 0.0)
        return self._until_right(names, seconds, "each status is right within 5 s of the API server's return")

    def _change(self, target: dict[str, str]) -> None:
        key = (target["accountID"], target["appID"], target["backupID"])
        backup = self._stage.astra.backups[key]
        document = {**self._stage.documents[key[2]][-1], "state": "removed", "name": f"soak {key[2][:8]} #removed"}
        self._stage.serve(backup, document)

    def _untouched(self) -> list[Version]:
        """Refs that are Synced, and that nobody has meddled with for more than a minute; of each namespace some."""
        own, now = self._stage.client.own.versions | self._stage.client.own.edits, time.time()
        found = []
        for versions in self._history.versions().values():
            meddled = [each.at for each in versions if each.number in own]
            last = versions[-1]
            is_quiet = now - max(meddled, default=0.0) > _RECENT_SECONDS
            if is_quiet and not last.is_last and "state" in last.status and _is_synced(last.status):
                found.append(last)
        return found

    def _until_right(self, names: list[str], seconds: float, invariant: str) -> list[Finding]:
        wrong: dict[str, list[str]] = {}

        def is_right() -> bool:
            wrong.clear()
            wrong.update(self._oracle.wrong(World.read(self._stage.client, time.time())))
            return not wrong.keys() & set(names)

        if wait_for(is_right, seconds + _SLACK_SECONDS):
            return []
        return [Finding(invariant, name, "; ".join(wrong[name])) for name in names if name in wrong]


def _is_asked_soon(version: Version) -> bool:
    """Whether the shortened interval for settled backups is the one in force."""
    return bool(version.object["spec"].get("interval") != "1m0s")


def _is_synced(status: dict[str, Any]) -> bool:
    return any(each["type"] == "Synced" and each["status"] == "True" for each in status.get("conditions", []))


def seen(history: History) -> list[Finding]:
    """Each object has conditions two minutes after it was made, whatever is broken meanwhile."""
    found = []
    for versions in history.versions().values():
        first = versions[0]
        served = [each.at for each in versions if len(each.status.get("conditions", [])) >= 4]
        last = max(each.at for each in versions)
        since = (min(served) if served else last) - first.at
        if since > _SEEN_SECONDS:
            text = f"had no conditions for {since:.0f}s"
            found.append(Finding("an object has conditions soon", first.name, text, first.at, tuple(versions[:3])))
    return found
