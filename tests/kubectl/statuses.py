"""Objects whose statuses a test writes itself, where no operator runs."""

import json
from typing import Any, Final

from tests.e2e.user import User
from tests.kubectl.core.objects import ACCOUNT, APP, conditions

BACKUP: Final = "bab39d53-0000-4000-8000-000000000001"


def write_ref(user: User, name: str, statuses: dict[str, str] | None = None, **given: Any) -> None:
    """A ref with these conditions and fields of its status; without `statuses`, nobody has seen it.

    Args:
        user: who writes it.
        name: its name.
        statuses: the status and the reason of each condition.
        given: `spec` and `labels` to add, and fields of the status.
    """
    spec = {"accountID": ACCOUNT, "appID": APP, "backupID": BACKUP} | given.pop("spec", {})
    metadata = {"name": name, "labels": given.pop("labels", {})}
    user.apply({"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef", "metadata": metadata, "spec": spec})
    if statuses is not None:
        write_status(user, f"abr/{name}", statuses, **given)


def write_monitor(user: User, name: str, statuses: dict[str, str] | None = None, **given: Any) -> None:
    """The same for a monitor with an objective."""
    spec = {"accountID": ACCOUNT, "appID": APP, "objectives": [{"name": "daily", "maxAge": "26h"}]}
    manifest = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor", "metadata": {"name": name}}
    user.apply({**manifest, "spec": spec | given.pop("spec", {})})
    if statuses is not None:
        write_status(user, f"abm/{name}", statuses, **given)


def write_status(user: User, name: str, statuses: dict[str, str], *, generation: int = 1, **status: Any) -> None:
    """Write the status as an operator would that has handled the spec of this generation."""
    content = {
        "observedGeneration": generation,
        "conditions": [
            {**each, "lastTransitionTime": "2026-11-27T12:00:00Z"} for each in conditions(generation, **statuses)
        ],
        **status,
    }
    patch = json.dumps({"status": content})
    user.kubectl("patch", name, "--subresource=status", "--type=merge", f"--patch={patch}")
