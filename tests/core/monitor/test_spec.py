"""Specs of monitors that the API server has admitted: read, or said to be unreadable in words that help."""

from typing import Any

import pytest

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, Hooks
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.spec import read_spec
from tests.core.cases import ACCOUNT, APP

GOOD: dict[str, Any] = {"accountID": ACCOUNT.upper(), "appID": APP}
SCHEDULE = "1FE83650-5F0C-4C0B-9D53-0A1B2C3D4E5F"


def test_a_good_spec_is_read() -> None:
    """With its defaults, and IDs in lower case."""
    objective = {"name": "daily", "maxAge": "26h", "scheduleID": SCHEDULE}
    spec = read_spec(AppBackupMonitorSpec, GOOD | {"objectives": [objective]})
    assert isinstance(spec, AppBackupMonitorSpec)
    assert spec.account_id == ACCOUNT
    assert (spec.secret_ref.name, spec.suspend, spec.interval, spec.mirror) == ("astra-control", False, None, None)
    [daily] = spec.objectives or ()
    assert (daily.schedule_id, daily.hooks) == (SCHEDULE.lower(), Hooks.ANY)


@pytest.mark.parametrize("text", ["", "00000000-0000-0000-0000-000000000000"])
def test_no_schedule(text: str) -> None:
    """The null UUID stands for the same as an empty text."""
    spec = read_spec(AppBackupMonitorSpec, GOOD | {"select": {"scheduleIDs": [text]}})
    assert isinstance(spec, AppBackupMonitorSpec)
    assert spec.select is not None
    assert spec.select.schedule_ids == ("",)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"interval": "9s"}, "spec.interval: must be from 10s to 24h"),
        ({"select": {"scheduleIDs": ["x"]}}, "spec.select.scheduleIDs.0: must be a UUID, or empty"),
        ({"objectives": [{"name": "x", "maxAge": "59s"}]}, "spec.objectives.0.maxAge: must be from 1m to 8760h"),
        ({"objectives": [{"name": "X", "maxAge": "1h"}]}, "spec.objectives.0.name: must be a DNS label"),
        ({"mirror": {"newest": 1, "interval": "0s"}}, "spec.mirror.interval: must be from 1s to 24h"),
        ({"mirror": {"newest": 1, "labels": {"astra-mirror.io/x": "y"}}}, "spec.mirror.labels: keys under"),
        ({"mirror": {"newest": 1, "labels": {"x": "a b"}}}, "spec.mirror.labels: must be values of labels"),
        *(
            ({"mirror": {"newest": 1, "labels": {key: "y"}}}, "spec.mirror.labels: must have keys of labels")
            for key in ("", "a b", "/a", "a/", "a/b/c", "-a", "a" * 64, "A/b", "a..b/c", "a" * 254 + "/b")
        ),
    ],
)
def test_a_bad_spec_is_a_failure_that_names_the_field(fields: dict[str, Any], words: str) -> None:
    """Which a CRD of another release may admit."""
    spec = read_spec(AppBackupMonitorSpec, GOOD | fields)
    assert isinstance(spec, Failed)
    assert spec.reason is SyncReason.INVALID_SPEC
    assert words in spec.message


def test_keys_of_labels() -> None:
    """A name, with the domain of its owner before it or without."""
    keys = ("team", "Team_1.x", "example.com/team", "a" * 63, "a" * 250 + ".co/" + "b" * 63)
    spec = read_spec(AppBackupMonitorSpec, GOOD | {"mirror": {"newest": 1, "labels": dict.fromkeys(keys, "x")}})
    assert isinstance(spec, AppBackupMonitorSpec)
