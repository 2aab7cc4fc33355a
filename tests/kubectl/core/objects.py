"""Objects as the API server gives them, with the conditions that the operator writes."""

from datetime import UTC, datetime
from typing import Any, Final

from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.seen import Seen, read

NOW: Final = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ACCOUNT: Final = "7e1bdbb3-0c4e-4d6e-8a1f-2b9f3c5d7e90"
APP: Final = "3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a"
COMPLETED: Final = {"Ready": "True BackupCompleted", "Succeeded": "True BackupCompleted", "Finished": "True X"}
RUNNING: Final = {"Ready": "False BackupInProgress", "Succeeded": "Unknown X", "Finished": "False X"}
FAILED: Final = {
    "Ready": "False BackupFailed",
    "Succeeded": "False BackupFailed",
    "Finished": "True X",
    "Stalled": "True BackupFailed",
}
SYNCED: Final = {"Synced": "True Observed"}
STALLED: Final = {"Stalled": "True Unauthorized", "Synced": "False Unauthorized"}


def conditions(generation: int = 1, **statuses: str) -> list[dict[str, Any]]:
    """Conditions: to each type its status and its reason; the message names the type."""
    found = []
    for kind, text in statuses.items():
        status, reason = text.split()
        message = f"{kind} says so."
        found.append(
            {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}
        )
    return found


def manifest(
    kind: Kind = Kind.REF,
    name: str = "nightly",
    *,
    statuses: dict[str, str] | None = None,
    generation: int = 1,
    observed: int | None = None,
    spec: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """An object whose status is about its generation, unless `observed` says otherwise."""
    about = generation if observed is None else observed
    return {
        "apiVersion": "astra-mirror.io/v1",
        "kind": kind.api_name,
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-of-{name}", "generation": generation}
        | (metadata or {}),
        "spec": {"accountID": ACCOUNT, "appID": APP} | (spec or {}),
        "status": {"observedGeneration": about, "conditions": conditions(about, **(statuses or {})), **status},
    }


def ref(**given: Any) -> Seen:
    """What is seen of a ref."""
    return read(Kind.REF, manifest(Kind.REF, **given))


def monitor(**given: Any) -> Seen:
    """What is seen of a monitor with an objective."""
    spec = {"objectives": [{"name": "daily", "maxAge": "26h"}]} | given.pop("spec", {})
    return read(Kind.MONITOR, manifest(Kind.MONITOR, spec=spec, **given))
