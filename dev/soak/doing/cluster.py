"""What the cluster does: its servers are killed or frozen, a policy refuses writes, a role is too small."""

import json
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from dev.soak.doing.perform import Args, End, Perform
from dev.soak.stage import Stage

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles/astra-mirror"
_POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
_BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
_LOST: Final[Mapping[str, Callable[[dict[str, Any]], bool]]] = {
    "secrets": lambda rule: rule["resources"] == ["secrets"],
    "events": lambda rule: rule["resources"] == ["events"],
    "status": lambda rule: rule["resources"] == ["appbackuprefs/status"],
    "refs": lambda rule: rule["resources"] == ["appbackuprefs"],
}


def _outage(stage: Stage, begin: Callable[[], object], end: Callable[[], object]) -> End:
    """Begin one, and note at its end how long it was."""
    begun = time.time()
    begin()

    def over() -> None:
        end()
        stage.outages.append((begun, time.time()))

    return over


def _kill_apiserver(stage: Stage, _: Args, __: float) -> End:
    return _outage(stage, stage.plane.stop_apiserver, stage.plane.start_apiserver)


def _kill_etcd(stage: Stage, _: Args, __: float) -> End:
    return _outage(stage, stage.plane.stop_etcd, stage.plane.start_etcd)


def _freeze(stage: Stage, args: Args, _: float) -> End:
    send = partial(stage.plane.processes.send, args["name"])
    return _outage(stage, partial(send, signal.SIGSTOP), partial(send, signal.SIGCONT))


def _policy(stage: Stage, args: Args, _: float) -> End:
    """Writes of statuses in one namespace are refused, unless the object has a certain label."""
    name = f"soak-{args['namespace']}"
    rule = {"apiGroups": ["astra-mirror.io"], "apiVersions": ["*"], "operations": ["UPDATE"]}
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule | {"resources": ["appbackuprefs/status"]}]},
            "validations": [{"expression": "has(object.metadata.labels)", "message": "an owner has to be named"}],
        },
    }
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": args["namespace"]}}}
    spec = {"policyName": name, "validationActions": ["Deny"], "matchResources": where}
    stage.client.put(_POLICIES, policy)
    stage.client.put(_BINDINGS, {"metadata": {"name": name}, "spec": spec})

    def end() -> None:
        stage.client.call("DELETE", f"{_BINDINGS}/{name}")
        stage.client.call("DELETE", f"{_POLICIES}/{name}")

    return end


def _role(stage: Stage, args: Args, _: float) -> End:
    """The operator's role lacks a resource, or a verb, for a while."""
    whole = stage.client.call("GET", _RBAC).body["rules"]
    rules = json.loads(json.dumps(whole))
    if args["without"] == "watch":
        for rule in rules:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "watch"] or ["get"]
    else:
        rules = [rule for rule in rules if not _LOST[args["without"]](rule)]
    stage.client.call("PATCH", _RBAC, {"rules": rules})
    return lambda: stage.client.call("PATCH", _RBAC, {"rules": whole})


ACTIONS: Final[Mapping[str, Perform]] = {
    "kill-apiserver": _kill_apiserver,
    "kill-etcd": _kill_etcd,
    "freeze": _freeze,
    "policy": _policy,
    "role": _role,
}
