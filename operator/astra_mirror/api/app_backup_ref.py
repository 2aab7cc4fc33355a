"""The AppBackupRef as pydantic models: crds/appbackupref.yaml in Python.

A test compares the two property by property. The models are frozen: a status is a value that is computed, compared
and sent, never changed in place.
"""

import sys
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from astra_mirror.api.meta import Condition, Model, Names, SecretRef, UUIDText
from astra_mirror.support.durations import Seconds

NAMES: Final = Names("AppBackupRef", "appbackuprefs")
MAX_REASONS: Final = 32
MAX_REASON_LENGTH: Final = 256
MAX_DETAILS: Final = 16
MAX_DETAIL_LENGTH: Final = 1024
MAX_LABELS: Final = 64


def _in_range(seconds: float) -> float:
    if not 1 <= seconds <= 86_400:
        raise ValueError("must be from 1s to 24h")
    return seconds


def _shared(value: str) -> str:
    # Many refs name the same account and app: one string is enough for all of them.
    return sys.intern(value)


# The limits in the CRD: a value outside of them was not written by any operator.
ShortText = Annotated[str, Field(max_length=MAX_REASON_LENGTH)]
Text = Annotated[str, Field(max_length=MAX_DETAIL_LENGTH)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class ReadyWhen(StrEnum):
    """The condition for a ref to be Ready."""

    COMPLETED = "Completed"
    COMPLETED_AND_HOOKS_SUCCEEDED = "CompletedAndHooksSucceeded"
    OBSERVED = "Observed"


class AppBackupRefSpec(Model):
    """The spec, which users write."""

    account_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="accountID")
    app_id: Annotated[UUIDText, AfterValidator(_shared)] = Field(alias="appID")
    backup_id: UUIDText = Field(alias="backupID")
    secret_ref: SecretRef = SecretRef()
    interval: Annotated[Seconds, AfterValidator(_in_range)] | None = None
    suspend: bool = False
    ready_when: ReadyWhen = ReadyWhen.COMPLETED


class Detail(Model):
    """One entry of stateDetails or hookStateDetails."""

    type: Text | None = None
    title: Text | None = None
    detail: Text | None = None


Details = Annotated[tuple[Detail, ...], Field(max_length=MAX_DETAILS)]


class Label(Model):
    """A label of the remote resource."""

    name: Text
    value: Text


class Progress(Model):
    """The progress of a backup. Rates are bytes a second; times RFC 3339 in UTC."""

    percent_done: Annotated[int, Field(ge=0, le=100)] | None = None
    bytes_done: Count | None = None
    total_bytes: Count | None = None
    bytes_per_second: Count | None = None
    estimated_completion_time: str | None = None
    summary: ShortText | None = None


class BackupInfo(Model):
    """The remaining fields of the remote resource, verbatim."""

    name: Text | None = None
    version: Text | None = None
    bucket_id: Text | None = Field(default=None, alias="bucketID")
    snapshot_id: Text | None = Field(default=None, alias="snapshotID")
    schedule_id: Text | None = Field(default=None, alias="scheduleID")
    backup_creation_timestamp: Text | None = None
    creation_timestamp: Text | None = None
    modification_timestamp: Text | None = None
    created_by: Text | None = None
    modified_by: Text | None = None
    labels: Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS)] | None = None


class Target(Model):
    """The target of a status: the three IDs, in lower case, and the Secret."""

    account_id: str = Field(alias="accountID")
    app_id: str = Field(alias="appID")
    backup_id: str = Field(alias="backupID")
    secret_name: str


class AppBackupRefStatus(Model):
    """The status, which the operator writes."""

    observed_generation: int = -1
    target: Target | None = None
    state: ShortText | None = None
    state_unready: Annotated[tuple[ShortText, ...], Field(max_length=MAX_REASONS)] | None = None
    state_details: Details | None = None
    progress: Progress | None = None
    hook_state: Text | None = None
    hook_state_details: Details | None = None
    backup: BackupInfo | None = None
    last_handled_reconcile_at: Text | None = None
    conditions: tuple[Condition, ...] | None = None

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if it is present."""
        for each in self.conditions or ():
            if each.type == kind:
                return each
        return None
