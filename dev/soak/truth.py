"""What each status has to be at the end, from its spec, its Secret and what Astra Control says: docs/reference.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from dev.simulator import Simulator
from dev.soak import conditions, contents, mirrored
from dev.soak.client import REFS, Client
from dev.soak.doing.lies import LIE
from dev.soak.invariants import target_of
from dev.soak.topology import ALLOWED_NAMES, DEFAULT_SECRET, PLACES, YOUNG_SECONDS

_ANNOTATION: Final = "astra-mirror.io/requestedAt"
_VAGUE: Final = frozenset({"Observed", "Unreachable", "UnexpectedResponse"})
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class World:
    """What the cluster holds now: refs, and Secrets by namespace and name. `at` is in seconds since the epoch."""

    refs: list[dict[str, Any]]
    secrets: Mapping[Key, dict[str, Any]]
    at: float

    @classmethod
    def read(cls, client: Client, at: float) -> "World":
        """Ask the API server."""
        secrets, _ = client.list("/api/v1/secrets")
        return cls(
            client.list(REFS)[0],
            {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in secrets},
            at,
        )

    def crowded(self) -> set[str]:
        """The namespaces that name more Secrets than they have places for; who has to wait, nobody has promised."""
        names: dict[str, set[str]] = {}
        for ref in self.refs:
            name = target_of(ref["spec"])["secretName"]
            if name in ALLOWED_NAMES:
                names.setdefault(ref["metadata"]["namespace"], set()).add(name)
        return {namespace for namespace, each in names.items() if len(each) > PLACES}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is right: a reason of Synced, and the document that is mirrored, None for one that is not there.

    `is_vague`: what is observed is not the simulator's, and only its form is judged.
    """

    reasons: frozenset[str]
    document: Mapping[str, Any] | None = None
    is_vague: bool = False


class Wrong(NamedTuple):
    """What is wrong with a status; `unexpected` is the reason of Synced where that is what is wrong."""

    texts: list[str]
    unexpected: str = ""


class Oracle:
    """Knows what is right. Asked for each ref; it never looks at the status to find out."""

    def __init__(self, astra: Simulator, seed: int) -> None:
        self._astra = astra
        self._seed = seed

    def wrong(self, world: World) -> dict[str, list[str]]:
        """By ref, what is wrong with its status, in words; right ones are left out."""
        return {name: each.texts for name, each in self.judge(world).items()}

    def judge(self, world: World) -> dict[str, Wrong]:
        """By ref, what is wrong with its status; right ones are left out."""
        crowded = world.crowded()
        found = {}
        for ref in world.refs:
            name = "/".join(ref["metadata"][each] for each in ("namespace", "name"))
            wanted = self._wanted(ref, world, crowded)
            judged = _judged(ref, wanted, world.at)
            if judged.texts:
                found[name] = judged
        return found

    def _wanted(self, ref: Mapping[str, Any], world: World, crowded: set[str]) -> Wanted:
        if ref["spec"].get("suspend"):
            return Wanted(frozenset({"Suspended"}))
        namespace, target = ref["metadata"]["namespace"], target_of(ref["spec"])
        name = target["secretName"]
        if name not in {DEFAULT_SECRET, *ALLOWED_NAMES}:
            return Wanted(frozenset({"SecretForbidden"}))
        wanted = self._by_secret(world.secrets.get((namespace, name)), target)
        if namespace in crowded and name != DEFAULT_SECRET:
            return Wanted(wanted.reasons | {"SecretForbidden"}, wanted.document, is_vague=True)
        return wanted

    def _by_secret(self, secret: Mapping[str, Any] | None, target: Mapping[str, str]) -> Wanted:
        if secret is None:
            return Wanted(frozenset({"SecretNotFound"}))
        labels = secret["metadata"]["labels"]
        kind = contents.KINDS[labels[contents.KIND_LABEL]]
        if kind.reasons:
            return Wanted(kind.reasons)
        if kind.is_vague:
            return Wanted(_VAGUE, is_vague=True)
        return self._by_remote(contents.token_of(int(labels[contents.TOKEN_LABEL]), self._seed), target)

    def _by_remote(self, token: str, target: Mapping[str, str]) -> Wanted:
        if not self._astra.knows(token, target["accountID"]):
            return Wanted(frozenset({"Unauthorized"}))
        if not self._astra.may_read(token, target["appID"]):
            return Wanted(frozenset({"Forbidden"}))
        backup = self._astra.backups.get((target["accountID"], target["appID"], target["backupID"]))
        raw = backup.raw if backup else None
        return Wanted(frozenset({"Observed"}), _parsed(raw))


def _parsed(raw: bytes | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = None if raw is None else json.loads(raw)
    return found


def _judged(ref: Mapping[str, Any], wanted: Wanted, at: float) -> Wrong:
    status: Mapping[str, Any] = ref.get("status") or {}
    if malformed := conditions.malformed(status):
        return Wrong(malformed)
    if status["observedGeneration"] != ref["metadata"]["generation"]:
        return Wrong([f"observedGeneration is {status['observedGeneration']} of {ref['metadata']['generation']}"])
    synced = conditions.by_type(status)["Synced"]
    if synced["reason"] not in wanted.reasons:
        text = f"Synced is {synced['reason']} and not {' or '.join(sorted(wanted.reasons))}: {synced['message']}"
        return Wrong([text], synced["reason"])
    return Wrong(_wrong(ref, status, wanted, at))


def _wrong(ref: Mapping[str, Any], status: Mapping[str, Any], wanted: Wanted, at: float) -> list[str]:
    """What is wrong where the reason of Synced is right."""
    synced = conditions.by_type(status)["Synced"]
    ready_when = ref["spec"].get("readyWhen", "Completed")
    found = conditions.contradictions(status, ready_when)
    target = status.get("target")
    is_missing = target is None and synced["reason"] == "Observed"
    if is_missing or target not in (None, target_of(ref["spec"])):
        found.append(f"target is {target}")
    if found or wanted.is_vague or synced["reason"] == "Suspended":
        return found
    if synced["reason"] == "Observed":
        return _wrong_observation(ref, status, wanted)
    return _wrong_failure(ref, status, synced["reason"], at)


def _wrong_observation(ref: Mapping[str, Any], status: Mapping[str, Any], wanted: Wanted) -> list[str]:
    requested = ref["metadata"].get("annotations", {}).get(_ANNOTATION)
    if requested is not None and status.get("lastHandledReconcileAt") != requested:
        return [f"requestedAt is {requested} and was not handled: {status.get('lastHandledReconcileAt')}"]
    lies = [each["type"] for each in status["conditions"] if each["message"] == LIE]
    if lies:
        return [f"the message of {', '.join(lies)} is a lie"]
    if wanted.document is None:
        seen = mirrored.shown(status) | status.get("progress", {})
        is_right = not seen and conditions.row_shown(status) == conditions.NOT_FOUND
        return [] if is_right else [f"the backup does not exist, and the status has {seen}"]
    if "state" not in status:
        return [f"the backup is {wanted.document['state']} and the status has no state"]
    return mirrored.differences(status, wanted.document)


def _wrong_failure(ref: Mapping[str, Any], status: Mapping[str, Any], reason: str, at: float) -> list[str]:
    """By now everything that was observed is too old to count, and nobody is young."""
    made = datetime.fromisoformat(ref["metadata"]["creationTimestamp"]).astimezone(UTC).timestamp()
    known = conditions.known_row(status, ref["spec"].get("readyWhen", "Completed"))
    seen = conditions.row_shown(status)
    if known != conditions.NOTHING and seen.reason != "ObservationStale":
        return [f"Ready is {seen.reason} and should be ObservationStale"]
    is_young = reason == "SecretNotFound" and at - made < YOUNG_SECONDS
    if reason == "SecretNotFound" and seen.extra != ("Reconciling" if is_young else "Stalled"):
        return [f"{seen.extra} is there, for a Secret that is missing and an object of {at - made:.0f}s"]
    return []
