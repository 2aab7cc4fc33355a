"""A hostile tenant: one namespace that does its worst, with the rights of its namespace only.

That its writes are never answered is the fault proxy's part, as a webhook of its own would do it.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from dev.simulator.model import uuid_of
from dev.soak.client import ref_path, secret_path
from dev.soak.doing.lies import lie
from dev.soak.doing.perform import Args, End, Perform
from dev.soak.doing.users import secret_body
from dev.soak.stage import Stage
from dev.soak.topology import DEFAULT_SECRET, MANY_NAMES

NAMESPACE: Final = "soak-hostile"
_REFS: Final = 24
"""More than the operator has slots for writes."""
_HELD: Final = 640
"""In eighty apps on each of two connections: 640 MiB of lists at the same time, if nobody bounds them."""
_HELD_SECONDS: Final = 11.0
"""One list is held, for four seconds, before the others may begin, a few more each half second."""
_NAMES: Final = 120
_BUNDLES: Final = 14
"""Secrets, each of which may change three times at once: two fewer than the names that a namespace may use."""
_CERTIFICATES: Final = 60


def prepare(stage: Stage) -> None:
    """Its Secrets, and refs that are asked for every second."""
    _secret(stage, DEFAULT_SECRET, "plain")
    for number in range(_REFS):
        _ref(stage, f"ref-{number}", _spec(number))


def _spec(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of a spec
    ids = {"accountID": uuid_of("hostile account"), "appID": uuid_of(f"hostile app {number // 4}")}
    return {**ids, "backupID": str(UUID(int=number + 1, version=4)), "interval": "1s", **more}


def _ref(stage: Stage, name: str, spec: dict[str, Any]) -> None:
    kind = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef"}
    stage.client.call("POST", ref_path(NAMESPACE), {**kind, "metadata": {"name": name}, "spec": spec})


def _secret(stage: Stage, name: str, kind: str, token: int = 3) -> None:
    body = secret_body(stage, {"name": name, "kind": kind, "token": token})
    stage.note_secret(NAMESPACE, name)
    stage.client.put(secret_path(NAMESPACE), body)


def _at_rate(rate: float, seconds: float, act: Callable[[int], object]) -> None:
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        act(number)
        number += 1
        time.sleep(1 / rate)


def _storm(stage: Stage, args: Args, seconds: float) -> None:
    """Its Secret is edited again and again: hostile bytes, then good ones, large in between."""
    kinds = [args["kind"], "padded", "large-pem", "plain", "items", "brackets"]
    _at_rate(args["rate"], seconds, lambda number: _secret(stage, DEFAULT_SECRET, kinds[number % len(kinds)]))
    _secret(stage, DEFAULT_SECRET, "plain")


def _bundles(stage: Stage, args: Args, seconds: float) -> End:
    """The ca.crt of many Secrets is edited again and again, each time into another one, and is asked with."""
    secrets = MANY_NAMES[:_BUNDLES]
    names = [f"bundled-{number}" for number in range(_BUNDLES)]
    for number, name in enumerate(names):
        _bundle(stage, secrets[number], number)
        _ref(stage, name, _spec(number, secretRef={"name": secrets[number]}))
    _at_rate(args["rate"], seconds, lambda number: _bundle(stage, secrets[number % _BUNDLES], number + _BUNDLES))
    return lambda: _remove(stage, names, secrets)


def _bundle(stage: Stage, name: str, number: int) -> None:
    """A Secret that trusts the authority and another one: the latter so many times, before it and after it."""
    body = secret_body(stage, {"name": name, "kind": "tls", "token": 3})
    before, after = divmod(number, _CERTIFICATES)
    other = stage.places.other_authority
    bundle = other * before + stage.places.authority + other * (after + 1)
    body["data"]["ca.crt"] = base64.b64encode(bundle.encode()).decode()
    stage.note_secret(NAMESPACE, name)
    stage.client.put(secret_path(NAMESPACE), body)


def _liars(stage: Stage, args: Args, seconds: float) -> None:
    """Its own statuses are edited again and again."""
    hows = ["wipe", "completed", "foreign", "progress"]
    _at_rate(
        args["rate"], seconds, lambda number: lie(stage.client, NAMESPACE, f"ref-{number % _REFS}", hows[number % 4])
    )


def _held(stage: Stage, _: Args, __: float) -> End:
    """Refs whose apps' lists are held: almost 4 MiB each, which end seconds later.

    Their Secrets come last, so that all lists begin at the same time.
    """
    secrets, names = ("other-0", "other-1"), [f"held-{number}" for number in range(_HELD)]
    for number, name in enumerate(names):
        which = number // 4 % 2
        spec = _spec(number + 100, accountID=uuid_of(f"hostile account {which}"), secretRef={"name": secrets[which]})
        _ref(stage, name, spec)
    for token, name in zip((3, 2), secrets, strict=True):
        _secret(stage, name, "held", token)
    time.sleep(_HELD_SECONDS)

    return lambda: _remove(stage, names, secrets)


def _names(stage: Stage, _: Args, __: float) -> End:
    """More names of Secrets than it may use."""
    names = [f"named-{number}" for number in range(len(MANY_NAMES))]
    for number, name in enumerate(names):
        _ref(stage, name, _spec(number, secretRef={"name": MANY_NAMES[number]}))
    return lambda: _remove(stage, names)


def _forbidden_names(stage: Stage, _: Args, __: float) -> End:
    """Many names that the operator's role forbids."""
    names = [f"forbidden-{number}" for number in range(_NAMES)]
    for name in names:
        _ref(stage, name, _spec(0, secretRef={"name": name}))
    return lambda: _remove(stage, names[::2])


def _hung_writes(stage: Stage, _: Args, __: float) -> End:
    return stage.add_fault(kind="hang", verb="patch", namespace=NAMESPACE)


def _remove(stage: Stage, names: Sequence[str], secrets: Sequence[str] = ()) -> None:
    for name in names:
        stage.client.call("DELETE", ref_path(NAMESPACE, name))
    for name in secrets:
        stage.note_secret(NAMESPACE, name)
        stage.client.call("DELETE", secret_path(NAMESPACE, name))


ACTIONS: Final[Mapping[str, Perform]] = {
    "storm": _storm,
    "liars": _liars,
    "bundles": _bundles,
    "held": _held,
    "names": _names,
    "forbidden-names": _forbidden_names,
    "hung-writes": _hung_writes,
}
