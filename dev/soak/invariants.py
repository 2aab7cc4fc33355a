"""What must be true of each version of a status that an operator has written, and between each and the next."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dev.soak import conditions, mirrored, transitions
from dev.soak.facts import LONG_UNSURE_SECONDS, UNSURE_SECONDS, Facts
from dev.soak.findings import Finding
from dev.soak.history import Version
from dev.soak.words import is_asked_for, moved

_AROUND: Final = 3
_IDS: Final = ("accountID", "appID", "backupID")
Pair = tuple[str, str]


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
        # The last version of an operator's; whether no version was missed since, whether somebody has meddled since,
        # and whether a lie has become memory.
        self._base: Version | None = None
        self._is_unbroken = True
        self._is_meddled = False
        self._is_tainted = False
        self._transitions: set[transitions.Transition] = set()

    def findings(self) -> list[Finding]:
        found = []
        for number, version in enumerate(self._versions):
            before = self._versions[number - 1] if number and version.follows else None
            around = tuple(self._versions[max(0, number - _AROUND) : number + 2])
            for invariant, text in self._judge(version, before):
                found.append(Finding(invariant, version.name, text, version.at, around))
        return found

    def _judge(self, version: Version, before: Version | None) -> Iterator[Pair]:
        self._is_unbroken = self._is_unbroken and version.follows
        if any(secret in str(version.object) for secret in self._facts.secrets):
            yield "a token is in no object", "has a token in it"
        if version.is_last:
            return
        if before is not None and before.status == version.status:
            if not self._facts.may_be_own(version.number, version.name, version.at):
                yield from _only_the_status(before, version)
            return
        if not self._is_operators(version):
            self._is_meddled = True
            return
        self._is_tainted = self._is_tainted or self._is_memory_of_a_lie(version)
        yield from self._broken(version, before)
        self._base, self._is_unbroken, self._is_meddled = version, True, False
        if not conditions.malformed(version.status):
            self._transitions |= transitions.shown(version.status)

    def _is_operators(self, version: Version) -> bool:
        """Whether an operator has written it, as far as can be told."""
        own = self._facts.own
        if version.number in own.versions or "conditions" not in version.status:
            return False
        if not version.follows and version.number in own.edits:
            # Who has written the status before the edit was not seen.
            return False
        # In a list it may be seen long after the call.
        after = UNSURE_SECONDS if version.follows else LONG_UNSURE_SECONDS
        return not self._facts.is_unsure(version.name, version.at, after=after)

    def _is_memory_of_a_lie(self, version: Version) -> bool:
        """Whether its writer may have found a lie when it began, with nothing else to go by."""
        if not self._is_meddled:
            return False
        since = self._base.at if self._base else 0.0
        if self._facts.has_peers(since, version.at) or self._facts.has_start(since, version.at):
            return True
        # An edit may hand it to the operator of another shard, and the next one back.
        first = self._base.generation if self._base else 0
        specs = (spec for number, spec in self._specs.items() if first <= number <= version.generation)
        is_other = self._base is None or len(set(map(_shard_key, specs))) > 1
        return is_other and self._facts.is_sharded(since, version.at)

    def _broken(self, version: Version, before: Version | None) -> Iterator[Pair]:
        status = version.status
        if malformed := conditions.malformed(status):
            yield "a status has the form that docs/reference.md says", "; ".join(malformed)
            return
        if status["observedGeneration"] > version.generation:
            yield "observedGeneration is never ahead", f"it is {status['observedGeneration']} of {version.generation}"
        spec = self._specs.get(status["observedGeneration"])
        if spec is not None:
            yield from self._against_spec(version, spec)
        for text in transitions.ahead(version):
            yield "lastTransitionTime is never in the future", text
        if self._base is not None and self._is_unbroken:
            yield from self._times(self._base, version)
            yield from self._in_peace(self._base, version)
        if before is not None:
            yield from _only_the_status(before, version)

    def _against_spec(self, version: Version, spec: Mapping[str, Any]) -> Iterator[Pair]:
        status = version.status
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
            wrong = list(self._content(version))
            is_fresh = conditions.by_type(status)["Synced"]["status"] == "True"
            # A lie that a new process has found is forgotten with the first answer.
            self._is_tainted = self._is_tainted and (bool(wrong) or not is_fresh)
            if not self._is_tainted:
                yield from wrong
                yield from _rate(status)

    def _content(self, version: Version) -> Iterator[Pair]:
        """The observation is one that Astra Control has served."""
        status = version.status
        served = self._facts.documents.get(status["target"]["backupID"], [])
        if "state" not in status or (not served and version.name.partition("/")[0] in self._facts.foreign):
            return
        serial = _serial(version)
        named = [each for each in served if each["name"] == serial]
        if not named:
            yield "an observation is one that there was", f"no document has the name {serial!r}"
        for each in named:
            if wrong := mirrored.differences(status, each):
                yield "a status shows what Astra Control said", "; ".join(wrong)

    def _times(self, base: Version, version: Version) -> Iterator[Pair]:
        """Times of transition move with a condition's status, and then only."""
        is_forgotten = self._is_memory_of_a_lie(version) or (self._is_meddled and self._is_tainted)
        if self._facts.has_rivals(base.at, version.at) or is_forgotten:
            return
        for text in transitions.moved(base, version):
            yield "lastTransitionTime changes only with the status", text
        # A peer that has not seen yet what the other one has seen puts its own back.
        if self._facts.has_peers(base.at, version.at):
            return
        known = self._transitions if self._facts.is_unheard(base) else ()
        for text in transitions.set_back(base, version, known):
            yield "lastTransitionTime never goes back", text
        # What a meddler has just written may be the very transition that the operator was about to write.
        if not self._is_meddled:
            for text in transitions.unmoved(base, version, self._transitions):
                yield "lastTransitionTime changes with the status", text

    def _in_peace(self, base: Version, version: Version) -> Iterator[Pair]:
        """What holds between two versions of one process, with nobody else in between."""
        is_disturbed = self._is_meddled or self._is_tainted or self._facts.has_peers(base.at, version.at)
        if is_disturbed or self._facts.has_start(base.at, version.at):
            return
        if text := moved(base, version, self._facts.secret_changes):
            yield "the words of a failure that stays are taken over every 15 minutes at most", text
        # An answer that was asked for with an older spec or Secret may come late, and counts until the next one.
        if is_asked_for(base, version, self._facts.secret_changes):
            return
        served = self._facts.documents.get(version.status.get("target", {}).get("backupID", ""), [])
        if _is_older(_serial(version), _serial(base), served):
            yield "an older observation never follows a newer one", f"{_serial(base)!r}, then {_serial(version)!r}"


def _shard_key(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What decides which shard an object belongs to; see docs/reference.md, --shard."""
    return tuple(spec[each].lower() for each in ("accountID", "appID"))


def _serial(version: Version) -> object:
    """What says which document a status was made from."""
    return version.status.get("backup", {}).get("name")


def _is_older(serial: object, than: object, served: list[dict[str, Any]]) -> bool:
    """Whether one document was served before another, and never after it."""
    found, others = ([at for at, each in enumerate(served) if each["name"] == name] for name in (serial, than))
    return bool(found and others) and max(found) < min(others)


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
