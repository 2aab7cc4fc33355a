"""Specs of monitors that the API server has admitted: read, or said to be unreadable in words that help."""

from typing import Any

import pytest

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, Hooks
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.spec import read_spec
from tests.core.cases import ACCOUNT, APP

GOOD: dict[str, Any] = {"accountID": ACCOUNT.upper(), "appID": APP}
SCHEDULE = "1FE83650-5F0C-4C0B-9D53-0A1B2C3D4E5F"
DAILY: dict[str, Any] = {"name": "daily", "maxAge": "26h"}


def _objectives(number: int) -> list[dict[str, Any]]:
    return [DAILY | {"name": f"o-{each}"} for each in range(number)]


def _labels(number: int) -> dict[str, str]:
    return {f"label-{each}": "x" for each in range(number)}


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
    "fields",
    [
        *({"interval": each} for each in ("10s", "24h")),
        {"select": {"scheduleIDs": [SCHEDULE] * 16, "names": ["x"] * 16}},
        {"select": {"names": ["x" * 253]}},
        *({"objectives": [DAILY | {"maxAge": each}]} for each in ("1m", "8760h")),
        {"objectives": [DAILY | {"name": "a" * 63}]},
        {"objectives": _objectives(8)},
        *({"mirror": {"newest": each}} for each in (1, 100)),
        *({"mirror": {"newest": 1, "interval": each}} for each in ("1s", "24h")),
        {"mirror": {"newest": 1, "labels": _labels(16)}},
    ],
)
def test_what_is_just_within_its_bounds_is_read(fields: dict[str, Any]) -> None:
    """The least and the most."""
    assert isinstance(read_spec(AppBackupMonitorSpec, GOOD | fields), AppBackupMonitorSpec)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        *(({"interval": each}, "spec.interval: must be from 10s to 24h") for each in ("9s", "9.9s", "24h1s")),
        ({"select": {"scheduleIDs": ["x"]}}, "spec.select.scheduleIDs.0: must be a UUID, or empty"),
        ({"select": {"scheduleIDs": [SCHEDULE] * 17}}, "spec.select.scheduleIDs: "),
        ({"select": {"names": ["x"] * 17}}, "spec.select.names: "),
        ({"select": {"names": ["x" * 254]}}, "spec.select.names.0: "),
        *(
            ({"objectives": [DAILY | {"maxAge": each}]}, "spec.objectives.0.maxAge: must be from 1m to 8760h")
            for each in ("59s", "8760h1s", "8761h")
        ),
        ({"objectives": [{"name": "X", "maxAge": "1h"}]}, "spec.objectives.0.name: must be a DNS label"),
        ({"objectives": [DAILY | {"name": "a" * 64}]}, "spec.objectives.0.name: "),
        ({"objectives": _objectives(9)}, "spec.objectives: "),
        *(({"mirror": {"newest": each}}, "spec.mirror.newest: ") for each in (0, 101)),
        *(
            ({"mirror": {"newest": 1, "interval": each}}, "spec.mirror.interval: must be from 1s to 24h")
            for each in ("0s", "999ms", "24h1s")
        ),
        ({"mirror": {"newest": 1, "labels": _labels(17)}}, "spec.mirror.labels: "),
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
