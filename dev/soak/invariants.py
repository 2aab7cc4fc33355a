"""What must be true of each version of a status that an operator has written, and between each and the next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dev.soak import conditions, mirrored
from dev.soak.client import OwnWrites, ref_path
from dev.soak.findings import Finding
from dev.soak.history import Version
from dev.soak.words import moved

_AROUND: Final = 3
_UNSURE_SECONDS: Final = 2.0
_IDS: Final = ("accountID", "appID", "backupID")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Facts:
    """What the soak knows beside the versions.

    Attributes:
        own: what it has written itself.
        starts: when operators were started, or began to share the objects in another way.
        documents: by backup, all that Astra Control has served of it.
        secrets: texts that may occur in no object.
        has_peers: whether more than one operator looked after the same objects.
        has_rivals: whether they did so at the same time: each corrects the other a few times before both agree.
        secret_changes: by namespace and name, when Secrets were written.
    """

    own: OwnWrites
    starts: tuple[float, ...] = ()
    documents: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    has_peers: bool = False
    has_rivals: bool = False
    secret_changes: Mapping[tuple[str, str], list[float]] = field(default_factory=dict)


def check(versions: Mapping[str, list[Version]], facts: Facts) -> list[Finding]:
    """All that is broken in these histories, one by uid."""
    found: list[Finding] = []
    for each in versions.values():
        found += _Judge(each, facts).findings()
    return found


class _Judge:
    """Goes through the versions of one object."""

    def __init__(self, versions: list[Version], facts: Facts) -> None:
        self._versions = versions
        self._facts = facts
        self._specs = {each.generation: each.object["spec"] for each in versions}
        # The last version of an operator's; whether somebody has meddled since; whether a lie has become memory.
        self._base: Version | None = None
        self._is_meddled = False
        self._is_tainted = False

    def findings(self) -> list[Finding]:
        found = []
        for number, version in enumerate(self._versions):
            before = self._versions[number - 1] if number and version.follows else None
            around = tuple(self._versions[max(0, number - _AROUND) : number + 2])
            if any(secret in str(version.object) for secret in self._facts.secrets):
                found.append(Finding("a token is in no object", version.name, "has a token in it", version.at, around))
            if version.is_last or (before is not None and before.status == version.status):
                continue
            if not self._is_operators(version):
                self._is_meddled = True
                continue
            self._is_tainted = self._is_tainted or self._is_memory_of_a_lie(version)
            for invariant, text in self._broken(version, before):
                found.append(Finding(invariant, version.name, text, version.at, around))
            self._base, self._is_meddled = version, False
        return found

    def _is_operators(self, version: Version) -> bool:
        """Whether an operator has written it, as far as can be told."""
        own = self._facts.own
        if version.number in own.versions or "conditions" not in version.status:
            return False
        if not version.follows and version.number in own.edits:
            # Who has written the status before the edit was not seen.
            return False
        namespace, name = version.name.split("/")
        path = ref_path(namespace, name)
        return not any(
            path == unsure and begun - _UNSURE_SECONDS <= version.at <= ended + _UNSURE_SECONDS
            for unsure, begun, ended in own.unsure
        )

    def _is_memory_of_a_lie(self, version: Version) -> bool:
        """Whether its writer may have found a lie when it began, with nothing else to go by."""
        if not self._is_meddled:
            return False
        since = self._base.at - _UNSURE_SECONDS if self._base else 0.0
        return self._facts.has_peers or any(since <= start <= version.at for start in self._facts.starts)

    def _broken(self, version: Version, before: Version | None) -> Iterator[Pair]:
        status = version.status
        if malformed := conditions.malformed(status):
            yield "a status has the form that docs/reference.md says", "; ".join(malformed)
            return
        if status["observedGeneration"] > version.generation:
            yield "observedGeneration is never ahead", f"it is {status['observedGeneration']} of {version.generation}"
        spec = self._specs.get(status["observedGeneration"])
        if spec is not None:
            yield from self._against_spec(status, spec)
        yield from self._times(version)
        yield from self._words(version)
        if before is not None:
            yield from _only_the_status(before, version)

    def _against_spec(self, status: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Pair]:
        if contradictions := conditions.contradictions(status, spec.get("readyWhen", "Completed")):
            yield "the conditions say what the state means", "; ".join(contradictions)
        is_suspended = conditions.by_type(status)["Synced"]["reason"] == "Suspended"
        if is_suspended != bool(spec.get("suspend")):
            yield "Synced says whether polling is suspended", f"suspend is {spec.get('suspend')}"
        is_observed = conditions.known_row(status, "Completed") != conditions.NOTHING
        target = status.get("target")
        if is_observed != (target is not None):
            yield "target stands beside every observation, and only there", f"target is {target}"
        elif target is not None and target != target_of(spec):
            yield "what is observed is about what the spec names", f"target is {target} and the spec {dict(spec)}"
        elif target is not None:
            wrong = list(self._content(status))
            is_fresh = conditions.by_type(status)["Synced"]["status"] == "True"
            # A lie that a new process has found is forgotten with the first answer.
            self._is_tainted = self._is_tainted and (bool(wrong) or not is_fresh)
            if not self._is_tainted:
                yield from wrong
                yield from _rate(status)

    def _content(self, status: Mapping[str, Any]) -> Iterator[Pair]:
        """The observation is one that Astra Control has served."""
        served = self._facts.documents.get(status["target"]["backupID"], [])
        if "state" not in status or not served:
            return
        serial = status.get("backup", {}).get("name")
        named = [each for each in served if each["name"] == serial]
        if not named:
            yield "an observation is one that there was", f"no document has the name {serial!r}"
        for each in named:
            if wrong := mirrored.differences(status, each):
                yield "a status shows what Astra Control said", "; ".join(wrong)

    def _times(self, version: Version) -> Iterator[Pair]:
        """Times of transition move with a condition's status, and then only."""
        base = self._base
        if base is None or self._facts.has_rivals or not self._is_whole(base, version):
            return
        if self._is_meddled and self._is_tainted:
            return
        before = conditions.by_type(base.status)
        for kind, now in conditions.by_type(version.status).items():
            old = before.get(kind)
            if old is None:
                continue
            is_same_time = now["lastTransitionTime"] == old["lastTransitionTime"]
            if now["status"] == old["status"] and not is_same_time:
                text = f"{kind} is {now['status']} since {old['lastTransitionTime']}, then {now['lastTransitionTime']}"
                yield "lastTransitionTime changes only with the status", text
            # A peer that has not seen yet what the other one has seen puts its own back.
            if now["lastTransitionTime"] < old["lastTransitionTime"] and not self._facts.has_peers:
                yield "lastTransitionTime never goes back", f"{kind}: {old['lastTransitionTime']}"

    def _words(self, version: Version) -> Iterator[Pair]:
        """Words of Astra Control that move by themselves are not taken over."""
        base = self._base
        if base is None or not self._is_whole(base, version) or self._is_meddled or self._facts.has_peers:
            return
        if any(base.at - _UNSURE_SECONDS <= start <= version.at for start in self._facts.starts):
            return
        if text := moved(base, version, self._facts.secret_changes):
            yield "the words of a failure that stays are taken over every 15 minutes at most", text

    def _is_whole(self, base: Version, version: Version) -> bool:
        """Whether no version was missed between the two."""
        between = self._versions[self._versions.index(base) + 1 : self._versions.index(version) + 1]
        return all(each.follows for each in between)


def _rate(status: Mapping[str, Any]) -> Iterator[Pair]:
    derived = status.get("progress", {}).keys() & {"bytesPerSecond", "estimatedCompletionTime"}
    if derived and status.get("state") in mirrored.AT_REST:
        yield "the rate exists only while the backup is in progress", f"{status['state']}: {status['progress']}"


def target_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """What a status of this spec is about."""
    ids = {name: spec[name].lower() for name in _IDS}
    return {**ids, "secretName": spec.get("secretRef", {}).get("name", "astra-control")}


def _only_the_status(before: Version, version: Version) -> Iterator[Pair]:
    """The operator changes nothing but the status."""
    old, new = before.object, version.object
    changed = [name for name in ("spec",) if old.get(name) != new.get(name)]
    changed += [
        f"metadata.{name}"
        for name in ("generation", "finalizers", "annotations", "labels", "ownerReferences")
        if old["metadata"].get(name) != new["metadata"].get(name)
    ]
    if changed:
        yield "the operator writes the status alone", f"changed: {', '.join(changed)}"
