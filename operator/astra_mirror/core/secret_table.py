"""What each Secret says, and which of its contents counts: the newest, unless it changes too often.

The first three changes a minute count at once, later ones every ten seconds, and the last one always; until then what
counted before stands. So a Secret that is written in a loop costs nobody else anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.core.throttle import PERIOD_SECONDS, Throttle

MAX_HELD: Final = 512
"""For so many Secrets at once contents are held while they wait; those of others are read again."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts: what the Secret says, None where there is none."""

    result: Connection | Failed | None
    digest: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Secret:
    """`newest` is what was seen last, None after a deletion; `due` is when it counts, None when it does or is read."""

    counted: Counted | None
    newest: Content | None
    due: float | None = None
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def is_unparsed(self) -> bool:
        digest = self.newest.digest if self.newest else None
        return self.due is None and (self.counted is None or self.counted.digest != digest)


class SecretTable:
    """The Secrets of all names that are followed. Times are monotonic seconds, passed in."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, _Secret]] = {}
        self._waiting: set[Pair] = set()

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))

    def counted(self, pair: Pair) -> Counted | None:
        """What counts; None where nothing is known of it."""
        secret = self._find(pair)
        return secret.counted if secret else None

    def unparsed(self, pair: Pair) -> Content | None:
        """The content that would count if it were parsed; None where there is none such."""
        secret = self._find(pair)
        return secret.newest if secret and secret.is_unparsed else None

    def is_awaited(self, pair: Pair) -> bool:
        """Whether there is such a Secret, and nothing of it counts yet."""
        secret = self._find(pair)
        return secret is not None and secret.counted is None and secret.newest is not None

    def digests(self) -> set[bytes | None]:
        """The digests of all contents that count."""
        return {each.counted.digest for row in self._names.values() for each in row.values() if each.counted}

    def offer(self, pair: Pair, content: Content | None, now: float, *, was_absent: bool) -> bool:
        """Take note of what a Secret is like at `now`; whether that counts at once, so that `settle` is called next.

        Args:
            pair: the Secret.
            content: its content, None when it was deleted or does not exist.
            now: the time.
            was_absent: where nothing is known of this Secret, whether that means that it did not exist.
        """
        secret = self._find(pair)
        if secret is None:
            if content is None and was_absent:
                return False
            secret = _Secret(Counted(None) if was_absent else None, None if was_absent else content)
            self._names.setdefault(pair.name, {})[pair.namespace] = secret
        elif content == secret.newest:
            return False
        secret.newest = content
        if secret.counted is None:
            secret.due = None
            return True
        return self._is_granted(pair, secret, now)

    def _is_granted(self, pair: Pair, secret: _Secret, now: float) -> bool:
        if secret.due is None:
            due, secret.throttle = secret.throttle.grant(now)
            if due <= now:
                return True
            secret.due = due
            self._waiting.add(pair)
        self.keep(pair, hold=len(self._waiting) <= MAX_HELD)
        return False

    def settle(self, pair: Pair, digest: bytes | None, result: Connection | Failed | None) -> bool:
        """Let the content of `digest` count, unless a newer one has come; whether it counts now."""
        secret = self._find(pair)
        if secret is None or secret.due is not None or digest != (secret.newest.digest if secret.newest else None):
            return False
        secret.counted = Counted(result, digest)
        secret.newest = secret.newest.without_data() if secret.newest else None
        return True

    def keep(self, pair: Pair, *, hold: bool) -> None:
        """Its content counts later: drop the values, unless they are to be held until then and small enough for it."""
        secret = self._find(pair)
        if secret is not None and secret.newest is not None:
            secret.newest = secret.newest.kept() if hold else secret.newest.without_data()

    def postpone(self, pair: Pair, due: float) -> None:
        """What could not be read counts at `due` at the earliest."""
        secret = self._find(pair)
        if secret is not None and secret.is_unparsed:
            secret.due = due
            self._waiting.add(pair)

    def take_due(self, now: float) -> list[Pair]:
        """The Secrets whose newest content counts from now on, so that `settle` is called next."""
        taken = []
        for pair in list(self._waiting):
            secret = self._find(pair)
            if secret is None or secret.due is None or secret.due <= now:
                self._waiting.discard(pair)
            if secret is not None and secret.due is not None and secret.due <= now:
                secret.due = None
                taken.append(pair)
        return taken

    def newest(self, pair: Pair) -> Content | None:
        """What was seen last; None where there is no Secret."""
        secret = self._find(pair)
        return secret.newest if secret else None

    def of(self, watched: Watched) -> Iterator[Pair]:
        """The Secrets that something is known of."""
        for namespace in list(self._names.get(watched.name, ())):
            if watched.scope in {None, namespace}:
                yield Pair(namespace, watched.name)

    def drop(self, watched: Watched) -> None:
        """Forget the Secrets of a name that is followed no longer."""
        for pair in self.of(watched):
            del self._names[pair.name][pair.namespace]
        if not self._names.get(watched.name, True):
            del self._names[watched.name]

    def prune(self, watched: Watched, now: float) -> None:
        """Forget the Secrets that do not exist and have not changed for a while, where that goes without saying."""
        row = self._names.get(watched.name, {})
        for namespace in [each for each, secret in row.items() if watched.scope in {None, each}]:
            secret = row[namespace]
            is_quiet = secret.due is None and now - secret.throttle.last >= PERIOD_SECONDS
            if secret.counted == Counted(None) and secret.newest is None and is_quiet:
                del row[namespace]

    def _find(self, pair: Pair) -> _Secret | None:
        row = self._names.get(pair.name)
        return row.get(pair.namespace) if row else None
