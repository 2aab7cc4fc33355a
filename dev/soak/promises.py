"""What is promised in seconds, tried at the end of a run, when nothing else is going on."""

import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final

from dev.faultproxy import Fault, FaultProxy
from dev.soak import conditions
from dev.soak.client import ref_path
from dev.soak.doing import operators, tenant
from dev.soak.doing.lies import lie
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.people import STILL
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
_MOVED: Final = 8
"""Refs whose backup moves: so few that no namespace's writes count as refused one and all."""
_WARM_SECONDS: Final = 12.0
"""For one that is settled, with the shortened interval."""
_REFUSED_SECONDS: Final = 4.0
_AFTER_REFUSAL_SECONDS: Final = 10.0
"""Tried again after 1, 2 and 4 s; see docs/reference.md, Writes."""
_HUNG_SECONDS: Final = 3.0
_BESIDE_HUNG_SECONDS: Final = 5.0
_WRITTEN: Final = 5
_UNREADABLE_SECONDS: Final = 45.0
"""Ten count for the list, three for the Secret alone; the rest is for a start, and for a Lease."""
_SLOTS: Final = 16
"""Of the status writer."""
_SEEN_SECONDS: Final = 120.0


class Promises:
    """Tries them; each gives what was broken. `tried` counts by name the refs that some were tried on."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self._oracle = Oracle(stage.astra, stage.seed)
        self._moves = 0
        self.tried: Counter[str] = Counter()

    def repair(self) -> list[Finding]:
        """A status that somebody has changed or wiped is put right within 5 s, the times of transition included."""
        before = {}
        for version, how in zip(self._untouched(), _LIES, strict=False):
            namespace, name = version.name.split("/")
            if lie(self._stage.client, namespace, name, how):
                before[version.name] = version.status
        self.tried["repairs"] = len(before)
        return self._until_right(before.keys(), _REPAIR_SECONDS, "a status is put right within 5 s", before)

    def polled(self) -> list[Finding]:
        """Each ref that is polled with one of the shortened intervals is polled on."""
        refs = list(filter(_is_asked_soon, self._untouched()))
        self._move(refs, "polled")
        self.tried["polls"] = len(refs)
        return self._until_right(_names(refs), _POLL_SECONDS, "each ref is polled in its interval")

    def comeback(self) -> list[Finding]:
        """When the API server was away, every status is right within 5 s of its return.

        Some were being written when it went: their calls end in an error, after which they would wait for a while.
        """
        refs = list(filter(_is_asked_soon, self._untouched()))
        written, moved = refs[:_WRITTEN], refs[_WRITTEN : 2 * _WRITTEN]
        with self._fault(kind="hang"):
            self._move(written, "written", state="removed")
            # Long enough that a settled backup is asked for meanwhile, with the shortened interval.
            time.sleep(_AWAY_SECONDS)
            self._stage.plane.stop_apiserver()
        try:
            self._move(moved, "removed", state="removed")
            time.sleep(_AWAY_SECONDS)
        finally:
            self._stage.plane.start_apiserver()
        names = _names(written) | _names(moved)
        self.tried["comebacks"] = len(names)
        seconds = _BACK_SECONDS + (_LEASE_SECONDS if self._stage.topology == "elected" else 0.0)
        return self._until_right(names, seconds, "each status is right within 5 s of the API server's return")

    def unreadable(self, before: Container[str]) -> list[Finding]:
        """Where Secrets cannot be read, and this process has never read them, the refs say that.

        Args:
            before: processes that have to go on to the end; nothing is tried while one of them runs.
        """
        running = list(self._stage.running.items())
        refs = [each for each in self._untouched() if not _is_touched(each)]
        if not refs or any(process.name in before for _, process in running):
            return []
        added = self._stage.add_fault(kind="status", status=500, path="*/secrets*")
        try:
            for slot, _ in running:
                operators.ACTIONS["stop"](self._stage, {"slot": slot}, 0.0)
            uids = {each.object["metadata"]["uid"] for each in refs}
            said: set[str] = set()

            def is_said() -> bool:
                latest = [each for each in self._latest() if each.object["metadata"]["uid"] in uids]
                said.update(each.name for each in latest if _reason(each.status) == "SecretUnreadable")
                return _names(refs) <= said

            wait_for(is_said, _UNREADABLE_SECONDS)
        finally:
            _clear(added)
        missing = sorted(_names(refs) - said)
        text = f"nothing was said of it for {_UNREADABLE_SECONDS:g}s"
        return [Finding("a Secret that cannot be read is SecretUnreadable", name, text) for name in missing]

    def refused(self) -> list[Finding]:
        """A write that was refused, by whatever is on the way, is made soon after the refusals end."""
        refs = self._begin_moving()
        with self._fault(kind="status", status=404, body=b"404 page not found\n"):
            self._move(refs, "refused")
            time.sleep(_REFUSED_SECONDS)
        return self._until_right(_names(refs), _AFTER_REFUSAL_SECONDS, "a write that was refused is made soon after")

    def hung(self) -> list[Finding]:
        """A tenant whose writes are never answered holds up nobody else's."""
        crowd = [each.name for each in self._latest() if _is_of_tenant(each) and _is_synced(each.status)]
        if len(crowd) <= _SLOTS:
            return []
        refs = self._begin_moving()
        with self._fault(kind="hang", namespace=tenant.NAMESPACE):
            for each in crowd:
                annotations = {"astra-mirror.io/requestedAt": f"hung-{time.time():.0f}"}
                path = ref_path(*each.split("/"))
                self._stage.client.call("PATCH", path, {"metadata": {"annotations": annotations}})
            time.sleep(_HUNG_SECONDS)
            self._move(refs, "beside")
            text = "writes that hang hold up no other namespace's"
            return self._until_right(_names(refs), _BESIDE_HUNG_SECONDS, text)

    @contextmanager
    def _fault(self, **options: Any) -> Iterator[None]:  # noqa: ANN401 - Fault's own fields
        """Something that happens to each write of a status."""
        added = self._stage.add_fault(verb="patch", path="*/status", **options)
        try:
            yield
        finally:
            _clear(added)

    def _begin_moving(self) -> list[Version]:
        """A few refs whose backups are under way from now on, so that they are asked for every two seconds."""
        refs = sorted(filter(_is_asked_soon, self._untouched()), key=_is_touched)[:_MOVED]
        self._move(refs, "begun", state="running", percentDone=1)
        names = _names(refs)
        wait_for(lambda: not self._wrong().keys() & names, _WARM_SECONDS)
        return refs

    def _move(self, refs: Sequence[Version], what: str, **fields: object) -> None:
        """Let Astra Control say something else of their backups; `what` is in the names of these."""
        self._moves += 1
        for each in refs:
            target = each.status["target"]
            key = (target["accountID"], target["appID"], target["backupID"])
            name = f"soak {key[2][:8]} #{what}-{self._moves}"
            document = {**self._stage.documents[key[2]][-1], "name": name, **fields}
            self._stage.serve(self._stage.astra.backups[key], document)

    def _latest(self) -> list[Version]:
        """The last version of each object that is there."""
        return [each[-1] for each in self._history.versions().values() if not each[-1].is_last]

    def _untouched(self) -> list[Version]:
        """Refs that are Synced and observed, and that nobody has meddled with for more than a minute."""
        own, now = self._stage.client.own.versions | self._stage.client.own.edits, time.time()
        found = []
        for versions in self._history.versions().values():
            meddled = [each.at for each in versions if each.number in own]
            last = versions[-1]
            is_quiet = now - max(meddled, default=0.0) > _RECENT_SECONDS
            is_known = "state" in last.status and last.status.get("target", {}).get("backupID") in self._stage.documents
            if is_quiet and not last.is_last and is_known and _is_synced(last.status):
                found.append(last)
        return found

    def _wrong(self, before: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, list[str]]:
        """By ref, what is wrong; `before` has by name statuses whose conditions have to be there again."""
        world = World.read(self._stage.client, time.time())
        wrong, has_rivals = self._oracle.wrong(world), self._stage.topology == "pair"
        for ref in world.refs:
            name = "/".join(ref["metadata"][each] for each in ("namespace", "name"))
            if before and name in before:
                texts = conditions.changes(before[name], ref.get("status", {}), has_rivals=has_rivals)
                wrong[name] = [*wrong.get(name, []), *texts]
        return {name: texts for name, texts in wrong.items() if texts}

    def _until_right(
        self,
        names: AbstractSet[str],
        seconds: float,
        invariant: str,
        before: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[Finding]:
        wrong: dict[str, list[str]] = {}

        def is_right() -> bool:
            wrong.clear()
            wrong.update(self._wrong(before))
            return not wrong.keys() & names

        if wait_for(is_right, seconds + _SLACK_SECONDS):
            return []
        return [Finding(invariant, name, "; ".join(wrong[name])) for name in sorted(names & wrong.keys())]


def _is_asked_soon(version: Version) -> bool:
    """Whether the shortened interval for settled backups is the one in force."""
    return bool(version.object["spec"].get("interval") != "1m0s")


def _names(refs: Sequence[Version]) -> set[str]:
    return {each.name for each in refs}


def _is_touched(version: Version) -> bool:
    """Whether it is none of the gallery's, which are sure to be quiet, and a few in each namespace."""
    return version.name.partition("/")[0] not in STILL


def _is_of_tenant(version: Version) -> bool:
    return version.name.startswith(f"{tenant.NAMESPACE}/")


def _is_synced(status: dict[str, Any]) -> bool:
    return any(each["type"] == "Synced" and each["status"] == "True" for each in status.get("conditions", []))


def _reason(status: dict[str, Any]) -> str:
    return str(conditions.by_type(status).get("Synced", {}).get("reason", ""))


def _clear(added: Sequence[tuple[FaultProxy, Fault]]) -> None:
    for proxy, fault in added:
        proxy.clear(fault)


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
