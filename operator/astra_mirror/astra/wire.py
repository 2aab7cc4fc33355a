"""Parses the remote's JSON: only `id` and `state` must be valid; any other invalid field is left out.

Field names are those of the appBackup resource 1.2 in Astra Control's API reference; `stateDetails` came with 24.02.
"""

import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.alias_generators import to_camel

from astra_mirror.api.app_backup_ref import (
    MAX_DETAIL_LENGTH,
    MAX_DETAILS,
    MAX_LABELS,
    MAX_REASON_LENGTH,
    MAX_REASONS,
    BackupInfo,
    Detail,
    Label,
)
from astra_mirror.core.backup import DOCUMENTED_STATES, Backup
from astra_mirror.support.text import cut

Redact = Callable[[str], str]
"""Removes the token from a text, where a server has echoed it. A text is redacted before it is cut, because half a
token would not be recognised. The document itself is not changed."""

_MAX_STATE_LENGTH = 256
_MAX_INFO_LENGTH = 1024
_MAX_INVALID_PARAMS = 16
_MAX_INT64 = 2**63 - 1
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _absent_when_wrong(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return handler(value)
    except ValidationError:
        return None


def number_of(value: object) -> int | float | None:
    """An integer, a float or a numeric string as a finite number; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # math.isfinite raises OverflowError for a very large integer.
    return value if isinstance(value, int) or math.isfinite(value) else None


def _size(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    number = number_of(value)
    return int(number) if number is not None and 0 <= number <= _MAX_INT64 else None


def _percentage(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    number = number_of(value)
    return number if number is not None and 0 <= number <= 100 else None


def _time(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        # Python reads at most six digits of a fraction; the others are checked by the pattern.
        datetime.fromisoformat(re.sub(r"\.\d+", "", value.upper()))
    except ValueError:
        return None
    return value


def _items(value: Any) -> list[Any] | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, list) else None


def _calls(function: Any) -> WrapValidator:  # noqa: ANN401 - one of the functions above
    return WrapValidator(lambda value, _handler: function(value))


_Text = Annotated[str | None, WrapValidator(_absent_when_wrong)]
_Time = Annotated[str | None, _calls(_time)]
_Size = Annotated[int | None, _calls(_size)]
_Percentage = Annotated[float | None, _calls(_percentage)]
_Items = Annotated[list[Any] | None, _calls(_items)]


class _Lenient(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True)


class _Metadata(_Lenient):
    labels: _Items = None
    creation_timestamp: _Time = None
    modification_timestamp: _Time = None
    created_by: _Text = None
    modified_by: _Text = None


class BackupDocument(_Lenient):
    """An appBackup resource of the API."""

    id: Annotated[str, Field(min_length=1)]
    state: Annotated[str, Field(min_length=1, max_length=_MAX_STATE_LENGTH)]
    name: _Text = None
    version: _Text = None
    bucket_id: _Text = Field(default=None, alias="bucketID")
    snapshot_id: _Text = Field(default=None, alias="snapshotID")
    schedule_id: _Text = Field(default=None, alias="scheduleID")
    state_unready: _Items = None
    state_details: _Items = None
    hook_state: _Text = None
    hook_state_details: _Items = None
    backup_creation_timestamp: _Time = None
    total_bytes: _Size = None
    bytes_done: _Size = None
    percent_done: _Percentage = None
    metadata: Annotated[_Metadata | None, WrapValidator(_absent_when_wrong)] = None

    def to_backup(self, redact: Redact) -> Backup:
        """The backup as observed: every text redacted and cut to its limit."""
        return Backup(
            id=self.id,
            # A documented state is never redacted, even if the token is the same word.
            state=self.state if self.state in DOCUMENTED_STATES else cut(redact(self.state), _MAX_STATE_LENGTH),
            state_unready=_reasons(self.state_unready, redact),
            state_details=_details(self.state_details, redact),
            hook_state=_short(self.hook_state, redact),
            hook_state_details=_details(self.hook_state_details, redact),
            percent_done=self.percent_done,
            bytes_done=self.bytes_done,
            total_bytes=self.total_bytes,
            info=self._info(redact),
        )

    def _info(self, redact: Redact) -> BackupInfo | None:
        metadata = self.metadata or _Metadata()
        info = BackupInfo(
            name=_short(self.name, redact),
            version=_short(self.version, redact),
            bucket_id=_short(self.bucket_id, redact),
            snapshot_id=_short(self.snapshot_id, redact),
            schedule_id=_short(self.schedule_id, redact),
            backup_creation_timestamp=self.backup_creation_timestamp,
            creation_timestamp=metadata.creation_timestamp,
            modification_timestamp=metadata.modification_timestamp,
            created_by=_short(metadata.created_by, redact),
            modified_by=_short(metadata.modified_by, redact),
            labels=_labels(metadata.labels, redact),
        )
        return info if info != BackupInfo() else None


def _short(text: str | None, redact: Redact) -> str | None:
    return None if text is None else cut(redact(text), _MAX_INFO_LENGTH)


def _first(items: Iterable[Any], most: int) -> tuple[list[Any], int]:
    """The items to show, at most `most` with the mark for the rest, and the number that is left out."""
    left = iter(items)
    shown = list(islice(left, most))
    beyond = sum(1 for _ in left)
    return (shown[:-1], beyond + 1) if beyond else (shown, 0)


def _reasons(items: list[Any] | None, redact: Redact) -> tuple[str, ...] | None:
    if items is None:
        return None
    shown, more = _first((each for each in items if isinstance(each, str)), MAX_REASONS)
    texts = tuple(cut(redact(each), MAX_REASON_LENGTH) for each in shown)
    return (*texts, f"… [{more} more]") if more else texts


def _details(items: list[Any] | None, redact: Redact) -> tuple[Detail, ...] | None:
    if items is None:
        return None
    shown, more = _first((each for each in items if isinstance(each, dict)), MAX_DETAILS)
    details = tuple(_detail(each, redact) for each in shown)
    return (*details, Detail(title=f"… [{more} more]")) if more else details


def _detail(item: dict[str, Any], redact: Redact) -> Detail:
    texts = {
        key: cut(redact(value), MAX_DETAIL_LENGTH)
        for key in ("type", "title", "detail")
        if isinstance(value := item.get(key), str)
    }
    return Detail(**texts)


def _labels(items: list[Any] | None, redact: Redact) -> tuple[Label, ...] | None:
    if items is None:
        return None
    pairs = (
        (name, value)
        for each in items
        if isinstance(each, dict)
        and isinstance(name := each.get("name"), str)
        and isinstance(value := each.get("value"), str)
    )
    shown, more = _first(pairs, MAX_LABELS)
    labels = tuple(
        Label(name=cut(redact(name), _MAX_INFO_LENGTH), value=cut(redact(value), _MAX_INFO_LENGTH))
        for name, value in shown
    )
    return (*labels, Label(name="…", value=f"[{more} more]")) if more else labels


class InvalidParam(_Lenient):
    """One entry of invalidParams in a problem document."""

    name: _Text = None
    reason: _Text = None


class Problem(_Lenient):
    """A problem document (application/problem+json)."""

    type: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    detail: _Text = None
    correlation_id: _Text = Field(default=None, alias="correlationID")
    invalid_params: _Items = None

    def words(self) -> str:
        """The title, the detail and the invalid parameters as one text for people."""
        text = self.title if not self.detail else f"{self.title}: {self.detail}"
        items, more = _first(
            (each for each in self.invalid_params or [] if isinstance(each, dict)), _MAX_INVALID_PARAMS
        )
        params = [InvalidParam.model_validate(each) for each in items]
        named = "; ".join(f"{each.name}: {each.reason or 'refused'}" for each in params if each.name)
        named += f"; … {more} more" if more else ""
        return f"{text} [{named}]" if named else text
