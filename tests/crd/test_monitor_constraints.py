"""Each constraint of the AppBackupMonitor's CRD, with an object that it accepts and one that it refuses."""

from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError

UUID = "3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a"
SPEC: dict[str, Any] = {"accountID": UUID, "appID": UUID}
DAILY: dict[str, Any] = {"name": "daily", "maxAge": "26h"}


def _create(control_plane: ControlPlane, namespace: str, spec: Any, name: str = "shop") -> dict[str, Any]:
    manifest = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor", "metadata": {"name": name}}
    arguments = ["create", "--dry-run=server", "-o", "yaml", "-f", "-", f"--namespace={namespace}"]
    created: dict[str, Any] = yaml.safe_load(
        control_plane.kubectl(*arguments, stdin=yaml.safe_dump(manifest | {"spec": spec}))
    )
    return created


ACCEPTED: list[dict[str, Any]] = [
    {"accountID": UUID.upper()},
    {"secretRef": {"name": "my.secret-2"}},
    *({"interval": each} for each in ("10s", "24h", "1h30m")),
    {"suspend": True},
    {"select": {}},
    {"select": {"scheduleIDs": [UUID, ""], "names": ["nightly-*", "*", "a" * 253]}},
    {"select": {"scheduleIDs": [""] * 16, "names": ["x"] * 16}},
    *({"objectives": [DAILY | {"maxAge": each}]} for each in ("1m", "8760h", "90m30s")),
    {"objectives": [{"name": f"o-{number}", "maxAge": "1h"} for number in range(8)]},
    {
        "objectives": [
            DAILY | {"scheduleID": "", "hooks": "Succeeded"},
            {"name": "x", "maxAge": "1h", "scheduleID": UUID},
        ]
    },
    {"mirror": {"newest": 1}},
    *({"mirror": {"newest": 1, "interval": each}} for each in ("1s", "24h")),
    {"mirror": {"newest": 100, "readyWhen": "Observed", "interval": "15s", "labels": {"team": "shop", "a.io/b": ""}}},
    {"mirror": {"newest": 5, "labels": {f"label-{number}": "x" for number in range(16)}}},
    {"mirror": {"newest": 5, "labels": {"Team_1.x": "", "a.b/C": "x", "a" * 253 + "/" + "b" * 63: "x"}}},
]


@pytest.mark.parametrize("fields", ACCEPTED)
def test_accepted(installed: ControlPlane, namespace: str, fields: dict[str, Any]) -> None:
    """A good value is stored as it is, beside the defaults."""
    stored = _create(installed, namespace, SPEC | fields)["spec"]
    for field, value in fields.items():
        if field != "objectives":
            assert stored[field] == value
        else:
            assert stored[field] == [{"hooks": "Any"} | each for each in value]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"accountID": "x"}, "spec.accountID", "must be a UUID"),
    ({"appID": UUID[:-1]}, "spec.appID", "must be a UUID"),
    ({"secretRef": {"name": "Upper"}}, "spec.secretRef.name", "must be the name of a Secret"),
    *(({"interval": each}, "spec.interval", "from 10s to 24h") for each in ("9s", "24h1s", "25h", "soon", "-5m")),
    ({"suspend": "yes"}, "spec.suspend", "boolean"),
    ({"select": {"scheduleIDs": ["x"]}}, "spec.select.scheduleIDs[0]", "must be a UUID, or empty"),
    ({"select": {"scheduleIDs": [""] * 17}}, "spec.select.scheduleIDs", "at most 16"),
    ({"select": {"names": [""]}}, "spec.select.names[0]", "at least 1"),
    ({"select": {"names": ["x" * 254]}}, "spec.select.names[0]", "253"),
    ({"select": {"names": ["x"] * 17}}, "spec.select.names", "at most 16"),
    ({"objectives": [DAILY] * 2}, "spec.objectives[1]", "duplicate"),
    ({"objectives": [{"name": f"o-{number}", "maxAge": "1h"} for number in range(9)]}, "spec.objectives", "at most 8"),
    ({"objectives": [{"name": "daily"}]}, "spec.objectives[0].maxAge", "required"),
    ({"objectives": [{"maxAge": "1h"}]}, "spec.objectives[0].name", "required"),
    *(
        ({"objectives": [DAILY | {"name": each}]}, "spec.objectives[0].name", "dns label")
        for each in ("", "Daily", "-a", "a-", "a.b")
    ),
    ({"objectives": [DAILY | {"name": "a" * 64}]}, "spec.objectives[0].name", "63"),
    *(
        ({"objectives": [DAILY | {"maxAge": each}]}, "spec.objectives[0].maxAge", "from 1m to 8760h")
        for each in ("59s", "8760h1s", "8761h", "1d", "")
    ),
    ({"objectives": [DAILY | {"scheduleID": "x"}]}, "spec.objectives[0].scheduleID", "must be a UUID, or empty"),
    ({"objectives": [DAILY | {"hooks": "Failed"}]}, "spec.objectives[0].hooks", "supported values"),
    ({"mirror": {}}, "spec.mirror.newest", "required"),
    ({"mirror": {"newest": 0}}, "spec.mirror.newest", "greater than or equal to 1"),
    ({"mirror": {"newest": 101}}, "spec.mirror.newest", "less than or equal to 100"),
    ({"mirror": {"newest": 1, "readyWhen": "Ready"}}, "spec.mirror.readyWhen", "supported values"),
    *(
        ({"mirror": {"newest": 1, "interval": each}}, "spec.mirror.interval", "from 1s to 24h")
        for each in ("999ms", "24h1s", "soon")
    ),
    *(
        ({"mirror": {"newest": 1, "labels": {each: "x"}}}, "spec.mirror.labels", "must have keys of labels")
        for each in ("astra-mirror.io/x", "a b", "-a", "A.B/c", "a/b/c", "a/", "/a", "", "a" * 64, "a" * 254 + "/b")
    ),
    ({"mirror": {"newest": 1, "labels": {"team": "a b"}}}, "spec.mirror.labels", "should match"),
    ({"mirror": {"newest": 1, "labels": {"team": "a" * 64}}}, "spec.mirror.labels", "63"),
    ({"mirror": {"newest": 1, "labels": {f"x{each}": "" for each in range(17)}}}, "spec.mirror.labels", "at most 16"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "words"), REFUSED)
def test_refused(installed: ControlPlane, namespace: str, fields: dict[str, Any], path: str, words: str) -> None:
    """A bad value is refused with a message that names the field and says what is right."""
    with pytest.raises(KubectlError) as refused:
        _create(installed, namespace, SPEC | fields)
    assert path in str(refused.value)
    assert words in str(refused.value).lower() or words in str(refused.value)


@pytest.mark.parametrize("field", SPEC)
def test_required(installed: ControlPlane, namespace: str, field: str) -> None:
    """Without an ID there is nothing to look at."""
    with pytest.raises(KubectlError, match=rf"spec\.{field}: Required value"):
        _create(installed, namespace, {key: value for key, value in SPEC.items() if key != field})


def test_the_length_of_the_name(installed: ControlPlane, namespace: str) -> None:
    """It becomes the value of a label."""
    _create(installed, namespace, SPEC, "a" * 63)
    with pytest.raises(KubectlError, match="at most 63 characters"):
        _create(installed, namespace, SPEC, "a" * 64)
