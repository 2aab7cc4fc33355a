"""What the log says of Secrets: that one has become unusable, and in which way, and that it is usable again.

A Secret that is missing is spoken of after some seconds: other controllers create Secrets after the objects that need
them, and delete them before, when their namespace ends. Times are monotonic seconds.
"""

from collections.abc import Container
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed

MISSING_SECONDS: Final = 10.0
Secret = tuple[str, str]
"""The namespace and the name."""


class SecretJournal:
    """The Secrets that were said to be unusable, each with the failure that was said."""

    def __init__(self) -> None:
        self._unusable: dict[Secret, Failed] = {}
        self._missing_since: dict[Secret, float] = {}

    def due_at(self, secret: Secret, result: Connection | Failed | None, now: float) -> float | None:
        """When to say something of a Secret: it is unusable, or in another way than was said, or usable again.

        Args:
            secret: the Secret.
            result: what it describes, or why it is unusable; None while that is not known.
            now: the time.

        Returns:
            `now` or later; None if nothing has to be said.
        """
        said = self._unusable.get(secret)
        if isinstance(result, Failed) and result.reason.facts.may_heal_while_young and result != said:
            return max(self._missing_since.setdefault(secret, now) + MISSING_SECONDS, now)
        self._missing_since.pop(secret, None)
        is_news = result != said if isinstance(result, Failed) else result is not None and said is not None
        return now if is_news else None

    def said(self, secret: Secret, result: Connection | Failed | None) -> None:
        """Record that this was said."""
        self._missing_since.pop(secret, None)
        if isinstance(result, Failed):
            self._unusable[secret] = result
        else:
            self._unusable.pop(secret, None)

    def retain(self, used: Container[Secret]) -> None:
        """Keep only these, without a word: nobody uses the others any more."""
        self._unusable = {secret: failure for secret, failure in self._unusable.items() if secret in used}
        self._missing_since = {secret: at for secret, at in self._missing_since.items() if secret in used}
