"""Manifests that somebody may keep."""

import pytest

from astra_mirror.kubectl.core.manifests import belongs_to, check_id, hand_made, monitor
from tests.kubectl.core.objects import ACCOUNT, APP, COMPLETED, manifest

MADE = manifest(
    statuses=COMPLETED,
    metadata={
        "labels": {"team": "shop", "astra-mirror.io/monitor": "shop"},
        "annotations": {"note": "mine", "astra-mirror.io/requestedAt": "x", "kubectl.kubernetes.io/x": "y"},
        "ownerReferences": [{"kind": "AppBackupMonitor", "name": "shop", "uid": "u1", "controller": True}],
        "managedFields": [{}],
        "resourceVersion": "7",
    },
)


def test_a_ref_as_if_made_by_hand() -> None:
    """Its name, its own labels and annotations, its spec; no owner, no status, nothing of the server or of programs."""
    assert hand_made(MADE) == {
        "apiVersion": "astra-mirror.io/v1",
        "kind": "AppBackupRef",
        "metadata": {"name": "nightly", "labels": {"team": "shop"}, "annotations": {"note": "mine"}},
        "spec": {"accountID": ACCOUNT, "appID": APP},
    }
    assert hand_made(manifest(name="plain"))["metadata"] == {"name": "plain"}


def test_whose_a_ref_is() -> None:
    """Its controller's, by uid: another monitor of this name is another one."""
    assert belongs_to(MADE, "u1")
    assert not belongs_to(MADE, "u2")
    assert not belongs_to(manifest(metadata={"ownerReferences": [{"uid": "u1"}]}), "u1")


def test_a_monitor() -> None:
    """What is required, and nothing else."""
    assert monitor(ACCOUNT, APP, "shop")["spec"] == {"accountID": ACCOUNT, "appID": APP}
    assert check_id(ACCOUNT.upper()) == ACCOUNT
    with pytest.raises(ValueError, match="'shop' is not a UUID, such as"):
        check_id("shop")
