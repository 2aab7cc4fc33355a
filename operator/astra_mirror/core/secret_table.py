"""Which content of each Secret is in effect: the latest one, unless the Secret changes too often.

The first three changes in a minute take effect at once, later ones at most every ten seconds. The last change always
takes effect. So a Secret that is written in a loop costs no more than a Secret that changes now and then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.throttle import PERIOD_SECONDS, Throttle

MAX_HELD: Final = 512
"""How many contents may be kept while they wait; beyond that they are dropped, and read again later."""


@dataclass(frozen=True, slots=True)
class EffectiveContent:
    """A content in effect: the `result` of parsing it, None where the Secret does not exist."""

    result: Connection | Failed | None
    digest: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Entry:
    """One Secret.

    Attributes:
        effective: the content in effect; None while none is.
        latest: the content that was observed last; None after a deletion.
        due: when `latest` takes effect; None when it is in effect, or is being parsed.
        throttle: the changes that took effect lately.
    """

    effective: EffectiveContent | None
    latest: Content | None
    due: float | None = None
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def is_unparsed(self) -> bool:
        digest = self.latest.digest if self.latest else None
        return self.due is None and (self.effective is None or self.effective.digest != digest)


class SecretTable:
    """The Secrets of all watched names. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, _Entry]] = {}
        self._waiting: set[NamespacedName] = set()

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))

    def effective(self, secret: NamespacedName) -> EffectiveContent | None:
        """The content in effect; None where the Secret is not known."""
        entry = self._find(secret)
        return entry.effective if entry else None

    def unparsed(self, secret: NamespacedName) -> Content | None:
        """The latest content, if it only has to be parsed to take effect; else None."""
        entry = self._find(secret)
        return entry.latest if entry and entry.is_unparsed else None

    def is_pending(self, secret: NamespacedName) -> bool:
        """Whether the Secret exists and none of its contents is in effect yet."""
        entry = self._find(secret)
        return entry is not None and entry.effective is None and entry.latest is not None

    def digests(self) -> set[bytes | None]:
        """The digests of all contents in effect."""
        return {each.effective.digest for row in self._names.values() for each in row.values() if each.effective}

    def observe(self, secret: NamespacedName, content: Content | None, now: float, *, was_absent: bool) -> bool:
        """Record the content of a Secret; return whether it takes effect at once, so that `apply` is to be called.

        Args:
            secret: the Secret.
            content: its content; None when it was deleted or does not exist.
            now: the time.
            was_absent: whether a Secret that is not in the table is known not to have existed before.
        """
        entry = self._find(secret)
        if entry is None:
            if content is None and was_absent:
                return False
            entry = _Entry(EffectiveContent(None) if was_absent else None, None if was_absent else content)
            self._names.setdefault(secret.name, {})[secret.namespace] = entry
        elif content == entry.latest:
            return False
        entry.latest = content
        if entry.effective is None:
            entry.due = None
            return True
        return self._is_granted(secret, entry, now)

    def _is_granted(self, secret: NamespacedName, entry: _Entry, now: float) -> bool:
        if entry.due is None:
            due, entry.throttle = entry.throttle.grant(now)
            if due <= now:
                return True
            entry.due = due
            self._waiting.add(secret)
        self.trim(secret, hold=len(self._waiting) <= MAX_HELD)
        return False

    def apply(self, secret: NamespacedName, digest: bytes | None, result: Connection | Failed | None) -> bool:
        """Put the content of `digest` in effect, unless a newer one was observed; return whether it is in effect."""
        entry = self._find(secret)
        if entry is None or entry.due is not None or digest != (entry.latest.digest if entry.latest else None):
            return False
        entry.effective = EffectiveContent(result, digest)
        entry.latest = entry.latest.without_data() if entry.latest else None
        return True

    def trim(self, secret: NamespacedName, *, hold: bool) -> None:
        """Drop the values of the latest content while it waits, except for small ones where `hold` is set."""
        entry = self._find(secret)
        if entry is not None and entry.latest is not None:
            entry.latest = entry.latest.kept() if hold else entry.latest.without_data()

    def postpone(self, secret: NamespacedName, due: float) -> None:
        """Delay the latest content of a Secret that could not be read until `due`."""
        entry = self._find(secret)
        if entry is not None and entry.is_unparsed:
            entry.due = due
            self._waiting.add(secret)

    def take_due(self, now: float) -> list[NamespacedName]:
        """The Secrets whose latest content is due; the caller calls `apply` for each."""
        taken = []
        for secret in list(self._waiting):
            entry = self._find(secret)
            if entry is None or entry.due is None or entry.due <= now:
                self._waiting.discard(secret)
            if entry is not None and entry.due is not None and entry.due <= now:
                entry.due = None
                taken.append(secret)
        return taken

    def latest(self, secret: NamespacedName) -> Content | None:
        """The content that was observed last; None where the Secret does not exist, or is not known."""
        entry = self._find(secret)
        return entry.latest if entry else None

    def matching(self, selector: SecretSelector) -> Iterator[NamespacedName]:
        """The known Secrets that `selector` selects."""
        for namespace in list(self._names.get(selector.name, ())):
            if selector.scope in {None, namespace}:
                yield NamespacedName(namespace, selector.name)

    def drop(self, selector: SecretSelector) -> None:
        """Forget the Secrets that `selector` selects."""
        for secret in self.matching(selector):
            del self._names[secret.name][secret.namespace]
        if not self._names.get(selector.name, True):
            del self._names[selector.name]

    def prune(self, selector: SecretSelector, now: float) -> None:
        """Forget the selected Secrets that do not exist, once their throttle has expired."""
        row = self._names.get(selector.name, {})
        for namespace in [each for each, entry in row.items() if selector.scope in {None, each}]:
            entry = row[namespace]
            is_quiet = entry.due is None and now - entry.throttle.last >= PERIOD_SECONDS
            if entry.effective == EffectiveContent(None) and entry.latest is None and is_quiet:
                del row[namespace]

    def _find(self, secret: NamespacedName) -> _Entry | None:
        row = self._names.get(secret.name)
        return row.get(secret.namespace) if row else None
