"""The judgement on the shipped roles: what an audit log says where a right is used, or a request refused."""

from typing import Any

import pytest

from tests.privileges.audit import ACCOUNTS, Gathered, Right, gathered, unmeant, unused
from tests.privileges.plugin import faults_of, from_output, to_output

OPERATOR = ACCOUNTS[0]
PATCH = Right("astra-mirror", "astra-mirror.io", "appbackuprefs/status", "", "patch")


def _event(verb: str, resource: str, *, decision: str = "allow", **fields: Any) -> dict[str, Any]:
    """An entry as the API server writes it at the level Metadata."""
    reason = 'RBAC: allowed by ClusterRoleBinding "astra-mirror" of ClusterRole "astra-mirror" to ServiceAccount "x"'
    resource, _, subresource = resource.partition("/")
    about = {"resource": resource, "subresource": subresource or None, "apiVersion": "v1", **fields.pop("about", {})}
    return {
        "verb": verb,
        "user": {"username": OPERATOR.user},
        "objectRef": {key: each for key, each in about.items() if each is not None},
        "annotations": {
            "authorization.k8s.io/decision": decision,
            "authorization.k8s.io/reason": reason if decision == "allow" else "",
        },
        **fields,
    }


def test_each_shipped_rule_is_a_right_for_each_of_its_words() -> None:
    """As many as the words of a rule multiply to; those with resourceNames for each name."""
    rights = {str(each) for each in OPERATOR.rights()}
    assert "patch appbackuprefs/status.astra-mirror.io (role astra-mirror)" in rights
    assert "watch secrets 'astra-control' (role astra-mirror)" in rights
    assert "update leases.coordination.k8s.io 'astra-mirror' (role astra-mirror)" in rights
    assert "create leases.coordination.k8s.io (role astra-mirror)" in rights
    assert len(rights) == 19
    assert len(ACCOUNTS[1].rights()) == 8


def test_a_right_is_used_by_whoever_it_allows() -> None:
    """The very verb, resource and subresource, and the name where the rule has one."""
    events = [
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io", "name": "any"}),
        _event("list", "secrets", about={"name": "astra-control"}),
        _event("get", "leases", about={"apiGroup": "coordination.k8s.io", "name": "astra-mirror-0-of-2"}),
    ]
    left = {str(each) for each in unused(OPERATOR.rights(), gathered(events, OPERATOR).used)}
    assert len(left) == 17
    assert "get leases.coordination.k8s.io 'astra-mirror' (role astra-mirror)" in left
    assert not unused([PATCH], gathered(events[:1], OPERATOR).used)


@pytest.mark.parametrize(
    "event",
    [
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"})
        | {"user": {"username": "admin"}},
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"}) | {"user": {}},
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"}, impersonatedUser={}),
        _event("patch", "appbackuprefs/status", about={"apiGroup": "other.io"}),
        _event("patch", "appbackuprefs", about={"apiGroup": "astra-mirror.io"}),
        _event("update", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"}),
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"}, decision="forbid"),
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"}, annotations={}),
        {"verb": "get", "user": {"username": OPERATOR.user}, "requestURI": "/apis"},
    ],
)
def test_what_does_not_use_a_right(event: dict[str, Any]) -> None:
    """Another user, another verb, another resource, a refusal, a request that no rule is about."""
    assert unused([PATCH], gathered([event], OPERATOR).used) == [PATCH]


def test_another_role_that_allows_it_does_not_use_the_shipped_one() -> None:
    """Two roles may allow the same: the one that the API server names is the one that was needed."""
    event = _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io"})
    event["annotations"]["authorization.k8s.io/reason"] = 'RBAC: allowed by RoleBinding "x" of Role "other" to User "y"'
    assert unused([PATCH], gathered([event], OPERATOR).used) == [PATCH]


def test_a_refusal_that_nobody_has_caused() -> None:
    """A ref may name any Secret; all else the operator asks for by itself, and what admission refuses was allowed."""
    asked = [
        _event("watch", "secrets", decision="forbid", about={"name": "mine"}),
        _event("create", "events", about={"apiGroup": "events.k8s.io"}, responseStatus={"code": 403}),
        _event("list", "secrets", decision="forbid"),
        _event("list", "secrets", decision="forbid", about={"name": "astra-control"}),
        _event("delete", "secrets", decision="forbid", about={"name": "mine"}),
        _event("list", "namespaces", decision="forbid"),
    ]
    assert [str(each) for each in unmeant(gathered(asked, OPERATOR).refused, OPERATOR.rights())] == [
        "list namespaces (role )",
        "list secrets (role )",
        "delete secrets 'mine' (role )",
    ]


def test_a_refusal_of_what_the_role_allows_is_none_of_the_roles() -> None:
    """An API server that has just started does not know its roles yet."""
    probe = {"apiGroup": "astra-mirror.io", "name": "astra-mirror-probe"}
    asked = [_event("get", "appbackuprefs", decision="forbid", about=probe)]
    refused = gathered(asked, OPERATOR).refused
    assert len(refused) == 1
    assert not unmeant(refused, OPERATOR.rights())


def test_which_object_it_was_does_not_matter() -> None:
    """Unless a rule names one: what workers send has a bounded size."""
    names = [
        _event("patch", "appbackuprefs/status", about={"apiGroup": "astra-mirror.io", "name": f"x{n}"})
        for n in range(9)
    ]
    assert gathered(names, OPERATOR).used == {PATCH}


def test_a_part_of_the_tests_need_not_use_everything() -> None:
    """But must not be refused anything; and what workers send comes back as it was."""
    found = {each.user: Gathered() for each in ACCOUNTS}
    assert not faults_of(found, is_whole=False)
    faults = faults_of(found, is_whole=True)
    assert len(faults) == 27
    assert (
        "nothing uses this right in manifests/default/rbac.yaml: patch events.events.k8s.io (role astra-mirror)"
        in faults
    )
    used = {each.user: Gathered(each.rights(), frozenset()) for each in ACCOUNTS}
    assert not faults_of(from_output(to_output(used)), is_whole=True)
    refused = {**found, OPERATOR.user: Gathered(frozenset(), frozenset([PATCH._replace(verb="delete", role="")]))}
    assert len(faults_of(from_output(to_output(refused)), is_whole=False)) == 1
