"""The refs that a promise can be tried on."""

import time
from collections.abc import Iterable
from typing import Any, Final

from dev.soak import conditions
from dev.soak.doing import tenant
from dev.soak.history import History, Version
from dev.soak.people import LONG_INTERVAL, STILL
from dev.soak.stage import Stage

_RECENT_SECONDS: Final = 75.0


def latest(history: History) -> list[Version]:
    """The last version of each object that is there."""
    return [each[-1] for each in history.versions().values() if not each[-1].is_last]


def untouched(stage: Stage, history: History) -> list[Version]:
    """Refs that are Synced and observed, and whose status nobody has tampered with for more than a minute."""
    own, now = stage.client.own.versions | stage.client.own.edits, time.time()
    found = []
    for versions in history.versions().values():
        touched = [each.at for each in versions if each.number in own]
        last = versions[-1]
        is_quiet = now - max(touched, default=0.0) > _RECENT_SECONDS
        is_known = "state" in last.status and last.status.get("target", {}).get("backupID") in stage.documents
        if is_quiet and not last.is_last and is_known and is_synced(last.status):
            found.append(last)
    return found


def soon_polled(stage: Stage, history: History) -> list[Version]:
    """Those of `untouched` for which the shortened interval for settled backups is in force."""
    refs = untouched(stage, history)
    return [each for each in refs if each.object["spec"].get("interval") != LONG_INTERVAL]


def names_of(refs: Iterable[Version]) -> set[str]:
    """Their names, as namespace/name."""
    return {each.name for each in refs}


def is_of_gallery(version: Version) -> bool:
    """Whether it is one of those that are sure to be quiet, a few in each namespace."""
    return version.name.partition("/")[0] in STILL


def is_of_tenant(version: Version) -> bool:
    """Whether it is the hostile tenant's."""
    return version.name.startswith(f"{tenant.NAMESPACE}/")


def is_synced(status: dict[str, Any]) -> bool:
    """Whether Synced is True."""
    return bool(conditions.by_type(status).get("Synced", {}).get("status") == "True")


def sync_reason(status: dict[str, Any]) -> str:
    """The reason of Synced; empty where there is none."""
    return str(conditions.by_type(status).get("Synced", {}).get("reason", ""))
