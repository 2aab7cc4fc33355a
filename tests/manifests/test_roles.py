"""Kubernetes' own roles learn the kinds: who is bound to view or edit in a namespace needs no role of ours by name.

Each user here is impersonated, so it is the API server that decides.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from tests.e2e.monitors import until

_KINDS: Final = {"AppBackupRef": "appbackuprefs", "AppBackupMonitor": "appbackupmonitors"}
_READ: Final = {"get", "list", "watch"}
_WRITE: Final = {"create", "update", "patch", "delete", "deletecollection"}
_ID: Final = "11111111-0000-4000-8000-000000000000"
_EACH: Final = pytest.mark.parametrize("kind", list(_KINDS))


class Person:
    """Somebody bound to one of the cluster's own roles in a namespace, who uses kubectl there."""

    def __init__(self, control_plane: ControlPlane, namespace: str, role: str) -> None:
        self._control_plane, self._namespace = control_plane, namespace
        self._name = f"{role}-of-{namespace}"
        self._bind(role)

    def _bind(self, role: str) -> None:
        where = f"--namespace={self._namespace}"
        self._control_plane.kubectl(
            "create", "rolebinding", self._name, f"--clusterrole={role}", f"--user={self._name}", where
        )
        # Neither the aggregation nor the authorizer's cache says when it is done, so it is asked.
        until(lambda: set(self.rights()) == set(_KINDS.values()))

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """As this person, in the namespace."""
        where = f"--namespace={self._namespace}"
        return self._control_plane.kubectl(*arguments, f"--as={self._name}", where, stdin=stdin)

    def rights(self, namespace: str = "") -> dict[str, set[str]]:
        """The verbs on each resource of the group that the API server allows, in the own namespace or in that one."""
        arguments = ["auth", "can-i", "--list", f"--as={self._name}", f"--namespace={namespace or self._namespace}"]
        found = re.findall(
            r"^(\S+)\.astra-mirror\.io .*\[([^]]*)\]$", self._control_plane.kubectl(*arguments), re.MULTILINE
        )
        rights: dict[str, set[str]] = {}
        for resource, verbs in found:
            rights.setdefault(resource, set()).update(verbs.split())
        return rights


def _manifest(kind: str) -> str:
    ids = {"accountID": _ID, "appID": _ID} | ({"backupID": _ID} if kind == "AppBackupRef" else {})
    return yaml.safe_dump({"apiVersion": "astra-mirror.io/v1", "kind": kind, "metadata": {"name": "mine"}, "spec": ids})


@pytest.mark.parametrize(("role", "verbs"), [("view", _READ), ("edit", _READ | _WRITE), ("admin", _READ | _WRITE)])
def test_what_a_user_of_the_clusters_own_roles_may_do(
    installed: ControlPlane, namespace: str, role: str, verbs: set[str]
) -> None:
    """View reads; edit and admin read and write; none of them writes a status; another namespace stays closed."""
    who = Person(installed, namespace, role)
    assert who.rights() == dict.fromkeys(_KINDS.values(), verbs)
    assert who.rights("default") == {}


@_EACH
def test_an_editor_in_deeds(installed: ControlPlane, namespace: str, kind: str) -> None:
    """Makes one, changes it, asks for a poll, removes it; and the API server refuses a forged status."""
    who, name = Person(installed, namespace, "edit"), f"{_KINDS[kind]}/mine"
    who.kubectl("apply", "-f", "-", stdin=_manifest(kind))
    who.kubectl("patch", name, "--type=merge", '--patch={"spec": {"suspend": true}}')
    who.kubectl("annotate", name, "astra-mirror.io/requestedAt=now")
    forged = ("patch", name, "--subresource=status", "--type=merge", '--patch={"status": {"observedGeneration": 1}}')
    with pytest.raises(KubectlError, match=rf'"mine" is forbidden: .* resource "{_KINDS[kind]}/status"'):
        who.kubectl(*forged)
    # Without the subresource the API server ignores what is written there.
    who.kubectl("patch", name, "--type=merge", '--patch={"status": {"observedGeneration": 1}}')
    shown: dict[str, Any] = json.loads(who.kubectl("get", name, "-o", "json"))
    assert shown["status"] == {"observedGeneration": -1}
    who.kubectl("delete", name)


@_EACH
def test_a_viewer_in_deeds(installed: ControlPlane, namespace: str, kind: str) -> None:
    """Sees them, and can neither make, change nor remove one; Secrets stay closed, as the role has it."""
    installed.kubectl("apply", "-f", "-", f"--namespace={namespace}", stdin=_manifest(kind))
    who, name = Person(installed, namespace, "view"), f"{_KINDS[kind]}/mine"
    assert "mine" in who.kubectl("get", _KINDS[kind])
    who.kubectl("wait", "--for=jsonpath={.metadata.name}=mine", name, "--timeout=10s")
    for refused in (
        ("create", "-f", "-"),
        ("annotate", name, "astra-mirror.io/requestedAt=now"),
        ("delete", name),
        ("get", "secrets"),
    ):
        with pytest.raises(KubectlError, match="forbidden"):
            who.kubectl(*refused, stdin=_manifest(kind).replace("mine", "other"))


def test_beside_the_crds_and_without_the_operator() -> None:
    """Whoever applies crds/ alone has them."""
    roles = [each["metadata"]["name"] for each in yaml.safe_load_all(Path("crds/roles.yaml").read_text())]
    assert roles == ["astra-mirror-view", "astra-mirror-edit"]
