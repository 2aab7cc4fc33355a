"""What every status must be, whatever happened: called by each test that sees one.

The rules are kstatus's and metav1.Condition's, in the form in which people rely on them.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from astra_mirror.api.app_backup_ref import AppBackupRefStatus

ALWAYS = {"Ready", "Synced", "Succeeded", "Finished"}
ONLY_WHILE_TRUE = {"Reconciling", "Stalled"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


def check_status(status: Mapping[str, Any], *, generation: int | None = None) -> None:
    """Assert that `status`, as the API server would store it, contradicts neither itself nor the API's rules."""
    AppBackupRefStatus.model_validate(status)
    conditions = {each["type"]: each for each in status["conditions"]}
    assert len(conditions) == len(status["conditions"]), "a condition stands twice"
    assert set(conditions) >= ALWAYS
    extra = set(conditions) - ALWAYS
    assert extra <= ONLY_WHILE_TRUE
    assert len(extra) <= 1, "Reconciling and Stalled at once"
    for each in status["conditions"]:
        _check_condition(each, status["observedGeneration"])
    if generation is not None:
        assert status["observedGeneration"] == generation
    _check_meaning({name: each["status"] for name, each in conditions.items()}, conditions)
    _check_numbers(status.get("progress", {}), status.get("state"))
    yaml.safe_load(yaml.safe_dump(dict(status)))


def _check_condition(condition: Mapping[str, Any], generation: int) -> None:
    assert condition["status"] in {"True", "False", "Unknown"}
    assert _REASON.fullmatch(condition["reason"])
    assert condition["message"]
    assert len(condition["message"]) <= 1024
    assert _TIME.fullmatch(condition["lastTransitionTime"])
    assert condition["observedGeneration"] == generation
    if condition["type"] in ONLY_WHILE_TRUE:
        assert condition["status"] == "True"


def _check_meaning(statuses: Mapping[str, str], conditions: Mapping[str, Mapping[str, Any]]) -> None:
    if statuses["Ready"] == "True":
        assert not ONLY_WHILE_TRUE & set(statuses), "ready and not at rest"
        assert conditions["Ready"]["reason"] in {"BackupCompleted", "BackupCompletedHooksFailed", "BackupObserved"}
    if statuses["Succeeded"] != "Unknown":
        assert statuses["Finished"] == "True"
    if conditions["Ready"]["reason"] == "BackupCompleted":
        assert statuses["Succeeded"] == "True"
    if statuses["Ready"] != "True" and conditions["Synced"]["reason"] != "Suspended":
        assert ONLY_WHILE_TRUE & set(statuses), "neither ready, nor in progress, nor in need of a person"
    assert (statuses["Synced"] == "True") == (conditions["Synced"]["reason"] == "Observed")


def _check_numbers(progress: Mapping[str, Any], state: str | None) -> None:
    if progress.get("percentDone") == 100:
        assert state in {"completed", "failed", "removed", "deleting"}
    assert 0 <= progress.get("percentDone", 0) <= 100
    for name in ("bytesDone", "totalBytes", "bytesPerSecond"):
        assert 0 <= progress.get(name, 0) < 2**63
