"""Least privilege, from the audit log: what each shipped role allows, what was asked for by it, and what was refused.

A right that nothing uses is one too many: whoever takes the operator over has it as well. A request that is refused is
one too few, and the operator lives on without noticing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from dev.controlplane import ControlPlane

Audit = Callable[[ControlPlane], None]
"""Takes note of what the audit log of a control plane says, which is about to be stopped."""

_MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
_DECISION: Final = "authorization.k8s.io/decision"
_REASON: Final = "authorization.k8s.io/reason"
_ROLE: Final = re.compile(r'of (?:Cluster)?Role "([^"]+)"')


class Right(NamedTuple):
    """One verb on one resource, by a role. `name` is the one object that it is about; empty for all."""

    role: str
    group: str
    resource: str
    name: str
    verb: str

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}" + (f" {self.name!r}" if self.name else "") + f" (role {self.role})"


@dataclass(frozen=True)
class Account:
    """Who has a shipped role: the name in the audit log, and the file with the role."""

    user: str
    manifest: Path

    def rights(self) -> frozenset[Right]:
        """All that the roles in the manifest allow."""
        documents = yaml.safe_load_all(self.manifest.read_text())
        roles = (each for each in documents if each["kind"] in {"ClusterRole", "Role"})
        return frozenset(right for role in roles for rule in role["rules"] for right in _rights(role, rule))


ACCOUNTS: Final = (
    Account("system:serviceaccount:astra-mirror-system:astra-mirror", _MANIFESTS / "default" / "rbac.yaml"),
    Account("system:serviceaccount:default:kube-state-metrics", _MANIFESTS / "monitoring" / "rbac.yaml"),
)


def _rights(role: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[Right]:
    name = role["metadata"]["name"]
    for group, resource, one, verb in product(
        rule["apiGroups"], rule["resources"], rule.get("resourceNames", [""]), rule["verbs"]
    ):
        yield Right(name, group, resource, one, verb)


@dataclass(frozen=True)
class Gathered:
    """What the audit logs say of one account: the rights that were used, by whatever role, and what was refused."""

    used: frozenset[Right] = frozenset()
    refused: frozenset[Right] = frozenset()

    def __or__(self, other: "Gathered") -> "Gathered":
        return Gathered(self.used | other.used, self.refused | other.refused)


def gathered(events: Iterable[Mapping[str, Any]], account: Account) -> Gathered:
    """What these entries of an audit log say of an account, its own requests alone."""
    used, refused = set[Right](), set[Right]()
    # Of all others it does not matter which object it was.
    names = {each.name for each in account.rights()}
    for event in events:
        if event["user"].get("username") != account.user or "impersonatedUser" in event or "objectRef" not in event:
            continue
        notes = event.get("annotations", {})
        # What admission refuses, an Event in a namespace that ends for example, was allowed by the role.
        match notes.get(_DECISION):
            case "allow":
                right = _asked(event, _role(notes))
                used.add(right if right.name in names else right._replace(name=""))
            case "forbid":
                refused.add(_asked(event, ""))
    return Gathered(frozenset(used), frozenset(refused))


def _role(notes: Mapping[str, str]) -> str:
    found = _ROLE.search(notes.get(_REASON, ""))
    return found[1] if found else ""


def _asked(event: Mapping[str, Any], role: str) -> Right:
    about = event["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    return Right(role, about.get("apiGroup", ""), resource, about.get("name", ""), event["verb"])


def unused(rights: Iterable[Right], used: Iterable[Right]) -> list[Right]:
    """The rights that no request was allowed by, in order."""
    of_all = {each._replace(name="") for each in used}
    with_name = set(used)
    return sorted(each for each in rights if each not in (with_name if each.name else of_all))


def unmeant(refused: Iterable[Right], rights: Iterable[Right]) -> list[Right]:
    """The refused requests that no user has caused, and that the roles do not allow.

    Which Secret a ref names is its author's choice, and that the role forbids all others is the point of it. And an API
    server that has just started refuses everything for a moment, until it has read who may do what.
    """
    allowed = {each._replace(role="") for each in rights}
    return sorted(each for each in refused if not (_is_meant(each) or {each, each._replace(name="")} & allowed))


def _is_meant(refused: Right) -> bool:
    is_secret = (refused.group, refused.resource) == ("", "secrets")
    return is_secret and refused.name not in {"", "astra-control"} and refused.verb in {"get", "list", "watch"}
