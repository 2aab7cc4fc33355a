"""The AppBackupMonitor as pydantic models: crds/appbackupmonitor.yaml in Python.

A test compares the two property by property. The models are frozen, as those of every kind.
"""

import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from astra_mirror.api.app_backup_ref import Count, ReadyWhen, ShortText, Text
from astra_mirror.api.meta import GROUP, Condition, ConditionStatus, Model, Names, SecretRef, UUIDText
from astra_mirror.support.durations import Seconds, parse_duration

NAMES: Final = Names("AppBackupMonitor", "appbackupmonitors")
MONITOR_LABEL: Final = f"{GROUP}/monitor"
"""The label of the refs that a monitor makes; its value is the monitor's name."""
MAX_NAME: Final = 63
"""The maximum length of a monitor's name, which is a label's value."""
MAX_SELECTED: Final = 16
MAX_PATTERN: Final = 253
MAX_OBJECTIVES: Final = 8
MAX_LABELS: Final = 16
MAX_NEWEST: Final = 100
NO_SCHEDULE: Final = ""
"""The scheduleID of backups that no schedule made."""
_NULL_UUID: Final = "00000000-0000-0000-0000-000000000000"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LABEL_KEY: Final = re.compile(
    r"((?=[^/]{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
    re.ASCII,
)
_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)


def schedule_of(text: str | None) -> str:
    """The ID of a schedule in lower case; `NO_SCHEDULE` for an absent, an empty and the null one."""
    lower = (text or "").lower()
    return NO_SCHEDULE if lower == _NULL_UUID else lower


def _schedule(value: str) -> str:
    schedule = schedule_of(value)
    if schedule and not _UUID.fullmatch(schedule):
        raise ValueError("must be a UUID, or empty for backups that no schedule made")
    return schedule


def _shared(value: str) -> str:
    # Refs of the app name the same account and app: one string is enough for all of them.
    return sys.intern(value)


def _interval(seconds: float) -> float:
    if not 10 <= seconds <= 86_400:
        raise ValueError("must be from 10s to 24h")
    return seconds


def _interval_of_refs(text: str) -> str:
    if not 1 <= parse_duration(text) <= 86_400:
        raise ValueError("must be from 1s to 24h")
    return text


def _max_age(text: str) -> str:
    if not 60 <= parse_duration(text) <= 8760 * 3600:
        raise ValueError("must be from 1m to 8760h")
    return text


def _dns_label(text: str) -> str:
    if not _DNS_LABEL.fullmatch(text):
        raise ValueError("must be a DNS label")
    return text


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    if any(key.startswith(f"{GROUP}/") for key in labels):
        raise ValueError(f"keys under {GROUP}/ are the operator's")
    if not all(_LABEL_KEY.fullmatch(key) for key in labels):
        raise ValueError("must have keys of labels")
    if not all(_LABEL_VALUE.fullmatch(value) for value in labels.values()):
        raise ValueError("must be values of labels")
    return labels


ScheduleID = Annotated[str, AfterValidator(_schedule)]
Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)]
Duration = Annotated[str, Field(max_length=32)]


class Hooks(StrEnum):
    """Which backups count for an objective, by their execution hooks."""

    ANY = "Any"
    SUCCEEDED = "Succeeded"


class Select(Model):
    """Which backups count: those of one of the schedules whose name matches one of the patterns."""

    schedule_ids: Annotated[tuple[ScheduleID, ...], Field(max_length=MAX_SELECTED)] | None = Field(
        default=None, alias="scheduleIDs"
    )
    names: Annotated[tuple[Pattern, ...], Field(max_length=MAX_SELECTED)] | None = None


class Objective(Model):
    """How old the newest good backup may be."""

    name: Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_dns_label)]
    max_age: Annotated[Duration, AfterValidator(_max_age)]
    schedule_id: ScheduleID | None = Field(default=None, alias="scheduleID")
    hooks: Hooks = Hooks.ANY


class Mirror(Model):
    """Which AppBackupRefs to make, and what is in them."""

    newest: Annotated[int, Field(ge=1, le=MAX_NEWEST)]
    ready_when: ReadyWhen | None = None
    interval: Annotated[Duration, AfterValidator(_interval_of_refs)] | None = None
    labels: Annotated[Mapping[str, str], Field(max_length=MAX_LABELS), AfterValidator(_labels)] | None = None


class AppBackupMonitorSpec(Model):
    """The spec, which users write."""

    account_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="accountID")
    app_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="appID")
    secret_ref: SecretRef = SecretRef()
    interval: Annotated[Seconds, AfterValidator(_interval)] | None = None
    suspend: bool = False
    select: Select | None = None
    objectives: Annotated[tuple[Objective, ...], Field(max_length=MAX_OBJECTIVES)] | None = None
    mirror: Mirror | None = None


class MonitorTarget(Model):
    """The target of a status: the two IDs, in lower case, and the Secret."""

    account_id: str = Field(alias="accountID")
    app_id: str = Field(alias="appID")
    secret_name: str


class Backups(Model):
    """How many backups the app has. `selected` is the sum of the four after it."""

    total: Count
    selected: Count
    completed: Count
    in_progress: Count
    failed: Count
    other: Count


class Newest(Model):
    """The newest of the selected backups."""

    id: Text
    name: Text | None = None
    state: ShortText
    schedule_id: Text | None = Field(default=None, alias="scheduleID")
    time: str
    ref: Text | None = None


class NewestCompleted(Model):
    """The newest good one of the selected backups."""

    id: Text
    name: Text | None = None
    schedule_id: Text | None = Field(default=None, alias="scheduleID")
    time: str
    total_bytes: Count | None = None
    hook_state: Text | None = None
    ref: Text | None = None


class ObjectiveBackup(Model):
    """The newest good backup that counts for an objective."""

    id: Text
    name: Text | None = None
    time: str


class ObjectiveStatus(Model):
    """Whether an objective is met, by which backup, and until when."""

    name: Text
    met: ConditionStatus
    newest: ObjectiveBackup | None = None
    deadline: str | None = None


class Refs(Model):
    """How many refs there should be, and how many there are."""

    wanted: Count
    existing: Count


ConditionType = Literal["Ready", "Synced", "ObjectivesMet", "RefsCurrent", "Reconciling", "Stalled"]


class AppBackupMonitorStatus(Model):
    """The status, which the operator writes."""

    observed_generation: int = -1
    target: MonitorTarget | None = None
    backups: Backups | None = None
    newest: Newest | None = None
    newest_completed: NewestCompleted | None = None
    objectives: Annotated[tuple[ObjectiveStatus, ...], Field(max_length=MAX_OBJECTIVES)] | None = None
    deadline: str | None = None
    refs: Refs | None = None
    last_handled_reconcile_at: Text | None = None
    conditions: tuple[Condition, ...] | None = None

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type, if it is present."""
        for each in self.conditions or ():
            if each.type == kind:
                return each
        return None
