"""Why an object is as it is, in a paragraph, and the next step."""

import re
from typing import Final

from astra_mirror.core.shard import Shard
from astra_mirror.kubectl.core.advice import ADVICE, DEAD_OPERATOR, NO_OPERATOR, NOTHING
from astra_mirror.kubectl.core.ages import length_text
from astra_mirror.kubectl.core.facts import Facts, Hidden, Lease
from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.seen import Condition, Seen
from astra_mirror.support.text import printable, sentence

_SHARD: Final = re.compile(r"astra-mirror-([0-9]{1,4})-of-([0-9]{1,4})", re.ASCII)
_SINGLE: Final = "astra-mirror"
_EVENTS: Final = 3
_TROUBLES: Final = ("Synced", "Ready", "RefsCurrent")
"""The conditions whose reason says what to do, the most urgent first."""


def paragraph(facts: Facts) -> str:
    """What is known, in sentences."""
    parts = [
        _conditions(facts.seen),
        _secret(facts),
        _role(facts),
        _operator(facts),
        _events(facts),
    ]
    return printable(" ".join(filter(None, parts)))


def next_step(facts: Facts) -> str:
    """What to do, in one sentence or two."""
    seen = facts.seen
    names = {
        "name": str(seen.key),
        "object": seen.key.name,
        "kind": seen.key.kind.short,
        "namespace": seen.key.namespace,
        "secret": seen.secret_name,
        "operator_namespace": facts.operator_namespace,
    }
    return printable(_advice(facts).format_map(names))


def _advice(facts: Facts) -> str:
    seen = facts.seen
    owner = None if isinstance(facts.leases, Hidden) else owning_lease(facts.leases, seen)
    is_dead = owner is not None and not owner.is_alive(facts.now)
    if is_dead:
        return DEAD_OPERATOR
    if not seen.is_handled or not seen.conditions:
        return NO_OPERATOR
    if seen.is_suspended:
        return ADVICE["Suspended"]
    troubled = [each for kind in _TROUBLES if (each := seen.condition(kind)).status in {"False", "Unknown"}]
    reasons = [each.reason for each in troubled if each.reason in ADVICE]
    # What keeps the status from being refreshed has to be mended first, unless the backup has ended.
    if seen.condition("Finished").status == "True" and seen.condition("Ready").reason in ADVICE:
        reasons.insert(0, seen.condition("Ready").reason)
    return next((ADVICE[each] for each in reasons if ADVICE[each] != NOTHING), NOTHING)


def owning_lease(leases: tuple[Lease, ...], seen: Seen) -> Lease | None:
    """The Lease of the operator that manages the object; None if there is no such Lease."""
    for lease in leases:
        shard = _SHARD.fullmatch(lease.name)
        if shard is None:
            if lease.name == _SINGLE:
                return lease
        elif 0 <= int(shard[1]) < int(shard[2]) and Shard(int(shard[1]), int(shard[2])).owns(
            seen.account_id, seen.app_id
        ):
            return lease
    return None


def _conditions(seen: Seen) -> str:
    name = f"ref {seen.key.name}" if seen.key.kind is Kind.REF else f"monitor {seen.key.name}"
    name = f"The {name} in the namespace {seen.key.namespace}"
    if not seen.is_handled:
        last = "has seen it yet" if seen.observed_generation < 0 else "has handled its latest edit yet"
        return f"{name} waits for an operator: none {last}."
    ready, synced = seen.condition("Ready"), seen.condition("Synced")
    kinds = ("Ready", "Synced") if ready.message != synced.message else ("Ready",)
    parts = [
        f"{name} is {_readiness(ready)} ({ready.reason or 'no reason'}): {sentence(ready.message or 'no message')}"
    ]
    if "Synced" in kinds and synced.status != "True":
        parts.append(f"Its status is not refreshed ({synced.reason or 'no reason'}): {sentence(synced.message)}")
    refs = seen.condition("RefsCurrent")
    if refs.status == "False":
        parts.append(f"Its refs are not current ({refs.reason}): {sentence(refs.message)}")
    if seen.is_suspended:
        parts.append("Its spec.suspend is true.")
    return " ".join(parts)


def _readiness(ready: Condition) -> str:
    return {"True": "Ready", "False": "not Ready"}.get(ready.status, "perhaps Ready")


def _secret(facts: Facts) -> str:
    name = facts.seen.secret_name
    match facts.secret:
        case Hidden(why):
            return f"Whether the Secret {name} exists is not known: {sentence(why)}"
        case secret if secret.keys is None:
            return f"The Secret {name} does not exist."
        case secret:
            keys = ", ".join(secret.keys or ()) or "none"
            return f"The Secret {name} exists (keys: {keys})."


def _role(facts: Facts) -> str:
    match facts.may_read_secret:
        case Hidden(why):
            return f"Whether the operator's role lets it read that Secret is not known: {sentence(why)}"
        case True:
            return "The operator's role lets it read that Secret."
        case _:
            return "The operator's role does not let it read that Secret."


def _operator(facts: Facts) -> str:
    where = f"in the namespace {facts.operator_namespace}"
    if isinstance(facts.leases, Hidden):
        return f"Whether an operator is alive is not known: {sentence(facts.leases.why)}"
    lease = owning_lease(facts.leases, facts.seen)
    if lease is None:
        return f"There is no Lease of an operator {where}: none runs there, or it runs without --leader-elect."
    since = "never" if lease.renewed is None else f"{length_text(facts.now - lease.renewed)} ago"
    if lease.is_alive(facts.now):
        return (
            f"The operator is alive: its Lease {lease.name} {where} is held by {lease.holder} and was renewed {since}."
        )
    held = f"held by {lease.holder}" if lease.holder else "held by nobody"
    return f"The operator is not alive: its Lease {lease.name} {where} is {held} and was last renewed {since}."


def _events(facts: Facts) -> str:
    if isinstance(facts.events, Hidden):
        return f"Its Events are not known: {sentence(facts.events.why)}"
    if not facts.events:
        return "There are no Events about it."
    shown = facts.events[:_EVENTS]
    parts = [
        f"{length_text(facts.now - each.at)} ago {each.kind} {each.reason}, {each.note.rstrip('.')}" for each in shown
    ]
    return f"Its last Events: {'; '.join(parts)}."
