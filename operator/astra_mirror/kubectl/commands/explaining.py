"""`kubectl abr why`: why an object is as it is, and what to do next.

What the user may not see is said so; nothing here needs more rights than to read the object.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from astra_mirror.kubectl.api import Api, Json
from astra_mirror.kubectl.cluster import keys_of, opened
from astra_mirror.kubectl.core.ages import moment_of
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.explaining import next_step, paragraph
from astra_mirror.kubectl.core.facts import Event, Facts, Hidden, Lease, Secret
from astra_mirror.kubectl.core.seen import Seen, read
from astra_mirror.kubectl.errors import ApiError
from astra_mirror.kubectl.output import say

_SERVICE_ACCOUNT: Final = "astra-mirror"
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


async def run(choice: Choice, *, operator_namespace: str) -> ExitCode:
    """Print a paragraph and the next step."""
    async with opened(choice.place) as cluster:
        [key] = keys_of(choice.names, cluster.namespace)
        api = cluster.api
        seen = read(key.kind, await api.get_object(key))
        secret, leases, may_read, events = await asyncio.gather(
            _secret(api, seen),
            _leases(api, operator_namespace),
            _may_read(api, seen, operator_namespace),
            _events(api, seen),
        )
        facts = Facts(seen, api.time, secret, leases, operator_namespace, may_read, events)
    say(paragraph(facts))
    say(f"Next step: {next_step(facts)}")
    return ExitCode.OK


async def _secret(api: Api, seen: Seen) -> Secret | Hidden:
    """Which keys the Secret has; their content goes nowhere."""
    try:
        found = await api.get(f"/api/v1/namespaces/{seen.key.namespace}/secrets/{seen.secret_name}")
    except ApiError as error:
        return Secret(None) if error.is_not_found else _hidden("read Secrets there", error)
    return Secret(tuple(sorted(found.get("data") or ())))


async def _leases(api: Api, namespace: str) -> tuple[Lease, ...] | Hidden:
    try:
        found = await api.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    except ApiError as error:
        return _hidden(f"list Leases in the namespace {namespace}", error)
    return tuple(_lease(each) for each in found.get("items", ()))


def _lease(found: Json) -> Lease:
    spec = found.get("spec") or {}
    return Lease(
        name=str(found["metadata"]["name"]),
        holder=str(spec.get("holderIdentity") or ""),
        renewed=moment_of(spec.get("renewTime")),
        duration=timedelta(seconds=spec.get("leaseDurationSeconds") or 0),
    )


async def _may_read(api: Api, seen: Seen, namespace: str) -> bool | Hidden:
    attributes = {
        "namespace": seen.key.namespace,
        "verb": "get",
        "version": "v1",
        "resource": "secrets",
        "name": seen.secret_name,
    }
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    user = f"system:serviceaccount:{namespace}:{_SERVICE_ACCOUNT}"
    question = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    try:
        found = await api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", question)
    except ApiError as error:
        return _hidden("ask what others may do (SubjectAccessReview)", error)
    return (found.get("status") or {}).get("allowed") is True


async def _events(api: Api, seen: Seen) -> tuple[Event, ...] | Hidden:
    try:
        found = await api.get(
            f"/api/v1/namespaces/{seen.key.namespace}/events", {"fieldSelector": f"involvedObject.uid={seen.uid}"}
        )
    except ApiError as error:
        return _hidden("list Events there", error)
    events = [_event(each) for each in found.get("items", ())]
    return tuple(sorted(events, key=lambda each: each.at, reverse=True))


def _event(found: dict[str, Any]) -> Event:
    times = (
        (found.get("series") or {}).get("lastObservedTime"),
        found.get("lastTimestamp"),
        found.get("eventTime"),
        found["metadata"].get("creationTimestamp"),
    )
    at = next((moment for each in times if (moment := moment_of(each)) is not None), _NEVER)
    return Event(at, *(str(found.get(name) or "") for name in ("type", "reason", "message")))


def _hidden(what: str, error: ApiError) -> Hidden:
    return Hidden(f"you may not {what}" if error.code in _REFUSED else str(error))
