"""What people do: refs, Secrets, namespaces, and statuses that they have no business in.

An object that is not there any more is no fault of theirs: the plan does not know what a namespace's end has taken.
"""

import base64
import time
from collections.abc import Mapping
from typing import Any, Final

from dev.soak import contents
from dev.soak.client import Client, ref_path, secret_path
from dev.soak.doing.lies import lie
from dev.soak.doing.perform import Args, Perform
from dev.soak.stage import Stage

_ANNOTATION: Final = "astra-mirror.io/requestedAt"
_GONE_SECONDS: Final = 150.0
"""The controller that ends it tries again after a minute at most, when the API server was away."""
_PAUSE_SECONDS: Final = 0.2
_NAMESPACES: Final = "/api/v1/namespaces"


def _ref(stage: Stage, args: Args, _: float) -> None:
    spec = {name: value for name, value in args["spec"].items() if value is not None}
    body = {
        "apiVersion": "astra-mirror.io/v1",
        "kind": "AppBackupRef",
        "metadata": {"name": args["name"]},
        "spec": spec,
    }
    stage.client.call("POST", ref_path(args["namespace"]), body)


def _edit(stage: Stage, args: Args, _: float) -> None:
    stage.client.call("PATCH", ref_path(args["namespace"], args["name"]), {"spec": args["spec"]})


def _poll(stage: Stage, args: Args, _: float) -> None:
    body = {"metadata": {"annotations": {_ANNOTATION: args["value"]}}}
    stage.client.call("PATCH", ref_path(args["namespace"], args["name"]), body)


def _label(stage: Stage, args: Args, _: float) -> None:
    body = {"metadata": {"labels": {"soak": args["value"]}}}
    stage.client.call("PATCH", ref_path(args["namespace"], args["name"]), body)


def _delete(stage: Stage, args: Args, _: float) -> None:
    stage.client.call("DELETE", ref_path(args["namespace"], args["name"]))


def _again(stage: Stage, args: Args, seconds: float) -> None:
    _delete(stage, args, seconds)
    _ref(stage, args, seconds)


def _lie(stage: Stage, args: Args, _: float) -> None:
    lie(stage.client, args["namespace"], args["name"], args["how"])


def _secret(stage: Stage, args: Args, _: float) -> None:
    stage.note_secret(args["namespace"], args["name"])
    stage.client.put(secret_path(args["namespace"]), secret_body(stage, args))


def secret_body(stage: Stage, args: Args) -> dict[str, Any]:
    """A Secret with the content that `args` name."""
    token = contents.token_of(args["token"], stage.seed)
    keys = contents.KINDS[args["kind"]].keys(stage.places, token)
    labels = {contents.KIND_LABEL: args["kind"], contents.TOKEN_LABEL: str(args["token"])}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
    return {"metadata": {"name": args["name"], "labels": labels}, "data": data}


def _unsecret(stage: Stage, args: Args, _: float) -> None:
    stage.note_secret(args["namespace"], args["name"])
    stage.client.call("DELETE", secret_path(args["namespace"], args["name"]))


def _flap(stage: Stage, args: Args, _: float) -> None:
    """There, not there, and there again, as fast as the API server takes it."""
    for _time in range(args["times"]):
        _unsecret(stage, args, 0)
        _secret(stage, args, 0)


def _namespace(stage: Stage, args: Args, _: float) -> None:
    name = args["namespace"]
    stage.client.call("DELETE", f"{_NAMESPACES}/{name}")
    until_gone(stage.client, name)
    make_namespace(stage.client, name)
    _secret(stage, args["secret"], 0)
    for each in args["refs"]:
        _ref(stage, each, 0)


def make_namespace(client: Client, name: str) -> None:
    """Make one."""
    client.call("POST", _NAMESPACES, {"metadata": {"name": name}})


def until_gone(client: Client, name: str) -> None:
    """Wait for the end of a namespace, which nothing of the operator's may hold up. An API server that is away may.

    Raises:
        TimeoutError: it does not end.
    """
    # Only the pauses count: a call takes as long as the API server is away.
    for _look in range(int(_GONE_SECONDS / _PAUSE_SECONDS)):
        if client.call("GET", f"{_NAMESPACES}/{name}").status == 404:
            return
        time.sleep(_PAUSE_SECONDS)
    raise TimeoutError(f"the end of namespace {name} did not come within {_GONE_SECONDS:g}s")


ACTIONS: Final[Mapping[str, Perform]] = {
    "ref": _ref,
    "edit": _edit,
    "poll": _poll,
    "label": _label,
    "delete": _delete,
    "again": _again,
    "lie": _lie,
    "secret": _secret,
    "unsecret": _unsecret,
    "flap": _flap,
    "namespace": _namespace,
}
