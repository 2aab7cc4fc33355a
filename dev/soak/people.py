"""The plan's part of people: refs, their statuses, Secrets, and namespaces that end. A plan knows what it has made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from dev.soak import contents
from dev.soak.backups import ACCOUNTS, app_of, backup_of, keys
from dev.soak.topology import DEFAULT_SECRET, MANY_NAMES

NAMESPACES: Final = ("soak-a", "soak-b", "soak-c", "soak-d")
STILL: Final = tuple(f"soak-still-{number}" for number in range(4))
"""The namespaces of the gallery, which nobody touches."""
LIES: Final = (
    "wipe", "empty", "state", "completed", "conditions", "no-ready", "flip", "times", "foreign", "generation", "target",
    "words", "progress",
)  # fmt: skip
"""How a status is meddled with; see `doing.lies`."""
_MAX_REFS: Final = 60
LONG_INTERVAL: Final = "1m0s"
_INTERVALS: Final = (
    "1s",
    "1s",
    "2s",
    "1.5s",
    LONG_INTERVAL,
    "1000ms",
    "300ms600ms100ms",
    "0.5s1500000us",
    "1000000000ns",
    None,
)
_SECRETS: Final = (*[DEFAULT_SECRET] * 12, "other-0", "other-0", "other-1", "missing", "forbidden")
_LONG: Final = "a" * 199
LATE: Final[Mapping[str, str]] = {"namespace": STILL[0], "name": DEFAULT_SECRET}
"""A Secret of the gallery that changes once, at the end."""
RESTRICTED: Final[Mapping[str, str]] = {"namespace": STILL[1], "name": DEFAULT_SECRET}
"""A Secret of the gallery whose token may be good for some accounts only, with a ref of each account."""
_WITH_DEFAULT: Final[Mapping[str, Any]] = {"suspend": False, "interval": "1s", "secretRef": {"name": DEFAULT_SECRET}}


class Step(NamedTuple):
    """An action without its time."""

    do: str
    args: Mapping[str, Any]
    seconds: float = 0.0


@dataclass
class World:
    """What a plan has made so far. `long_interval` is the one that some refs have in place of a second or two."""

    random: Random
    long_interval: str = LONG_INTERVAL
    refs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    number: int = 0

    def next(self) -> int:
        """A number that was not there before."""
        self.number += 1
        return self.number


def spec(world: World) -> dict[str, Any]:
    """A spec: mostly of a backup that there is."""
    random = world.random
    account, app, number = random.choice(keys())
    ids = {"accountID": ACCOUNTS[account], "appID": app_of(account, app), "backupID": backup_of(account, app, number)}
    chance = random.random()
    if chance < 0.05:
        ids["backupID"] = backup_of(9, 9, random.randrange(5))
    elif chance < 0.1:
        ids["accountID"] = random.choice(ACCOUNTS)
    elif chance < 0.2:
        ids = {name: value.upper() for name, value in ids.items()}
    interval = random.choice(_INTERVALS)
    return {
        **ids,
        "interval": world.long_interval if interval == LONG_INTERVAL else interval,
        "suspend": random.random() < 0.08,
        "readyWhen": random.choices(["Completed", "CompletedAndHooksSucceeded", "Observed"], [6, 3, 1])[0],
        "secretRef": {"name": random.choice(_SECRETS)},
    }


def new_ref(world: World, namespace: str | None = None) -> Step:
    """A ref is made."""
    number = world.next()
    namespace = namespace or world.random.choice(NAMESPACES)
    name = f"{_LONG}.{number}" if number % 17 == 0 else f"ref-{number}"
    world.refs[namespace, name] = spec(world)
    return Step("ref", {"namespace": namespace, "name": name, "spec": world.refs[namespace, name]})


def gallery(world: World) -> list[Step]:
    """A Secret of each content, with a ref; no action touches them, so that every run covers every content.

    They are dealt out over the namespaces: none has more than its two TLS contexts, nor more than its sixteen names.
    `LATE` and `RESTRICTED` are beside them.
    """
    late = {**LATE, "kind": "plain", "token": 2}
    made = [Step("secret", late), Step("ref", {**LATE, "name": "still-late", "spec": {**spec(world), **_WITH_DEFAULT}})]
    made += _of_each_account()
    intervals = [each for each in _INTERVALS if each != LONG_INTERVAL]
    for number, kind in enumerate(sorted(contents.KINDS.keys() - contents.VAGUE.keys())):
        where = {"namespace": STILL[number % len(STILL)], "name": MANY_NAMES[number // len(STILL)]}
        made.append(Step("secret", secret_args(world, **where, kind=kind)))
        fields = {"suspend": False, "interval": intervals[number % len(intervals)]}
        whole = spec(world) | fields | {"secretRef": {"name": where["name"]}}
        made.append(Step("ref", {"namespace": where["namespace"], "name": f"still-{kind}", "spec": whole}))
    return made


def _of_each_account() -> list[Step]:
    """A ref of each account with one Secret: where it is refused for one, the others have to be asked for as before."""
    made = [Step("secret", {**RESTRICTED, "kind": "plain", "token": 0})]
    for number, account in enumerate(ACCOUNTS):
        ids = {"accountID": account, "appID": app_of(number, 0), "backupID": backup_of(number, 0, 0)}
        whole = {**ids, **_WITH_DEFAULT, "readyWhen": "Completed"}
        made.append(Step("ref", {**RESTRICTED, "name": f"still-account-{number}", "spec": whole}))
    return made


def _some_ref(world: World) -> tuple[dict[str, str], dict[str, Any]]:
    key = world.random.choice(sorted(world.refs))
    return {"namespace": key[0], "name": key[1]}, world.refs[key]


def _edit(world: World) -> Step:
    where, known = _some_ref(world)
    fresh = spec(world)
    names = world.random.sample(sorted(fresh), world.random.randint(1, 2))
    if world.random.random() < 0.4:
        names = ["accountID", "appID", "backupID"]
    changed = {name: fresh[name] for name in names}
    known |= changed
    return Step("edit", {**where, "spec": changed})


def _suspend(world: World) -> Step:
    where, known = _some_ref(world)
    known["suspend"] = not known["suspend"]
    return Step("edit", {**where, "spec": {"suspend": known["suspend"]}})


def _poll(world: World) -> Step:
    return Step("poll", {**_some_ref(world)[0], "value": f"poll-{world.next()}"})


def _label(world: World) -> Step:
    return Step("label", {**_some_ref(world)[0], "value": f"label-{world.next()}"})


def _delete(world: World) -> Step:
    where, _ = _some_ref(world)
    del world.refs[where["namespace"], where["name"]]
    return Step("delete", where)


def _again(world: World) -> Step:
    """Deleted and made anew under the same name, as fast as can be."""
    where, _ = _some_ref(world)
    world.refs[where["namespace"], where["name"]] = spec(world)
    return Step("again", {**where, "spec": world.refs[where["namespace"], where["name"]]})


def users(world: World) -> Step:
    """What a user does next."""
    if len(world.refs) < _MAX_REFS // 4:
        return new_ref(world)
    choices: list[tuple[Callable[[World], Step], int]] = [
        (new_ref if len(world.refs) < _MAX_REFS else _delete, 4),
        (_edit, 6), (_suspend, 2), (_poll, 3), (_label, 1), (_delete, 3), (_again, 1),
    ]  # fmt: skip
    acts, weights = zip(*choices, strict=True)
    step: Step = world.random.choices(acts, weights)[0](world)
    return step


def meddler(world: World) -> Step:
    """What somebody who has no business in statuses does next."""
    return Step("lie", {**_some_ref(world)[0], "how": world.random.choice(LIES)})


def namespace_ends(world: World) -> Step:
    """A namespace ends with all that is in it, and is made anew."""
    namespace = world.random.choice(NAMESPACES)
    for key in [each for each in world.refs if each[0] == namespace]:
        del world.refs[key]
    refs = [dict(new_ref(world, namespace).args) for _ in range(4)]
    return Step("namespace", {"namespace": namespace, "secret": secret_args(world, namespace), "refs": refs})


def secret_args(world: World, namespace: str, name: str = DEFAULT_SECRET, *, kind: str = "plain") -> dict[str, Any]:
    """A Secret's arguments."""
    return {"namespace": namespace, "name": name, "kind": kind, "token": world.random.randrange(contents.TOKENS)}


def secrets(world: World) -> Step:
    """What happens to a Secret next."""
    random = world.random
    name = random.choice([DEFAULT_SECRET, DEFAULT_SECRET, "other-0", "other-1"])
    where = {"namespace": random.choice(NAMESPACES), "name": name}
    chance = random.random()
    if chance < 0.12:
        return Step("unsecret", where)
    if chance < 0.25:
        args = secret_args(world, **where)
        return Step("flap", {**args, "times": random.randint(3, 12)})
    return Step("secret", secret_args(world, **where, kind=contents.next_kind(random)))
