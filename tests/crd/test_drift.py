"""The CRD and the pydantic models say the same, property by property; and `kubectl explain` is a manual."""

import types
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from astra_mirror.api import app_backup_ref, meta
from dev.controlplane import ControlPlane

CRD = yaml.safe_load(Path("crds/appbackupref.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
_BOUNDED = ("status.state", "status.hook", "status.backup", "status.progress", "status.lastHandled")
"""What comes from elsewhere: the models have the CRD's bounds."""
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
    if typing.get_origin(kind) is tuple:
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
        assert _limit(annotation) or schema.get("maxLength", 0) == 0 or not path.startswith(_BOUNDED), path


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


def test_spec_and_model() -> None:
    """A field that is added, renamed or retyped on one side alone fails here."""
    _compare("spec", SCHEMA["properties"]["spec"], app_backup_ref.AppBackupRefSpec)


def test_status_and_model() -> None:
    """And so for the status."""
    _compare("status", SCHEMA["properties"]["status"], app_backup_ref.AppBackupRefStatus)
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert app_backup_ref.AppBackupRefStatus().observed_generation == -1


def test_names() -> None:
    """Group, kind, plural, short name, category, scope."""
    spec = CRD["spec"]
    assert (spec["group"], spec["names"]["kind"], spec["names"]["plural"]) == (
        meta.GROUP,
        app_backup_ref.NAMES.kind,
        app_backup_ref.NAMES.plural,
    )
    assert (spec["names"]["shortNames"], spec["names"]["categories"]) == (["abr"], ["astra"])
    assert spec["scope"] == "Namespaced"
    assert spec["versions"][0]["name"] == meta.VERSION


def test_columns() -> None:
    """What people see, in this order; the rest with -o wide, after the age."""
    columns = CRD["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [each["name"].upper() for each in columns if not each.get("priority")]
    wide = [each["name"].upper() for each in columns if each.get("priority")]
    assert shown == ["STATE", "PROGRESS", "READY", "SYNCED", "AGE"]
    assert wide == ["REASON", "SYNC-REASON", "TAKEN", "BACKUP", "MESSAGE"]
    taken = next(each for each in columns if each["name"] == "Taken")
    assert (taken["type"], taken["jsonPath"]) == ("date", ".status.backup.backupCreationTimestamp")


def test_selectable_fields() -> None:
    """On every version that is served."""
    for version in CRD["spec"]["versions"]:
        paths = [each["jsonPath"] for each in version["selectableFields"]]
        assert paths == [".spec.accountID", ".spec.appID", ".spec.backupID", ".status.state"]


def _undescribed(path: str, schema: dict[str, Any]) -> list[str]:
    found = [] if schema.get("description") or path == "metadata" else [path]
    for name, child in schema.get("properties", {}).items():
        found += _undescribed(f"{path}.{name}".lstrip("."), child)
    return found + (_undescribed(f"{path}[]", schema["items"]) if "items" in schema else [])


def test_every_field_is_described(installed: ControlPlane) -> None:
    """`kubectl explain` has a text for each field."""
    assert _undescribed("", SCHEMA) == []
    text = installed.kubectl("explain", "appbackupref.status.progress")
    assert "rounded down" in text
