"""What is promised in seconds, tried at the end of a run, when nothing else is going on."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from dev.soak import conditions
from dev.soak.client import ref_path
from dev.soak.doing import tenant
from dev.soak.doing.astra import MOVING, move_words
from dev.soak.doing.lies import lie
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.settled import wait_for
from dev.soak.stage import Stage
from dev.soak.subjects import (
    is_of_gallery,
    is_of_tenant,
    is_synced,
    latest,
    names_of,
    soon_polled,
    untouched,
)
from dev.soak.truth import Oracle, World
from dev.soak.words import taken_over

_LIES: Final = ("wipe", "completed", "no-ready", "foreign", "times")
_REPAIR_SECONDS: Final = 5.0
_BACK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 15.0
"""The shortened interval for settled backups with its jitter, a poll, and a write."""
_LEASE_SECONDS: Final = 20.0
"""Until a Lease that was lost meanwhile has a holder again: only then the seconds count."""
_AWAY_SECONDS: Final = 10.0
_SLACK_SECONDS: Final = 1.5
"""Looking takes time, and the machine is busy."""
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
_WORDS_SECONDS: Final = 25.0
"""Four answers or so for a ref that is asked for every two seconds, with a backoff."""
_SLOTS: Final = 16
"""Of the status writer."""


class Promises:
    """Tries them; each gives what was broken. `tried` counts by name the refs that each was tried on."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self._oracle = Oracle(stage.astra, stage.seed)
        self._moves = 0
        self.tried: Counter[str] = Counter()

    def repair(self) -> list[Finding]:
        """A status that somebody has changed or wiped is put right within 5 s, the times of transition included."""
        before = {}
        for version, how in zip(untouched(self._stage, self._history), _LIES, strict=False):
            namespace, name = version.name.split("/")
            if lie(self._stage.client, namespace, name, how):
                before[version.name] = version.status
        self.tried["repairs"] = len(before)
        return self._until_right(before.keys(), _REPAIR_SECONDS, "a status is put right within 5 s", before)

    def polled(self) -> list[Finding]:
        """Every ref with a shortened interval is polled again."""
        refs = soon_polled(self._stage, self._history)
        self._move(refs, "polled")
        self.tried["polls"] = len(refs)
        return self._until_right(names_of(refs), _POLL_SECONDS, "each ref is polled in its interval")

    def comeback(self) -> list[Finding]:
        """When the API server was away, every status is right within 5 s of its return.

        Some were being written when it went: their calls end in an error, after which they would wait for a while.
        """
        refs = soon_polled(self._stage, self._history)
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
        names = names_of(written) | names_of(moved)
        self.tried["comebacks"] = len(names)
        seconds = _BACK_SECONDS + (_LEASE_SECONDS if self._stage.topology == "elected" else 0.0)
        return self._until_right(names, seconds, "each status is right within 5 s of the API server's return")

    def words(self) -> list[Finding]:
        """An answer that is another one each time is taken over once.

        Of two operators that do not know of each other each takes it over: nothing is tried with them.
        """
        refs = [] if self._stage.topology == "pair" else self._begin_moving()
        self.tried["moving words"] = len(refs)
        if not refs:
            return []
        since, said = time.time(), dict[str, list[str]]()

        def is_broken() -> bool:
            for versions in self._history.versions().values():
                said[versions[-1].name] = taken_over((each for each in versions if each.at >= since), MOVING)
            return any(len(said[name]) > 1 for name in names_of(refs))

        end = move_words(self._stage, HTTPStatus.BAD_REQUEST)
        try:
            wait_for(is_broken, _WORDS_SECONDS)
        finally:
            end()
        if not any(said[name] for name in names_of(refs)):
            return [Finding("a refused request is InvalidRequest", "every ref", f"not within {_WORDS_SECONDS:g}s")]
        invariant = "words that move by themselves are taken over once"
        moved = [name for name in sorted(names_of(refs)) if len(said[name]) > 1]
        return [Finding(invariant, name, "; ".join(said[name])) for name in moved]

    def refused(self) -> list[Finding]:
        """A write that was refused, by whatever is on the way, is made soon after the refusals end."""
        refs = self._begin_moving()
        self.tried["refused writes"] = len(refs)
        with self._fault(kind="status", status=404, body=b"404 page not found\n"):
            self._move(refs, "refused")
            time.sleep(_REFUSED_SECONDS)
        return self._until_right(names_of(refs), _AFTER_REFUSAL_SECONDS, "a write that was refused is made soon after")

    def hung(self) -> list[Finding]:
        """A tenant whose writes are never answered holds up nobody else's."""
        crowd = [each.name for each in latest(self._history) if is_of_tenant(each) and is_synced(each.status)]
        refs = self._begin_moving() if len(crowd) > _SLOTS else []
        self.tried["writes beside hung ones"] = len(refs)
        if not refs:
            return []
        with self._fault(kind="hang", namespace=tenant.NAMESPACE):
            for each in crowd:
                annotations = {"astra-mirror.io/requestedAt": f"hung-{time.time():.0f}"}
                path = ref_path(*each.split("/"))
                self._stage.client.call("PATCH", path, {"metadata": {"annotations": annotations}})
            time.sleep(_HUNG_SECONDS)
            self._move(refs, "beside")
            text = "writes that hang hold up no other namespace's"
            return self._until_right(names_of(refs), _BESIDE_HUNG_SECONDS, text)

    @contextmanager
    def _fault(self, **options: Any) -> Iterator[None]:  # noqa: ANN401 - Fault's own fields
        """Something that happens to each write of a status."""
        clear = self._stage.add_fault(verb="patch", path="*/status", **options)
        try:
            yield
        finally:
            clear()

    def _begin_moving(self) -> list[Version]:
        """A few refs whose backups are under way from now on, so that they are asked for every two seconds."""
        refs = soon_polled(self._stage, self._history)
        refs = sorted(refs, key=lambda each: not is_of_gallery(each))[:_MOVED]
        self._move(refs, "begun", state="running", percentDone=1)
        names = names_of(refs)
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
