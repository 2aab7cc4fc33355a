"""Kubernetes' own roles learn the kind: who is bound to view or edit in a namespace needs no role of ours by name."""

import json
import threading
from typing import Final

import pytest

from dev.controlplane import ControlPlane, KubectlError

_REF: Final = "appbackuprefs.astra-mirror.io"
_READ: Final = ("get", "list", "watch")
_WRITE: Final = ("create", "update", "patch", "delete", "deletecollection")


def _may(control_plane: ControlPlane, namespace: str, who: str, verb: str, *options: str) -> bool:
    arguments = ["auth", "can-i", verb, _REF, f"--namespace={namespace}", f"--as={who}", *options]
    try:
        return control_plane.kubectl(*arguments).strip() == "yes"
    except KubectlError as error:
        # `can-i` ends with 1 for a no; anything else that it says is a fault.
        if str(error).split()[-1] != "no":
            raise
        return False


def _bind(control_plane: ControlPlane, namespace: str, role: str) -> str:
    """A user of that role in the namespace, once the API server's authorizer has learnt of the role and the binding."""
    who = f"{role}-of-{namespace}"
    control_plane.kubectl(
        "create", "rolebinding", who, f"--clusterrole={role}", f"--user={who}", f"--namespace={namespace}"
    )
    # Neither the aggregation nor the authorizer's cache says when it is done, so it is asked.
    pause = threading.Event()
    for _ in range(600):
        if _may(control_plane, namespace, who, "watch"):
            return who
        pause.wait(0.1)
    raise AssertionError(f"{role} has not learnt of {_REF}")


@pytest.mark.parametrize(("role", "may_write"), [("view", False), ("edit", True), ("admin", True)])
def test_what_a_user_of_the_clusters_own_roles_may_do(
    installed: ControlPlane, namespace: str, role: str, may_write: bool
) -> None:
    """View reads; edit and admin read and write; none of them writes a status; another namespace stays closed."""
    who = _bind(installed, namespace, role)
    assert all(_may(installed, namespace, who, verb) for verb in _READ)
    assert {_may(installed, namespace, who, verb) for verb in _WRITE} == {may_write}
    for verb in ("update", "patch"):
        assert not _may(installed, namespace, who, verb, "--subresource=status")
    assert not any(_may(installed, "default", who, verb) for verb in (*_READ, *_WRITE))


def test_a_status_is_refused_to_an_editor(installed: ControlPlane, namespace: str) -> None:
    """The same in deeds: an editor makes a ref and asks for a poll, and the API server refuses a forged status."""
    who = _bind(installed, namespace, "edit")
    as_editor = (f"--namespace={namespace}", f"--as={who}")
    spec = dict.fromkeys(("accountID", "appID", "backupID"), "11111111-0000-4000-8000-000000000000")
    # As JSON: kubectl 1.32 takes for JSON whatever begins with a brace.
    manifest = json.dumps(
        {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef", "metadata": {"name": "mine"}, "spec": spec}
    )
    installed.kubectl("apply", "-f", "-", *as_editor, stdin=manifest)
    installed.kubectl("annotate", "abr/mine", "astra-mirror.io/requestedAt=now", *as_editor)
    forged = ("patch", "abr/mine", "--subresource=status", "--type=merge", '--patch={"status": {"state": "completed"}}')
    with pytest.raises(KubectlError, match=r'"mine" is forbidden: .* resource "appbackuprefs/status"'):
        installed.kubectl(*forged, *as_editor)
    installed.kubectl("delete", "abr/mine", *as_editor)
