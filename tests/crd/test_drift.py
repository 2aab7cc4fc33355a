"""The CRDs and the pydantic models say the same, property by property; and `kubectl explain` is a manual."""

import re
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml
from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from astra_mirror.api import app_backup_monitor, app_backup_ref, meta
from astra_mirror.settings import Settings
from dev.controlplane import ControlPlane, KubectlError
from tests.e2e.monitors import until


@dataclass(frozen=True)
class Kind:
    """What a kind is in Python, and what its CRD has beside its schema."""

    names: meta.Names
    spec: type[BaseModel]
    status: type[BaseModel]
    short: str
    columns: tuple[list[str], list[str]]
    taken: tuple[str, str]
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


REF = Kind(
    app_backup_ref.NAMES,
    app_backup_ref.AppBackupRefSpec,
    app_backup_ref.AppBackupRefStatus,
    "abr",
    (
        ["STATE", "PROGRESS", "READY", "SYNCED", "AGE"],
        ["REASON", "SYNC-REASON", "TAKEN", "BACKUP", "MESSAGE"],
    ),
    ("Taken", ".status.backup.backupCreationTimestamp"),
    [".spec.accountID", ".spec.appID", ".spec.backupID", ".status.state"],
)
MONITOR = Kind(
    app_backup_monitor.NAMES,
    app_backup_monitor.AppBackupMonitorSpec,
    app_backup_monitor.AppBackupMonitorStatus,
    "abm",
    (["READY", "COMPLETED", "BACKUPS", "RUNNING", "FAILED", "AGE"], ["SYNCED", "REASON", "DEADLINE", "MESSAGE"]),
    ("Completed", ".status.newestCompleted.time"),
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
    columns = kind.crd["versions"][0]["additionalPrinterColumns"]
    shown = [each["name"].upper() for each in columns if not each.get("priority")]
    wide = [each["name"].upper() for each in columns if each.get("priority")]
    assert (shown, wide) == kind.columns
    name, path = kind.taken
    taken = next(each for each in columns if each["name"] == name)
    assert (taken["type"], taken["jsonPath"]) == ("date", path)


def test_a_deadline_is_no_date() -> None:
    """The printer shows a date in the future as invalid."""
    columns = MONITOR.crd["versions"][0]["additionalPrinterColumns"]
    assert next(each["type"] for each in columns if each["name"] == "Deadline") == "string"


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


def _defaults(path: str, schema: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Path, description and default of each field that has one, or is an interval."""
    found = [(path, schema.get("description", ""), schema["default"])] if "default" in schema else []
    found += [(path, schema["description"], "--")] if path.endswith(("interval", "mirror.readyWhen")) else []
    for name, child in schema.get("properties", {}).items():
        found += _defaults(f"{path}.{name}", child)
    return found + (_defaults(f"{path}[]", schema["items"]) if "items" in schema else [])


@KINDS
def test_explain_names_the_defaults(kind: Kind) -> None:
    """`kubectl explain` does not show a default, so the description ends with it."""
    found = _defaults("spec", kind.schema["properties"]["spec"])
    assert {"spec.interval", "spec.secretRef", "spec.secretRef.name", "spec.suspend"} <= {path for path, *_ in found}
    settings = Settings.model_fields
    options = {"--interval": settings["interval"].default, "--monitor-interval": settings["monitor_interval"].default}
    for path, description, default in found:
        _, mark, stated = description.partition(" Default: ")
        assert mark, path
        match default:
            case "--":
                option = re.search(r"--[\w-]+", stated)
                value = options[option[0]] if option else "Completed"
            case dict():
                [value] = default.values()
            case _:
                value = str(default).lower() if isinstance(default, bool) else default
        assert re.search(rf"\b{value}\b", stated), path


@KINDS
def test_every_field_is_described(kind: Kind) -> None:
    """In the CRD."""
    assert _undescribed("", kind.schema) == []


def test_explain_is_the_manual(installed: ControlPlane) -> None:
    """`kubectl explain` has a text for each field."""

    def explained(field: str) -> str:
        # The API server publishes a new kind's schema a moment after it serves the kind.
        with suppress(KubectlError):
            return " ".join(installed.kubectl("explain", f"appbackupref.{field}").split())
        return ""

    until(lambda: "rounded down" in explained("status.progress"))
    assert "Default: Completed." in explained("spec.readyWhen")
