"""The simulator's state: backups, tokens, faults and the log of requests. Safe for use from several threads."""

import hashlib
import json
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from dev.simulator.model import SCENARIOS, Document, Life, Scenario, uuid_of

DEFAULT_ACCOUNT: Final = uuid_of("account")
DEFAULT_APP: Final = uuid_of("app")


class UnknownScenarioError(ValueError):
    """No scenario has that name."""


@dataclass(eq=False)
class Backup:
    """A backup that the simulator serves. What is set by hand wins over its scenario."""

    account: str
    app: str
    id: str
    _life: Life
    _scenario: Scenario
    _clock: Callable[[], float]
    _born: float
    _fields: dict[str, Any] = field(default_factory=dict)
    _without: set[str] = field(default_factory=set)
    _raw: bytes | None = None
    _removed: bool = False

    def set(self, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Give fields of the document these values, whatever the scenario says."""
        self._removed = False
        self._without -= set(fields)
        self._fields |= fields

    def unset(self, *names: str) -> None:
        """Leave fields out."""
        self._without |= set(names)

    def remove(self) -> None:
        """From now on it does not exist; `set` brings it back."""
        self._removed = True

    def serve_raw(self, body: bytes | None) -> None:
        """Answer with these very bytes; None goes back to the document."""
        self._raw = body

    @property
    def raw(self) -> bytes | None:
        """The bytes to be served verbatim, if any."""
        return self._raw

    def document(self) -> Document | None:
        """The document as it is now; None when the backup does not exist."""
        found = self._scenario(self._life, self._clock() - self._born)
        if self._removed or (found is None and not self._fields):
            return None
        merged = {**(found or {}), **self._fields}
        return {name: value for name, value in merged.items() if name not in self._without}


FaultKind = Literal[
    "status", "body", "truncate", "hang", "redirect", "plain-404", "list-null", "list-twice", "list-short",
    "list-arrays", "list-continue", "wrong-id",
]  # fmt: skip


def _some_chance() -> random.Random:
    return random.Random(2026)  # noqa: S311 - the same faults in each run


@dataclass(eq=False)
class Fault:
    """What goes wrong for requests whose path matches the pattern.

    `count` limits it to the next requests, `token` to those with that token, `share` to a part of them, by chance.
    `status` is the HTTP status of the kind "status", whose body is the matching problem document unless `body` says
    otherwise.
    """

    path: str
    kind: FaultKind = "status"
    status: int = 500
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    count: int | None = None
    token: str | None = None
    share: float = 1.0
    cleared: threading.Event = field(default_factory=threading.Event)
    _chance: random.Random = field(default_factory=_some_chance, init=False, repr=False)
    """One of its own: the same requests meet it in each run, whatever other faults there are."""

    def matches(self, path: str, token: str | None) -> bool:
        """Whether a request meets it."""
        named = fnmatchcase(path, self.path) and self.token in {None, token} and self.count != 0
        return named and (self.share >= 1 or self._chance.random() < self.share)


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the request log; `token` is a fingerprint."""

    method: str
    path: str
    query: str
    token: str
    status: int
    at: float


class RequestLog:
    """What was asked. A status of 0 stands for a request that was never answered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Request] = []

    def append(self, request: Request) -> None:
        """Add a line."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def matching(self, pattern: str = "*") -> list[Request]:
        """The lines whose path matches, oldest first."""
        with self._changed:
            return [each for each in self._requests if fnmatchcase(each.path, pattern)]

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._requests.clear()

    def wait_for(self, number: int, pattern: str = "*", *, seconds: float = 30.0) -> list[Request]:
        """Wait until that many matching lines are there.

        Raises:
            TimeoutError: they were not within `seconds`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.matching(pattern)) >= number, seconds):
                raise TimeoutError(f"{len(self.matching(pattern))} of {number} requests for {pattern} in {seconds}s")
        return self.matching(pattern)


def fingerprint(token: str) -> str:
    """What the log shows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class Store:
    """Everything that the server knows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self.backups: dict[tuple[str, str, str], Backup] = {}
        self._of_accounts: defaultdict[str, dict[tuple[str, str], Backup]] = defaultdict(dict)
        self._tokens: dict[str, frozenset[str] | None] = {}
        self._forbidden: dict[str, frozenset[str]] = {}
        self._faults: list[Fault] = []
        self.requests = RequestLog()

    def add_token(
        self, token: str | None = None, *, accounts: list[str] | None = None, no_apps: list[str] | None = None
    ) -> str:
        """Let a token (a new one by default) in, for some accounts or all, and not for `no_apps`."""
        token = token or secrets.token_urlsafe(24)
        with self.lock:
            self._tokens[token] = None if accounts is None else frozenset(accounts)
            self._forbidden[token] = frozenset(no_apps or ())
        return token

    def revoke(self, token: str) -> None:
        """Refuse a token from now on."""
        with self.lock:
            self._tokens.pop(token, None)

    def knows(self, token: str, account: str) -> bool:
        """Whether the token is good for the account."""
        with self.lock:
            if token not in self._tokens:
                return False
            accounts = self._tokens[token]
            return accounts is None or account in accounts

    def may_read(self, token: str, app: str) -> bool:
        """Whether the token's role includes the app."""
        return app not in self._forbidden.get(token, frozenset())

    def add_item(self, item: Any, *, account: str = DEFAULT_ACCOUNT, app: str = DEFAULT_APP) -> None:  # noqa: ANN401
        """Add any JSON value to the lists of an app, such as an item without an ID."""
        self.add_backup("completes", account=account, app=app).serve_raw(json.dumps(item).encode())

    def add_backup(
        self,
        scenario: str | Scenario = "completes",
        *,
        account: str = DEFAULT_ACCOUNT,
        app: str = DEFAULT_APP,
        id: str | None = None,  # noqa: A002 - the resource's own name for it
        name: str | None = None,
        seconds: float = 30.0,
        size: int | None = None,
    ) -> Backup:
        """Add a backup that begins its life now.

        Raises:
            UnknownScenarioError: there is no such scenario.
        """
        if isinstance(scenario, str):
            if scenario not in SCENARIOS:
                raise UnknownScenarioError(f"no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
            scenario = SCENARIOS[scenario]
        with self.lock:
            number = len(self.backups) + 1
            backup_id = (id or uuid_of(f"backup {number} {secrets.token_hex(4)}")).lower()
            life = Life(backup_id, name or f"backup-{number}", seconds)
            if size is not None:
                life = Life(backup_id, life.name, seconds, size)
            backup = Backup(account, app, backup_id, life, scenario, self._clock, self._clock())
            self.backups[account, app, backup_id] = backup
            self._of_accounts[account][app, backup_id] = backup
        return backup

    def of_app(self, account: str, app: str | None) -> list[Backup]:
        """The backups of an app, or of the whole account."""
        with self.lock:
            backups = self._of_accounts.get(account, {})
            return [each for each in backups.values() if app in {None, each.app}]

    def find(self, backup_id: str) -> Backup | None:
        """A backup by its ID alone, for the control endpoint."""
        with self.lock:
            return next((each for each in self.backups.values() if each.id == backup_id), None)

    def add_fault(self, fault: Fault) -> Fault:
        """Let something go wrong; later ones win."""
        with self.lock:
            self._faults.insert(0, fault)
        return fault

    def clear_faults(self, fault: Fault | None = None) -> None:
        """Mend one fault, or all of them."""
        with self.lock:
            gone = [each for each in self._faults if fault in {None, each}]
            self._faults = [each for each in self._faults if each not in gone]
        for each in gone:
            each.cleared.set()

    def faults(self) -> list[Fault]:
        """The faults in force."""
        with self.lock:
            return list(self._faults)

    @contextmanager
    def fault(self, path: str = "*", **options: Any) -> Iterator[Fault]:  # noqa: ANN401 - Fault's own fields
        """A fault for the time of a `with` block."""
        fault = self.add_fault(Fault(path, **options))
        try:
            yield fault
        finally:
            self.clear_faults(fault)

    def take_fault(self, path: str, token: str | None) -> Fault | None:
        """The fault that a request meets, counted."""
        with self.lock:
            fault = next((each for each in self._faults if each.matches(path, token)), None)
            if fault is not None and fault.count is not None:
                fault.count -= 1
            return fault
