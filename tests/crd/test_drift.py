"""The CRDs and the pydantic models say the same, property by property; and `kubectl explain` is a manual."""

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from astra_mirror.api import app_backup_monitor, app_backup_ref, meta
from dev.controlplane import ControlPlane


class Column(NamedTuple):
    """How the printer shows a column: its type, where its value is, and its priority, which is 1 with -o wide only."""

    type: str
    path: str
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """What a kind is in Python, and what its CRD has beside its schema."""

    names: meta.Names
    spec: type[BaseModel]
    status: type[BaseModel]
    short: str
    columns: dict[str, Column]
    selectable: list[str]

    @property
    def crd(self) -> dict[str, Any]:
        """Its CRD's spec."""
        found: dict[str, Any] = yaml.safe_load(Path(self.names.crd).read_text())["spec"]
        return found

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of its objects."""
        found: dict[str, Any] = self.crd["versions"][0]["schema"]["openAPIV3Schema"]
        return found


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


REF = Kind(
    app_backup_ref.NAMES,
    app_backup_ref.AppBackupRefSpec,
    app_backup_ref.AppBackupRefStatus,
    "abr",
    {
        "STATE": Column("string", ".status.state"),
        "PROGRESS": Column("string", ".status.progress.summary"),
        "READY": Column("string", _condition("Ready", "status")),
        "SYNCED": Column("string", _condition("Synced", "status")),
        "AGE": Column("date", ".metadata.creationTimestamp"),
        "REASON": Column("string", _condition("Ready", "reason"), 1),
        "SYNC-REASON": Column("string", _condition("Synced", "reason"), 1),
        "TAKEN": Column("date", ".status.backup.backupCreationTimestamp", 1),
        "BACKUP": Column("string", ".spec.backupID", 1),
        "MESSAGE": Column("string", _condition("Ready", "message"), 1),
    },
    [".spec.accountID", ".spec.appID", ".spec.backupID", ".status.state"],
)
MONITOR = Kind(
    app_backup_monitor.NAMES,
    app_backup_monitor.AppBackupMonitorSpec,
    app_backup_monitor.AppBackupMonitorStatus,
    "abm",
    {
        "READY": Column("string", _condition("Ready", "status")),
        "COMPLETED": Column("date", ".status.newestCompleted.time"),
        "BACKUPS": Column("integer", ".status.backups.total"),
        "RUNNING": Column("integer", ".status.backups.inProgress"),
        "FAILED": Column("integer", ".status.backups.failed"),
        "AGE": Column("date", ".metadata.creationTimestamp"),
        "SYNCED": Column("string", _condition("Synced", "status"), 1),
        "REASON": Column("string", _condition("Ready", "reason"), 1),
        # No date: the printer shows one in the future as invalid.
        "DEADLINE": Column("string", ".status.deadline", 1),
        "MESSAGE": Column("string", _condition("Ready", "message"), 1),
    },
    [".spec.accountID", ".spec.appID"],
)
KINDS = pytest.mark.parametrize("kind", [REF, MONITOR], ids=lambda kind: kind.short)
_BOUNDED = ("status.state", "status.hook", "status.backup", "status.progress", "status.lastHandled", "status.newest")
"""What comes from elsewhere: the models have the CRD's bounds."""
_TIMES = (".time", ".deadline", "estimatedCompletionTime")
JSON_TYPES = {str: "string", int: "integer", bool: "boolean", float: "string"}


def _plain(annotation: Any) -> Any:
    """The type without Annotated, None and the like."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        return _plain(next(each for each in typing.get_args(annotation) if each is not type(None)))
    return annotation


def _limit(annotation: Any) -> int | None:
    """The most characters or items that the type admits."""
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        return next(filter(None, map(_limit, typing.get_args(annotation))), None)
    given = getattr(annotation, "__metadata__", ())
    bounds = [one for each in given for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
    return next((each.max_length for each in bounds if isinstance(each, MaxLen)), None)


def _compare(path: str, schema: dict[str, Any], annotation: Any) -> None:
    kind = _plain(annotation)
    if typing.get_origin(kind) is Mapping:
        assert schema["type"] == "object", path
        assert schema["maxProperties"] == _limit(annotation), path
        _compare(f"{path}{{}}", schema["additionalProperties"], typing.get_args(kind)[1])
    elif typing.get_origin(kind) is tuple:
        assert schema["type"] == "array", path
        assert schema.get("maxItems") == _limit(annotation), path
        _compare(f"{path}[]", schema["items"], typing.get_args(kind)[0])
    elif typing.get_origin(kind) is typing.Literal:
        assert schema["enum"] == list(typing.get_args(kind)), path
    elif issubclass(kind, BaseModel):
        _compare_models(path, schema, kind)
    elif issubclass(kind, StrEnum):
        assert schema["enum"] == [each.value for each in kind], path
    else:
        assert schema["type"] == JSON_TYPES[kind], path
        assert _limit(annotation) in {None, schema.get("maxLength")}, path
        is_bounded = path.startswith(_BOUNDED) and not path.endswith(_TIMES)
        assert _limit(annotation) or schema.get("maxLength", 0) == 0 or not is_bounded, path


def _compare_models(path: str, schema: dict[str, Any], model: type[BaseModel]) -> None:
    assert schema["type"] == "object", path
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(schema["properties"]) == set(fields), path
    always = {"observedGeneration"} if model is meta.Condition else set()
    required = {alias for alias, field in fields.items() if field.is_required()}
    if model is meta.Condition:
        required |= {"lastTransitionTime"}
    assert set(schema.get("required", [])) == required - always, path
    for alias, field in fields.items():
        _compare_default(f"{path}.{alias}", schema["properties"][alias], field)
        # Of a field without a default pydantic takes the bounds out of the annotation.
        bounded = typing.Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        _compare(f"{path}.{alias}", schema["properties"][alias], bounded)


def _compare_default(path: str, schema: dict[str, Any], field: FieldInfo) -> None:
    default = field.default
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json", by_alias=True)
    if path.startswith("spec"):
        given = None if field.is_required() else default
        assert schema.get("default") == given, path


@KINDS
def test_spec_and_model(kind: Kind) -> None:
    """A field that is added, renamed or retyped on one side alone fails here."""
    _compare("spec", kind.schema["properties"]["spec"], kind.spec)


@KINDS
def test_status_and_model(kind: Kind) -> None:
    """And so for the status."""
    _compare("status", kind.schema["properties"]["status"], kind.status)
    assert kind.schema["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert kind.status().model_dump(by_alias=True, exclude_none=True) == {"observedGeneration": -1}


@KINDS
def test_names(kind: Kind) -> None:
    """Group, kind, plural, short name, category, scope."""
    crd = kind.crd
    assert (crd["group"], crd["names"]["kind"], crd["names"]["plural"]) == (
        meta.GROUP,
        kind.names.kind,
        kind.names.plural,
    )
    assert (crd["names"]["shortNames"], crd["names"]["categories"]) == ([kind.short], ["astra"])
    assert crd["scope"] == "Namespaced"
    assert crd["versions"][0]["name"] == meta.VERSION


@KINDS
def test_columns(kind: Kind) -> None:
    """What people see, in this order; the rest with -o wide, after the age."""
    for version in kind.crd["versions"]:
        columns = [
            (each["name"].upper(), Column(each["type"], each["jsonPath"], each.get("priority", 0)))
            for each in version["additionalPrinterColumns"]
        ]
        assert columns == list(kind.columns.items())


@KINDS
def test_the_status_is_a_subresource(kind: Kind) -> None:
    """Users write the spec and the operator the status, each without a right to the other, in every version."""
    assert [each["subresources"] for each in kind.crd["versions"]] == [{"status": {}}]


@KINDS
def test_selectable_fields(kind: Kind) -> None:
    """On every version that is served."""
    for version in kind.crd["versions"]:
        assert [each["jsonPath"] for each in version["selectableFields"]] == kind.selectable


def _undescribed(path: str, schema: dict[str, Any]) -> list[str]:
    found = [] if schema.get("description") or path == "metadata" else [path]
    for name, child in schema.get("properties", {}).items():
        found += _undescribed(f"{path}.{name}".lstrip("."), child)
    for each in ("items", "additionalProperties"):
        found += _undescribed(f"{path}[]", schema[each]) if each in schema else []
    return found


@KINDS
def test_every_field_is_described(kind: Kind) -> None:
    """In the CRD."""
    assert _undescribed("", kind.schema) == []


def test_explain_is_the_manual(installed: ControlPlane) -> None:
    """`kubectl explain` has a text for each field."""
    text = installed.kubectl("explain", "appbackupref.status.progress")
    assert "rounded down" in text
