"""A seed and a number of seconds make a script: pure, so that they determine it."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from dev.soak import people, trouble
from dev.soak.actions import Action, Lane, Script, last_topology
from dev.soak.backups import ACCOUNTS, keys, next_fields
from dev.soak.people import Step, World
from dev.soak.topology import DEFAULT_SECRET

Actor = tuple[Lane, Callable[[World], Step], float]
"""A lane, what is done next, and the mean seconds between two of its actions."""

_ALWAYS: Final[Mapping[str, Actor]] = {
    "users": ("users", people.users, 0.7),
    "backups": ("astra", trouble.backups, 0.25),
}
_AT_TIMES: Final[Mapping[str, Actor]] = {
    "meddler": ("users", people.meddler, 0.8),
    "secrets": ("users", people.secrets, 1.5),
    "namespaces": ("namespaces", people.namespace_ends, 15.0),
    "tokens": ("astra", trouble.tokens, 4.0),
    "astra": ("astra", trouble.astra, 3.0),
    "network": ("network", trouble.network, 3.0),
    "cluster": ("cluster", trouble.cluster, 8.0),
    "operators": ("operators", trouble.operators, 8.0),
    "tenant": ("tenant", trouble.tenant, 8.0),
}
"""A few of these act in each phase: with all of them at once, the loudest fault would hide the others."""
_PHASE_SECONDS: Final = 15.0
_REFS: Final = 24
_START_SECONDS: Final = 3.0
_QUIET_SHARE: Final = 0.25
_MAX_QUIET_SECONDS: Final = 60.0
GROWTH_SECONDS: Final = 300.0
"""From so many seconds on a run tells whether memory grows from its second fifth to its last."""
_KEPT_SECONDS: Final = 90.0
"""For so long operators are kept before the end of a run that tells whether memory grows."""
_TENANT_SHARE: Final = 0.7
"""In such a run the tenant begins nothing but the bundles after this share of it.

What it has the operators hold in the last fifth is no growth.
"""
_BUNDLES_SECONDS: Final = 70.0
"""Each Secret may change every ten seconds, so that about a hundred certificates are asked with."""
_RESTRICTED: Final = 2
"""How many tokens are good for some accounts only at the end."""
_LONG_RUN: Final = 100.0
"""From so many seconds on a run may take a minute longer to settle."""


def plan(seed: int, seconds: float) -> Script:
    """The script of a seed: after the last action, and the end of whatever has one, a quiet time follows."""
    random = Random(seed)  # noqa: S311 - the same script for the same seed
    # Of any three seeds in a row each has another kind.
    topology = ("one", "pair", random.choice(["elected", "shards", "three-shards"]))[seed % 3]
    is_steady = random.random() < 0.35
    # In a short run nobody can wait for what an interval of a minute makes of staleness.
    world = World(random, long_interval=people.LONG_INTERVAL if seconds >= _LONG_RUN else "0m4s")
    active = seconds - min(seconds * _QUIET_SHARE, _MAX_QUIET_SECONDS)
    actions = _beginning(world)
    kills, tenant_until = (0.0, active), active
    if seconds >= GROWTH_SECONDS:
        # Nobody ends who has taken the most memory, nor who has been asked with one certificate after the other.
        kills, tenant_until = (seconds / 5, active - _KEPT_SECONDS), seconds * _TENANT_SHARE
        actions += [*_heavy(world, seconds), _bundles(world, active)]
    for since, until, actors in _phases(random, active, (0.0, 0.0) if is_steady else kills, tenant_until):
        actions += _acts(world, actors, since, until, active)
    actions.sort(key=lambda each: each.at)
    actions += _last(world, actions, topology, active, is_long=seconds >= _LONG_RUN)
    actions.sort(key=lambda each: each.at)
    return Script(seed, seconds, topology, tuple(actions))


def _beginning(world: World) -> list[Action]:
    """Backups, Secrets, some refs, and the gallery, before anything else."""
    random = world.random
    made: list[tuple[Lane, Step]] = []
    for account, app, number in keys():
        where = {"account": account, "app": app, "number": number}
        made.append(("astra", Step("backup", {**where, "serial": world.next(), "fields": next_fields(random)})))
    secrets = [people.secret_args(world, namespace, DEFAULT_SECRET) for namespace in people.NAMESPACES]
    made += [("users", Step("secret", each)) for each in secrets]
    made.append(("users", Step("secret", people.secret_args(world, people.NAMESPACES[0], "other-0", kind="tls"))))
    made += [("users", people.new_ref(world)) for _ in range(_REFS)]
    made += [("users", each) for each in people.gallery(world)]
    return [Action(0.0, lane, *step) for lane, step in made]


def _heavy(world: World, seconds: float) -> list[Action]:
    """All that a tenant may do, in the first fifth: memory that is taken once, and kept, is no growth."""
    gap = seconds / 5 / (len(trouble.TENANT) + 1)
    steps = [trouble.of_tenant(world, what) for what in trouble.TENANT]
    return [Action(round(gap * number, 2), "tenant", *step) for number, step in enumerate(steps, 1)]


def _bundles(world: World, active: float) -> Action:
    """The certificates of many Secrets are edited near the end: what is left of them is judged at rest."""
    what, args, _ = trouble.of_tenant(world, "bundles")
    return Action(active - _BUNDLES_SECONDS, "tenant", what, args, _BUNDLES_SECONDS - 5)


def _last(world: World, actions: Sequence[Action], topology: str, active: float, *, is_long: bool) -> list[Action]:
    """What each run ends with, because its consequences have to stand when all else is over."""
    # The watch on refs ends with an error that has a code and no reason.
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "a fault of the soak"}
    event = {"kind": "error-event", "count": 1, "event": {"type": "ERROR", "object": status}}
    last = [Action(active - 3, "network", "api-fault", {"path": "*/appbackuprefs*", "verb": "watch", **event}, 1.0)]
    has_rivals = last_topology(topology, actions) == "pair"
    standing = {each.args["token"]: each.args for each in actions if each.do == "grant"}
    for token, accounts in _grants(world.random, standing, has_rivals=has_rivals, is_long=is_long).items():
        last.append(Action(active, "astra", "grant", {"token": token, "accounts": accounts, "no_apps": []}))
    if is_long:
        # A Secret changes while the watches on Secrets say nothing any more, which they notice within 90 s.
        silent = {"path": "*/secrets*", "kind": "silent", "verb": "watch"}
        late = {**people.LATE, "kind": "no-token", "token": 2}
        last.append(Action(active - 1, "network", "api-fault", silent))
        last.append(Action(active - 0.5, "users", "secret", late))
    return last


def _grants(
    random: Random, standing: Mapping[int, Mapping[str, Any]], *, has_rivals: bool, is_long: bool
) -> dict[int, list[int] | None]:
    """Tokens with the accounts that each is good for from now on, None for all.

    Two are good for some accounts only. Where two operators write the same objects all are good for all: these two show
    other words for who was refused and who is held back by it, and each would correct the other. A short run leaves
    what is restricted already: it is noticed within minutes only that a token is good for more.
    """
    if has_rivals:
        return dict.fromkeys(standing)
    chosen = range(_RESTRICTED) if is_long else [each for each in range(_RESTRICTED) if not _is_less(standing, each)]
    # The others are good again, where there is time to notice it: what is refused can show little else.
    whole = [each for each in standing if is_long and each not in chosen]
    less = {token: random.sample(range(len(ACCOUNTS)), len(ACCOUNTS) - 1) for token in chosen}
    return {**dict.fromkeys(whole), **less}


def _is_less(standing: Mapping[int, Mapping[str, Any]], token: int) -> bool:
    grant = standing.get(token)
    return grant is not None and (grant["accounts"] is not None or bool(grant["no_apps"]))


def _phases(
    random: Random, active: float, kills: tuple[float, float], tenant_until: float
) -> list[tuple[float, float, list[Actor]]]:
    """From when, to when, and who acts; operators are killed and replaced between two times only."""
    phases, since = [], _START_SECONDS
    while since < active:
        until = min(active, since + random.uniform(0.6, 1.4) * _PHASE_SECONDS)
        names = random.sample(sorted(_AT_TIMES), random.randint(1, 4))
        if until > tenant_until:
            names = [each for each in names if each != "tenant"]
        actors = [*_ALWAYS.values(), *(_AT_TIMES[name] for name in names)]
        if since < kills[0] or until > kills[1]:
            lane, _, gap = _AT_TIMES["operators"]
            actors = [(lane, trouble.freezes, gap) if each[0] == lane else each for each in actors]
        phases.append((since, until, actors))
        since = until
    return phases


def _acts(world: World, actors: list[Actor], since: float, until: float, active: float) -> list[Action]:
    """What they do in a phase, in the order of time, so that the plan knows at each what there is."""
    times = []
    for actor in actors:
        at = since + world.random.expovariate(1 / actor[2])
        while at < until:
            times.append((round(at, 2), actor))
            at += world.random.expovariate(1 / actor[2])
    actions = []
    for at, (lane, act, _) in sorted(times, key=lambda each: each[0]):
        do, args, seconds = act(world)
        actions.append(Action(at, lane, do, args, round(min(seconds, active - at), 2)))
    return actions
