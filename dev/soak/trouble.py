"""The plan's part of what breaks: Astra Control, the way to the API server, the control plane, the operators."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from dev.soak import contents
from dev.soak.backups import ACCOUNTS, app_of, keys, next_fields
from dev.soak.people import NAMESPACES, Step, World
from dev.soak.topology import SLOTS, TOPOLOGIES

_Kind = Callable[[Random], dict[str, Any]]
_PATHS: Final = ("*", "*", "*/appBackups", "*/appBackups", "*/appBackups/*")
_STATUSES: Final = (400, 401, 401, 403, 403, 404, 418, 429, 429, 500, 502, 503, 503, 504)
_RETRY_AFTER: Final = (None, None, "1", "3", "6", "0", "-1", "soon", "Mon, 05 Jan 2026 20:58:16 GMT")
_REFS: Final = "*/appbackuprefs*"
_SECRETS: Final = "*/secrets*"
_STATUS_PATH: Final = "*/status"
_WORDS_SECONDS: Final = 10.0
"""How much longer words move than anything else lasts: they are heard a few times only, more and more slowly."""
TENANT: Final = ("held", "bundles", "storm", "liars", "names", "forbidden-names", "hung-writes")
"""What a hostile tenant does; what takes most memory comes first."""
BODY_NAMES: Final = (
    "empty", "text", "list", "null", "deep", "no-state", "state-number", "huge", "echo", "infinite",
)  # fmt: skip
"""Bodies of answers; see `doing.astra.BODIES`."""
_LEASES: Final = "*/leases*"
_RESOURCES: Final = (_REFS, _SECRETS, _STATUS_PATH, _LEASES, "*/events*", "*")


def backups(world: World) -> Step:
    """A backup moves, fails, is removed or comes back."""
    account, app, number = world.random.choice(keys())
    where = {"account": account, "app": app, "number": number}
    if world.random.random() < 0.1:
        return Step("gone", where)
    return Step("backup", {**where, "serial": world.next(), "fields": next_fields(world.random)})


def tokens(world: World) -> Step:
    """A token is revoked, restricted or let in again."""
    random = world.random
    chance = random.random()
    args: dict[str, Any] = {"token": random.randrange(contents.TOKENS), "accounts": None, "no_apps": []}
    if chance < 0.25:
        args["accounts"] = []
    elif chance < 0.5:
        args["accounts"] = random.sample(range(len(ACCOUNTS)), random.randint(1, 2))
    elif chance < 0.65:
        args["no_apps"] = [app_of(*random.choice(keys())[:2])]
    return Step("grant", args)


def astra(world: World) -> Step:
    """Astra Control or the way to it breaks for a while."""
    random = world.random
    seconds = round(random.uniform(1, 9), 1)
    pattern = random.choice(_PATHS)
    if random.random() < 0.25:
        pattern = f"*{random.choice(ACCOUNTS)}{pattern}"
    kinds: list[_Kind] = [
        _status, _status, _status, _body, lambda _: {"kind": "hang"}, lambda _: {"kind": "hang", "status": 200},
        lambda r: {"kind": r.choice(["truncate", "redirect", "plain-404", "wrong-id"])},
        lambda r: {"kind": r.choice(["list-null", "list-twice", "list-short", "list-arrays", "list-continue"])},
        lambda r: {"kind": "status", "status": r.choice([400, 401, 403, 500]), **_echo(r)},
        lambda r: {"latency": round(r.uniform(0.5, 6), 1), "status": 200, "kind": "status"},
    ]  # fmt: skip
    chance = random.random()
    if chance < 0.08:
        return Step("astra-freeze", {}, seconds)
    if chance < 0.12:
        return Step("astra-cut", {})
    if chance < 0.28:
        return Step("moving-words", {"status": random.choice([400, 400, 500, 500, 401, 403])}, seconds + _WORDS_SECONDS)
    fault = random.choice(kinds)(random)
    if random.random() < 0.3:
        fault["share"] = round(random.uniform(0.2, 0.8), 1)
    return Step("astra-fault", {"path": pattern, **fault}, seconds)


def _status(random: Random) -> dict[str, Any]:
    fault: dict[str, Any] = {"kind": "status", "status": random.choice(_STATUSES)}
    wait = random.choice(_RETRY_AFTER)
    if wait is not None and fault["status"] in {429, 503}:
        fault["headers"] = {"Retry-After": wait}
    return fault


def _echo(random: Random) -> dict[str, Any]:
    """A proper problem document that has the very token in it that it is the answer to."""
    headers = {"Content-Type": "application/problem+json"}
    return {"body": "echo-problem", "token": random.randrange(contents.TOKENS), "headers": headers}


def _body(random: Random) -> dict[str, Any]:
    return {"kind": "body", "body": random.choice(BODY_NAMES)}


def network(world: World) -> Step:
    """The way to the API server breaks for a while, for all operators or for one."""
    random = world.random
    seconds = round(random.uniform(1, 9), 1)
    chance = random.random()
    if chance < 0.1:
        return Step("partition", {"slot": random.randrange(SLOTS)}, seconds)
    if chance < 0.18:
        return Step("api-cut", {"slot": random.randrange(SLOTS)})
    where: dict[str, Any] = {"path": random.choice(_RESOURCES)}
    if chance < 0.45:
        return Step("api-fault", where | _watch_fault(random), seconds)
    if random.random() < 0.3:
        where["namespace"] = random.choice(NAMESPACES)
    kinds: list[dict[str, Any]] = [
        {"kind": "status", "status": random.choice([401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504])},
        {"kind": "status", "status": 404, "body": "404 page not found\n"},
        {"kind": "status", "status": 200, "body": random.choice(["", "{}", "<html>", "[]", '{"kind":"Status"}'])},
        {"kind": "hang"},
        {"kind": "cut"},
        {"kind": "cut-answer"},
        {"latency": round(random.uniform(0.2, 4), 1)},
    ]
    verb = random.choice([None, "get", "list", "watch", "patch", "patch", "patch", "create", "update"])
    if verb == "patch" and random.random() < 0.7:
        where["path"] = _STATUS_PATH
    fault = where | random.choice(kinds)
    return Step("api-fault", fault if verb is None else fault | {"verb": verb}, seconds)


def _watch_fault(random: Random) -> dict[str, Any]:
    where = {"path": random.choice([_REFS, _SECRETS, "*"])}
    kind = random.choice(["error-event", "error-event", "swallow", "silent", "dead"])
    fault: dict[str, Any] = {**where, "kind": kind, "verb": "watch"}
    if kind == "error-event":
        codes = [("Expired", 410), ("InternalError", 500), ("Unauthorized", 401), (None, 500), (None, None)]
        reason, code = random.choice(codes)
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": "a fault of the soak",
        }
        status |= {name: value for name, value in (("reason", reason), ("code", code)) if value is not None}
        fault |= {"event": {"type": "ERROR", "object": status}, "count": random.randint(1, 4)}
    return fault


def cluster(world: World) -> Step:
    """The control plane's processes are killed or frozen, or its rules change, for a while."""
    random = world.random
    what = random.choice(["kill-apiserver", "kill-etcd", "freeze", "freeze", "policy", "policy", "role", "role"])
    seconds = round(random.uniform(1, 8), 1)
    match what:
        case "freeze":
            return Step(what, {"name": random.choice(["kube-apiserver", "etcd"])}, seconds)
        case "policy":
            return Step(what, {"namespace": random.choice(NAMESPACES)}, seconds + 4)
        case "role":
            lost = random.choice(["secrets", "events", "status", "watch", "refs"])
            return Step(what, {"without": lost}, seconds + 4)
        case _:
            return Step(what, {}, seconds)


def operators(world: World) -> Step:
    """An operator is killed, stopped or frozen, or others take over."""
    random = world.random
    slot = random.randrange(SLOTS)
    chance = random.random()
    if chance < 0.3:
        return Step("kill", {"slot": slot})
    if chance < 0.5:
        return Step("stop", {"slot": slot})
    if chance < 0.75:
        return Step("freeze-operator", {"slot": slot}, round(random.uniform(1, 25), 1))
    return Step("topology", {"name": random.choice(sorted(TOPOLOGIES))})


def freezes(world: World) -> Step:
    """The same for a run that has to keep its processes."""
    random = world.random
    return Step("freeze-operator", {"slot": random.randrange(SLOTS)}, round(random.uniform(1, 15), 1))


def tenant(world: World) -> Step:
    """What a hostile tenant does next, with all rights of its own namespace; see `doing.tenant`."""
    return of_tenant(world, world.random.choice(TENANT))


def of_tenant(world: World, what: str) -> Step:
    """One of these things."""
    random = world.random
    seconds = round(random.uniform(3, 9), 1)
    rates = {"storm": 3.0, "liars": 20.0, "bundles": 6.0}
    kind = random.choice(sorted(contents.HOSTILE)) if what == "storm" else ""
    return Step(what, {"rate": rates.get(what, 0.0), "kind": kind}, seconds)
