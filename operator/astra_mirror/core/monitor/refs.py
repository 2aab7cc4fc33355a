"""The AppBackupRefs that a monitor makes: their names, their content, and what has to be repaired in one.

A ref is the monitor's own if the monitor is its controller. Of an own ref the fields that the monitor gives are set
back; every other field, label and annotation is the user's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api import app_backup_monitor, app_backup_ref
from astra_mirror.api.app_backup_monitor import MONITOR_LABEL, AppBackupMonitorSpec
from astra_mirror.api.meta import FIELD_MANAGER, GROUP, VERSION
from astra_mirror.core.monitor.listing import ListedBackup

_API_VERSION: Final = f"{GROUP}/{VERSION}"
_MAX_NAME: Final = 244
"""A name has 253 characters at most; nine are for the start of the ID."""
_OTHERS: Final = re.compile(r"[^a-z0-9]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_NO_NAME: Final = "backup"
_MAX_LABELS: Final = 64
"""How many labels of a ref are kept beside those that the operator has set, and how many of these.

Somebody may give it thousands. A ref is read again before it is repaired.
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The monitor: what its refs say of it."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class WantedRef:
    """A ref that there should be.

    Attributes:
        backup_id: the backup's ID.
        name: its name, where it has to be made.
        spec: the fields that the monitor gives.
        labels: the labels that the monitor gives.
    """

    backup_id: str
    name: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnRef:
    """A ref of the monitor's own, as it was seen last.

    Attributes:
        uid: its uid.
        name: its name.
        version: its resourceVersion.
        spec: its spec.
        labels: its labels, as far as they are kept.
        given: the names of the labels that the operator has set, by managedFields, as far as they are kept.
        is_deleting: whether it is being deleted, and waits for a finalizer.
    """

    uid: str
    name: str
    version: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    given: frozenset[str]
    is_deleting: bool

    @property
    def backup_id(self) -> str:
        """The backup that it names, in lower case."""
        return str(self.spec.get("backupID", "")).lower()

    def is_of(self, spec: AppBackupMonitorSpec) -> bool:
        """Whether it names the app that the monitor names now."""
        named = (str(self.spec.get("accountID", "")).lower(), str(self.spec.get("appID", "")).lower())
        return named == (spec.account_id, spec.app_id)


def name_of(backup: ListedBackup) -> str:
    """The name of a backup's ref."""
    name = _OTHERS.sub("-", (backup.name or "").lower())[:_MAX_NAME].strip("-")
    return f"{name or _NO_NAME}-{backup.id[:8]}"


def wanted_refs(owner: Owner, spec: AppBackupMonitorSpec, ordered: Sequence[ListedBackup]) -> tuple[WantedRef, ...]:
    """The refs that there should be.

    Args:
        owner: the monitor.
        spec: its spec.
        ordered: the selected backups in their order.
    """
    mirror = spec.mirror
    if mirror is None:
        return ()
    labels = {**(mirror.labels or {}), MONITOR_LABEL: owner.name}
    # A ref can name an ID of this form only.
    found = [each for each in ordered if _UUID.fullmatch(each.id)][: mirror.newest]
    return tuple(WantedRef(each.id, name_of(each), _spec(spec, each.id), labels) for each in found)


def _spec(spec: AppBackupMonitorSpec, backup_id: str) -> dict[str, Any]:
    mirror, given = spec.mirror, {}
    if mirror is not None and mirror.ready_when is not None:
        given["readyWhen"] = mirror.ready_when.value
    if mirror is not None and mirror.interval is not None:
        given["interval"] = mirror.interval
    return {
        "accountID": spec.account_id,
        "appID": spec.app_id,
        "backupID": backup_id,
        "secretRef": {"name": spec.secret_ref.name},
        **given,
    }


def body_of(owner: Owner, wanted: WantedRef) -> dict[str, Any]:
    """The object to create."""
    reference = {
        "apiVersion": _API_VERSION,
        "kind": app_backup_monitor.NAMES.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": _API_VERSION,
        "kind": app_backup_ref.NAMES.kind,
        "metadata": {
            "name": wanted.name,
            "namespace": owner.namespace,
            "labels": dict(wanted.labels),
            "ownerReferences": [reference],
        },
        "spec": dict(wanted.spec),
    }


def repair_of(own: OwnRef, wanted: WantedRef) -> dict[str, Any]:
    """The merge patch that sets a ref back, without what fences it; empty if nothing is to be set back."""
    spec = {key: value for key, value in wanted.spec.items() if not _is_same(key, own.spec.get(key), value)}
    labels: dict[str, str | None] = {key: value for key, value in wanted.labels.items() if own.labels.get(key) != value}
    labels |= {key: None for key in sorted(own.given) if key not in wanted.labels and key in own.labels}
    patch: dict[str, Any] = {"metadata": {"labels": labels}} if labels else {}
    return patch | ({"spec": spec} if spec else {})


def _is_same(key: str, actual: object, wanted: object) -> bool:
    # The API server keeps the case of an ID; the remote compares without it.
    if key.endswith("ID") and isinstance(actual, str):
        return actual.lower() == wanted
    return actual == wanted


def controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner that is an object's controller; None without one."""
    owners = metadata.get("ownerReferences")
    entries = owners if isinstance(owners, list) else []
    return next((each for each in entries if isinstance(each, Mapping) and each.get("controller") is True), None)


def is_monitor(reference: Mapping[str, Any] | None) -> bool:
    """Whether an owner is a monitor."""
    if reference is None or reference.get("kind") != app_backup_monitor.NAMES.kind:
        return False
    return str(reference.get("apiVersion", "")).startswith(f"{GROUP}/")


def whose(owner: Mapping[str, Any] | None) -> str:
    """Whose a ref is that is none of the monitor's, as the rest of a sentence about it."""
    if owner is None:
        return "exists already and belongs to no monitor"
    return f"belongs to {owner.get('kind')} {owner.get('name')}"


def own_ref(body: Mapping[str, Any]) -> OwnRef:
    """What is kept of an own ref; `body` is the object as the API server has it."""
    metadata, spec = body["metadata"], body.get("spec")
    given = _given(metadata.get("managedFields"))
    return OwnRef(
        uid=metadata["uid"],
        name=metadata["name"],
        version=str(metadata["resourceVersion"]),
        spec=spec if isinstance(spec, Mapping) else {},
        labels=_kept_labels(metadata.get("labels"), given),
        given=given,
        is_deleting=metadata.get("deletionTimestamp") is not None,
    )


def _given(managed: object) -> frozenset[str]:
    """The names of the labels that belong to the operator."""
    found: set[str] = set()
    for each in managed if isinstance(managed, list) else []:
        if isinstance(each, Mapping) and each.get("manager") == FIELD_MANAGER and not each.get("subresource"):
            labels = _at(each, "fieldsV1", "f:metadata", "f:labels")
            found.update(str(key).removeprefix("f:") for key in labels if str(key).startswith("f:"))
    return frozenset(sorted(found)[:_MAX_LABELS])


def _kept_labels(labels: object, given: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(labels, Mapping) or len(labels) <= _MAX_LABELS:
        return labels if isinstance(labels, Mapping) else {}
    others = sorted(key for key in labels if key not in given)[:_MAX_LABELS]
    return {key: labels[key] for key in (*sorted(given), *others) if key in labels}


def _at(value: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
