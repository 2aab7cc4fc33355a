"""What is promised in seconds, tried at the end of a run, when nothing else is going on."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dev.soak import conditions
from dev.soak.doing.lies import lie
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.settled import wait_for
from dev.soak.stage import Stage
from dev.soak.truth import Oracle, World

_LIES: Final = ("wipe", "completed", "no-ready", "foreign", "times")
_REPAIR_SECONDS: Final = 5.0
_BACK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 15.0
"""The shortened interval for settled backups with its jitter, and the time that a poll and a write may take."""
_LEASE_SECONDS: Final = 20.0
"""Until a Lease that was lost meanwhile has a holder again: only then the seconds count."""
_AWAY_SECONDS: Final = 10.0
_SLACK_SECONDS: Final = 1.5
"""For the looking, and for a machine that does all this at once."""
_RECENT_SECONDS: Final = 75.0
_SEEN_SECONDS: Final = 120.0
_MOVED: Final = 5
Conditions = Mapping[str, Mapping[str, Any]]


class Promises:
    """Tries them; each gives what was broken. `tried` counts by name the refs that each was tried on."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self._oracle = Oracle(stage.astra, stage.seed)
        self.tried: Counter[str] = Counter()

    def polled(self) -> list[Finding]:
        """Each backup that is asked for with one of the shortened intervals is asked for again and again."""
        refs = [each for each in self._untouched() if _is_asked_soon(each) and self._is_served(each)]
        targets = {each.status["target"]["backupID"]: each.status["target"] for each in refs}
        for target in targets.values():
            self._serve(target, name=f"soak {target['backupID'][:8]} #polled")
        self.tried["polls"] += len(refs)
        return self._until_right([each.name for each in refs], _POLL_SECONDS, "each ref is polled in its interval")

    def repair(self) -> list[Finding]:
        """A status that somebody has changed or wiped is put right within 5 s, the times of its conditions included."""
        before: dict[str, Conditions] = {}
        # Others may still show what their backups were before `polled`.
        refs = [each for each in self._untouched() if _is_asked_soon(each)]
        for version, how in zip(refs, _LIES, strict=False):
            namespace, name = version.name.split("/")
            if lie(self._stage.client, namespace, name, how):
                before[version.name] = conditions.by_type(version.status)
        self.tried["repairs"] += len(before)
        return self._until_right(list(before), _REPAIR_SECONDS, "a status is put right within 5 s", before)

    def comeback(self) -> list[Finding]:
        """When the API server was away, every status is right within 5 s of its return."""
        refs = [each for each in self._untouched() if each.status.get("state") == "completed"]
        moved = [each for each in refs if _is_asked_soon(each) and self._is_served(each)][:_MOVED]
        self._stage.plane.stop_apiserver()
        try:
            for each in moved:
                target = each.status["target"]
                self._serve(target, state="removed", name=f"soak {target['backupID'][:8]} #removed")
            # Long enough that a settled backup is asked for meanwhile, with the shortened interval.
            time.sleep(_AWAY_SECONDS)
        finally:
            self._stage.plane.start_apiserver()
        self.tried["comebacks"] += len(moved)
        seconds = _BACK_SECONDS + (_LEASE_SECONDS if self._stage.topology == "elected" else 0.0)
        names = [each.name for each in moved]
        return self._until_right(names, seconds, "each status is right within 5 s of the API server's return")

    def _serve(self, target: dict[str, str], **fields: str) -> None:
        """Let Astra Control serve another document of a backup."""
        backup = self._stage.astra.backups[_key(target)]
        self._stage.serve(backup, {**self._stage.documents[backup.id][-1], **fields})

    def _is_served(self, version: Version) -> bool:
        """Whether its backup is one that the soak lets Astra Control serve."""
        target = version.status.get("target")
        backup = self._stage.astra.backups.get(_key(target)) if target else None
        return backup is not None and backup.raw is not None

    def _untouched(self) -> list[Version]:
        """The latest version of each ref that is Synced, and that nobody has meddled with for more than a minute."""
        own, now = self._stage.client.own.versions | self._stage.client.own.edits, time.time()
        found = []
        for versions in self._history.versions().values():
            meddled = [each.at for each in versions if each.number in own]
            last = versions[-1]
            is_quiet = now - max(meddled, default=0.0) > _RECENT_SECONDS
            if is_quiet and not last.is_last and "state" in last.status and _is_synced(last.status):
                found.append(last)
        return found

    def _until_right(
        self, names: list[str], seconds: float, invariant: str, before: Mapping[str, Conditions] | None = None
    ) -> list[Finding]:
        """What is wrong with these refs after so many seconds; `before` has conditions that must be there again."""
        wrong: dict[str, list[str]] = {}

        def is_right() -> bool:
            wrong.clear()
            world = World.read(self._stage.client, time.time())
            wrong.update(self._oracle.wrong(world))
            wrong.update(changed(world.refs, before or {}, has_rivals=self._stage.topology == "pair"))
            return not wrong.keys() & set(names)

        if wait_for(is_right, seconds + _SLACK_SECONDS):
            return []
        return [Finding(invariant, name, "; ".join(wrong[name])) for name in names if name in wrong]


def changed(
    refs: Iterable[Mapping[str, Any]], before: Mapping[str, Conditions], *, has_rivals: bool
) -> dict[str, list[str]]:
    """By ref, which conditions are not what they were.

    Args:
        refs: the objects.
        before: by namespace and name, conditions by their types.
        has_rivals: whether two operators write them, which may agree on other times than before.
    """
    parts = ("status", "reason") if has_rivals else ("status", "reason", "message", "lastTransitionTime")
    found = {}
    for ref in refs:
        name = "/".join(ref["metadata"][each] for each in ("namespace", "name"))
        if name not in before:
            continue
        now, old = conditions.by_type(ref.get("status") or {}), before[name]
        texts = [
            f"the condition {kind} was {old.get(kind)} and is {now.get(kind)}"
            for kind in sorted(now.keys() | old.keys())
            if any(now.get(kind, {}).get(each) != old.get(kind, {}).get(each) for each in parts)
        ]
        if texts:
            found[name] = texts
    return found


def _key(target: Mapping[str, str]) -> tuple[str, str, str]:
    return target["accountID"], target["appID"], target["backupID"]


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
