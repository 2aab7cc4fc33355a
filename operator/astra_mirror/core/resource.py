"""The AppBackupRef as pydantic models: what crds/appbackupref.yaml says, in Python.

A test compares the two property by property. The models are frozen: a status is a value that is computed, compared
and sent, never changed in place.
"""

import re
import sys
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from astra_mirror.core.duration import Seconds

GROUP: Final = "astra-mirror.io"
VERSION: Final = "v1"
KIND: Final = "AppBackupRef"
PLURAL: Final = "appbackuprefs"
FIELD_MANAGER: Final = "astra-mirror"
"""The field manager of every write."""
REQUESTED_AT: Final = "astra-mirror.io/requestedAt"
"""The annotation whose new value asks for a poll now."""
MAX_REQUESTED_AT: Final = 1024
DEFAULT_SECRET: Final = "astra-control"  # noqa: S105 - the name of a Secret, not its content

MAX_REASONS: Final = 32
MAX_REASON_LENGTH: Final = 256
MAX_DETAILS: Final = 16
MAX_DETAIL_LENGTH: Final = 1024
MAX_LABELS: Final = 64

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def _lower_uuid(value: str) -> str:
    lower = value.lower()
    if not _UUID.fullmatch(lower):
        raise ValueError("must be a UUID")
    return lower


def _in_range(seconds: float) -> float:
    if not 1 <= seconds <= 86_400:
        raise ValueError("must be from 1s to 24h")
    return seconds


def _shared(value: str) -> str:
    # Many refs name the same account and app: one string is enough for all of them.
    return sys.intern(value)


UUIDText = Annotated[str, AfterValidator(_lower_uuid)]
"""A UUID of any version, in lower case: the service compares them so, and so do the refs of one app."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class ReadyWhen(StrEnum):
    """What has to be true of a backup before the ref is Ready."""

    COMPLETED = "Completed"
    COMPLETED_AND_HOOKS_SUCCEEDED = "CompletedAndHooksSucceeded"
    OBSERVED = "Observed"


class SecretRef(_Model):
    """The Secret with the connection, in the ref's own namespace."""

    name: str = DEFAULT_SECRET


class AppBackupRefSpec(_Model):
    """What the user asks for."""

    account_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="accountID")
    app_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="appID")
    backup_id: UUIDText = Field(alias="backupID")
    secret_ref: SecretRef = SecretRef()
    interval: Annotated[Seconds, AfterValidator(_in_range)] | None = None
    suspend: bool = False
    ready_when: ReadyWhen = ReadyWhen.COMPLETED


class Detail(_Model):
    """One entry of stateDetails or hookStateDetails."""

    type: str | None = None
    title: str | None = None
    detail: str | None = None


class Label(_Model):
    """A label of the remote resource."""

    name: str
    value: str


class Progress(_Model):
    """How far a backup is. Rates are bytes a second; times RFC 3339 in UTC."""

    percent_done: int | None = None
    bytes_done: int | None = None
    total_bytes: int | None = None
    bytes_per_second: int | None = None
    estimated_completion_time: str | None = None
    summary: str | None = None


class BackupInfo(_Model):
    """What else the remote resource says of itself, verbatim."""

    name: str | None = None
    version: str | None = None
    bucket_id: str | None = Field(default=None, alias="bucketID")
    snapshot_id: str | None = Field(default=None, alias="snapshotID")
    schedule_id: str | None = Field(default=None, alias="scheduleID")
    backup_creation_timestamp: str | None = None
    creation_timestamp: str | None = None
    modification_timestamp: str | None = None
    created_by: str | None = None
    modified_by: str | None = None
    labels: tuple[Label, ...] | None = None


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(_Model):
    """A metav1.Condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int | None = None
    last_transition_time: str = ""


class Target(_Model):
    """What a status is about: the three IDs, in lower case, and the Secret."""

    account_id: str = Field(alias="accountID")
    app_id: str = Field(alias="appID")
    backup_id: str = Field(alias="backupID")
    secret_name: str


class AppBackupRefStatus(_Model):
    """What the operator writes."""

    observed_generation: int = -1
    target: Target | None = None
    state: str | None = None
    state_unready: tuple[str, ...] | None = None
    state_details: tuple[Detail, ...] | None = None
    progress: Progress | None = None
    hook_state: str | None = None
    hook_state_details: tuple[Detail, ...] | None = None
    backup: BackupInfo | None = None
    last_handled_reconcile_at: str | None = None
    conditions: tuple[Condition, ...] | None = None

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if it is present."""
        return next((each for each in self.conditions or () if each.type == kind), None)
