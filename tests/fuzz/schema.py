"""Validates a value against the CRD's schema, as far as that schema goes; a word of it that is not known here fails.

The API server is the judge, and tests/crd asks it about some hundred statuses. This is for the millions of a long run.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

_CRD: Final = Path(__file__).parents[2] / "crds" / "appbackupref.yaml"
STATUS: Final[dict[str, Any]] = yaml.safe_load(_CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"][
    "properties"
]["status"]

_TYPES: Final[dict[str, Callable[[object], bool]]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "boolean": lambda value: isinstance(value, bool),
}
_FORMATS: Final[dict[str, Callable[[Any], bool]]] = {
    "int32": lambda value: -(2**31) <= value < 2**31,
    "int64": lambda value: -(2**63) <= value < 2**63,
    "date-time": lambda value: bool(datetime.fromisoformat(value)),
}
_CHECKS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "type": lambda value, kind: _TYPES[kind](value),
    "format": lambda value, kind: _FORMATS[kind](value),
    # Characters, as the API server counts them.
    "maxLength": lambda value, most: len(value) <= most,
    "minLength": lambda value, least: len(value) >= least,
    "maxItems": lambda value, most: len(value) <= most,
    "minimum": lambda value, least: value >= least,
    "maximum": lambda value, most: value <= most,
    "enum": lambda value, values: value in values,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
    "required": lambda value, names: set(names) <= set(value),
    "x-kubernetes-list-map-keys": lambda value, keys: (
        len({tuple(each[key] for key in keys) for each in value}) == len(value)
    ),
}
_WITHOUT_MEANING: Final = {"description", "default", "x-kubernetes-list-type"}
_INSIDE: Final = {"properties", "items"}


def check(value: Any, schema: Mapping[str, Any], path: str = "status") -> None:
    """Assert that the API server would store `value` as it is: valid, and nothing of it pruned."""
    assert set(schema) <= set(_CHECKS) | _WITHOUT_MEANING | _INSIDE, f"{path}: {set(schema)}"
    for word, holds in _CHECKS.items():
        assert word not in schema or holds(value, schema[word]), f"{path}: {word} {schema[word]!r}: {value!r:.200}"
    for name, each in value.items() if isinstance(value, Mapping) else ():
        assert name in schema["properties"], f"{path}.{name} would be pruned"
        check(each, schema["properties"][name], f"{path}.{name}")
    for number, each in enumerate(value if isinstance(value, list) else ()):
        check(each, schema["items"], f"{path}[{number}]")
