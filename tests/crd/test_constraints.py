"""Each constraint of the CRD, with an object that it accepts and one that it refuses, on the real API server."""

from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError

UUID = "3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a"
SPEC: dict[str, Any] = {"accountID": UUID, "appID": UUID, "backupID": UUID}


def _manifest(spec: Any) -> str:
    return yaml.safe_dump(
        {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef", "metadata": {"name": "x"}, "spec": spec}
    )


def _create(control_plane: ControlPlane, namespace: str, spec: Any) -> dict[str, Any]:
    arguments = ["create", "--dry-run=server", "-o", "yaml", "-f", "-", f"--namespace={namespace}"]
    created: dict[str, Any] = yaml.safe_load(control_plane.kubectl(*arguments, stdin=_manifest(spec)))
    return created


ACCEPTED = [
    ("accountID", UUID.upper()),
    ("appID", "00000000-0000-0000-0000-000000000000"),
    ("backupID", "bab39d53-2d04-5297-b92e-58df89a2117b"),
    ("secretRef", {}),
    ("secretRef", {"name": "my.secret-2"}),
    ("interval", "1s"),
    ("interval", "24h"),
    ("interval", "1m30s"),
    ("interval", "1.5h"),
    ("interval", "86400s"),
    ("suspend", True),
    ("readyWhen", "Completed"),
    ("readyWhen", "CompletedAndHooksSucceeded"),
    ("readyWhen", "Observed"),
]


@pytest.mark.parametrize(("field", "value"), ACCEPTED)
def test_accepted(installed: ControlPlane, namespace: str, field: str, value: Any) -> None:
    """A good value is stored as it is."""
    stored = _create(installed, namespace, SPEC | {field: value})["spec"][field]
    assert stored == (value or {"name": "astra-control"})


NO_UUIDS = ("", "x", UUID[:-1], UUID.replace("-", "_"), f"g{UUID[1:]}")
REFUSED = [
    *((name, value, "must be a UUID") for name in SPEC for value in NO_UUIDS),
    *((name, 7, "string") for name in SPEC),
    ("secretRef", {"name": ""}, "must be the name of a Secret"),
    ("secretRef", {"name": "Upper"}, "must be the name of a Secret"),
    ("secretRef", {"name": "a" * 254}, "253"),
    ("interval", "15", "from 1s to 24h"),
    ("interval", "999ms", "from 1s to 24h"),
    ("interval", "25h", "from 1s to 24h"),
    ("interval", "-5s", "from 1s to 24h"),
    ("interval", "1d", "from 1s to 24h"),
    ("interval", 15, "string"),
    ("interval", "0" * 40 + "1s", "32"),
    ("suspend", "yes", "boolean"),
    ("readyWhen", "Ready", "supported values"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "words"), REFUSED)
def test_refused(installed: ControlPlane, namespace: str, field: str, value: Any, words: str) -> None:
    """A bad value is refused with a message that names the field and says what is right."""
    with pytest.raises(KubectlError) as refused:
        _create(installed, namespace, SPEC | {field: value})
    assert f"spec.{field}" in str(refused.value)
    assert words.lower() in str(refused.value).lower()


@pytest.mark.parametrize("field", SPEC)
def test_required(installed: ControlPlane, namespace: str, field: str) -> None:
    """Without an ID there is nothing to mirror."""
    with pytest.raises(KubectlError, match=rf"spec\.{field}: Required value"):
        _create(installed, namespace, {key: value for key, value in SPEC.items() if key != field})


def test_spec_is_required(installed: ControlPlane, namespace: str) -> None:
    """An empty object is refused."""
    arguments = ["create", "--dry-run=server", "-f", "-", f"--namespace={namespace}"]
    manifest = yaml.safe_load(_manifest(SPEC))
    del manifest["spec"]
    with pytest.raises(KubectlError, match="spec: Required value"):
        installed.kubectl(*arguments, stdin=yaml.safe_dump(manifest))


def test_defaults(installed: ControlPlane, namespace: str) -> None:
    """What is left out is filled in, but for the interval, which is the operator's to choose."""
    created = _create(installed, namespace, SPEC)
    assert created["spec"] == {
        **SPEC,
        "secretRef": {"name": "astra-control"},
        "suspend": False,
        "readyWhen": "Completed",
    }
    assert created["status"] == {"observedGeneration": -1}


CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "BackupCompleted",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
TARGET = SPEC | {"secretName": "astra-control"}
STATUS_ACCEPTED: list[dict[str, Any]] = [
    {"target": TARGET},
    {"state": "whatever it says"},
    {"stateUnready": ["x" * 256] * 32},
    {"stateDetails": [{"type": "t", "title": "x" * 1024}] * 16},
    {"hookStateDetails": [{}]},
    {"progress": {"percentDone": 0, "bytesDone": 0, "totalBytes": 2**63 - 1, "bytesPerSecond": 1}},
    {"progress": {"percentDone": 100, "estimatedCompletionTime": "2026-01-01T00:00:00Z"}},
    {"backup": {"labels": [{"name": "a", "value": "b"}] * 64, "creationTimestamp": "odd"}},
    {"conditions": [CONDITION]},
]
STATUS_REFUSED = [
    ({"target": SPEC}, "target.secretName"),
    ({"target": TARGET | {"backupID": "x" * 37}}, "target.backupID"),
    ({"target": TARGET | {"secretName": "x" * 254}}, "target.secretName"),
    ({"state": "x" * 257}, "state"),
    ({"stateUnready": ["x"] * 33}, "stateUnready"),
    ({"stateUnready": ["x" * 257]}, "stateUnready[0]"),
    ({"stateDetails": [{}] * 17}, "stateDetails"),
    ({"hookStateDetails": [{"detail": "x" * 1025}]}, "hookStateDetails[0].detail"),
    ({"progress": {"percentDone": 101}}, "progress.percentDone"),
    ({"progress": {"percentDone": -1}}, "progress.percentDone"),
    ({"progress": {"bytesDone": -1}}, "progress.bytesDone"),
    ({"progress": {"totalBytes": -1}}, "progress.totalBytes"),
    ({"progress": {"bytesPerSecond": -1}}, "progress.bytesPerSecond"),
    ({"progress": {"estimatedCompletionTime": "soon"}}, "progress.estimatedCompletionTime"),
    ({"progress": {"summary": "x" * 257}}, "progress.summary"),
    ({"hookState": "x" * 1025}, "hookState"),
    ({"backup": {"name": "x" * 1025}}, "backup.name"),
    ({"backup": {"labels": [{"name": "a"}]}}, "backup.labels[0].value"),
    ({"backup": {"labels": [{"name": "a", "value": "b"}] * 65}}, "backup.labels"),
    ({"conditions": [CONDITION | {"status": "Maybe"}]}, "conditions[0].status"),
    ({"conditions": [CONDITION | {"reason": "two words"}]}, "conditions[0].reason"),
    ({"conditions": [CONDITION | {"type": "not ok"}]}, "conditions[0].type"),
    ({"conditions": [CONDITION | {"lastTransitionTime": "now"}]}, "conditions[0].lastTransitionTime"),
    ({"conditions": [CONDITION, CONDITION]}, "conditions[1]"),
]


@pytest.fixture
def stored(installed: ControlPlane, namespace: str) -> str:
    """An object whose status can be patched."""
    installed.kubectl("create", "-f", "-", f"--namespace={namespace}", stdin=_manifest(SPEC))
    return namespace


def _patch_status(control_plane: ControlPlane, namespace: str, status: dict[str, Any]) -> None:
    patch = yaml.safe_dump({"status": status})
    arguments = ["patch", "abr", "x", "--subresource=status", "--type=merge", f"--namespace={namespace}", "-p", patch]
    control_plane.kubectl(*arguments)


def test_a_status_within_its_limits_is_accepted(installed: ControlPlane, stored: str) -> None:
    """What the operator may write, the API server takes."""
    for status in STATUS_ACCEPTED:
        _patch_status(installed, stored, status)


@pytest.mark.parametrize(("status", "field"), STATUS_REFUSED)
def test_a_status_beyond_its_limits_is_refused(
    installed: ControlPlane, stored: str, status: dict[str, Any], field: str
) -> None:
    """The limits in the CRD are the last line of defence."""
    with pytest.raises(KubectlError) as refused:
        _patch_status(installed, stored, status)
    assert f"status.{field}" in str(refused.value)
