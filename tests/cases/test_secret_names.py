"""Names of Secrets are bounded for each namespace first, then for all, and what is refused holds no place."""

import json
from collections.abc import Iterator

import pytest

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.cases.support import Tenant, apply_all, reasons, ref_document, secret_document, synced_within, within
from tests.e2e.user import User
from tests.operator_process import StartOperator


def _many(number: int) -> list[dict[str, object]]:
    """Refs, each with a Secret's name of its own that nobody else uses."""
    return [
        ref_document(f"x{each}", secretRef={"name": f"none-{each}"}, interval="1h", backupID=uuid_of(f"x{each}"))
        for each in range(number)
    ]


@pytest.fixture
def allowed_names(installed: ControlPlane) -> Iterator[list[str]]:
    """Names of Secrets that a role of the administrator's allows beside astra-control."""
    names = ["special", *(f"none-{each}" for each in range(40))]
    metadata = {"name": "test-more-secret-names"}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get", "list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": "astra-mirror", "namespace": "astra-mirror-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **metadata}
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    documents = [
        {**version, "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {**version, "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]},
    ]
    installed.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, documents)))
    yield names
    installed.kubectl("delete", "clusterrole,clusterrolebinding", metadata["name"])


def test_many_names(
    user: User, astra: Simulator, tenant: Tenant, start_operator: StartOperator, allowed_names: list[str]
) -> None:
    """Row `many-names.sh 250`, then a restart: the default name is served, and another tenant's own name as well."""
    # A list has the namespaces in the order of their names.
    evil, other = tenant("aaa-evil"), tenant()
    apply_all(evil, _many(250))
    user.secret_for(astra)
    user.ref("default", astra.add_backup("completes", seconds=0))
    other.secret(allowed_names[0], url=astra.url, token=astra.token)
    other.ref("special", astra.add_backup("completes", seconds=0), secretRef={"name": allowed_names[0]})
    for _ in range(2):
        operator = start_operator("--settled-interval", "1s")
        user.wait("default", "Synced")
        other.wait("special", "Synced")
        # Those who come later as well.
        late = tenant()
        late.secret_for(astra)
        late.ref("late", astra.add_backup("completes", seconds=0))
        late.wait("late", "Ready")
        assert operator.stop() == 0
        for each, name in ((user, "default"), (other, "special")):
            each.kubectl("patch", "abr", name, "--subresource=status", "--type=merge", "-p", '{"status":null}')


def test_names_of_one_namespace_are_bounded(
    astra: Simulator, tenant: Tenant, start_operator: StartOperator, allowed_names: list[str]
) -> None:
    """Row `many-names.sh 250`: a namespace has 16 of the names that the role allows; a free place is used."""
    evil = tenant()
    evil.secret_for(astra)
    apply_all(evil, [*_many(20), ref_document("default", interval="1h")])
    assert "none-19" in allowed_names
    start_operator()
    found = within(30, lambda: reasons(evil, "Synced"), lambda seen: not {"", "NotObserved"} & set(seen.values()))
    refused = sorted(name for name, reason in found.items() if reason == "SecretForbidden")
    assert len(refused) == 4
    assert found["default"] == "Observed"
    message = synced_within(evil, refused[0], "SecretForbidden", 1)["message"]
    assert "uses 16 Secret names already" in message
    served = next(name for name, reason in found.items() if reason == "SecretNotFound")
    evil.kubectl("delete", "abr", served)
    apply_all(evil, [secret_document({"url": astra.url, "token": astra.token}, f"none-{refused[0][1:]}")])
    within(60, lambda: sorted(reasons(evil, "Synced").values()).count("SecretForbidden"), lambda number: number == 3)
