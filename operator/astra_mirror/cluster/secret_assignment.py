"""Decides which Secret names hold a watch, and starts and stops the watches.

core/secret_names.py makes the decision. It is made again whenever the set of names in use changes, and when the
operator's role turns out to forbid or to allow a name.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_reflector import SecretReader
from astra_mirror.cluster.secret_watches import SecretWatches
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_forbidden import ForbiddenNames
from astra_mirror.core.secret_names import (
    MAX_WATCHES,
    NamespacedName,
    Quota,
    SecretSelector,
    assign,
    forbidden,
    refusal,
)
from astra_mirror.observability.metrics import QUOTA_REFUSALS

_MIN_PAUSE_SECONDS: Final = 0.05
_PAUSE_FACTOR: Final = 20.0
"""After an assignment the next one waits this many times as long as it took, so that a tenant who edits refs in a loop
cannot fill the event loop."""


class SecretAssignment:
    """The Secret names in use, and which of them hold a watch.

    Args:
        reader: reads Secrets from the API server.
        availability: whether the API server is away.
        watches: the watches to start and stop.
        review: called with each Secret whose result may have changed.
    """

    def __init__(
        self,
        reader: SecretReader,
        availability: Availability,
        watches: SecretWatches,
        review: Callable[[NamespacedName], None],
    ) -> None:
        self._reader = reader
        self._availability = availability
        self._watches = watches
        self._review = review
        self._users: defaultdict[SecretSelector, dict[str, None]] = defaultdict(dict)
        self._names: defaultdict[str, dict[SecretSelector, None]] = defaultdict(dict)
        self._refused: dict[NamespacedName, Quota] = {}
        self._forbidden = ForbiddenNames()
        self._retry: asyncio.Task[None] | None = None
        self._is_outdated = False
        self._not_before = 0.0

    @property
    def due_at(self) -> float | None:
        """When the next assignment is due, in the loop's time; None while the present one is up to date."""
        return self._not_before if self._is_outdated else None

    def users(self, selector: SecretSelector) -> Iterable[str]:
        """The namespaces that use a name."""
        return self._users.get(selector, ())

    def refusal_of(self, selector: SecretSelector, secret: NamespacedName) -> Failed | None:
        """Why the Secret is not watched; None where neither the role nor a quota refuses it."""
        if selector in self._forbidden:
            return forbidden(secret.name)
        if secret in self._refused:
            return refusal(secret.name, self._refused[secret])
        return None

    def add(self, selector: SecretSelector, namespace: str) -> None:
        """Record that a namespace uses a name. The default name is watched at once, others by the next assignment."""
        self._users[selector][namespace] = None
        if not selector.is_default:
            self._names[namespace][selector] = None
            self._is_outdated = True
        elif selector not in self._watches:
            self._watches.start(selector, namespace)

    def remove(self, selector: SecretSelector, namespace: str) -> None:
        """Record that a namespace no longer uses a name, and stop the watch of a name without users."""
        del self._users[selector][namespace]
        if not selector.is_default:
            del self._names[namespace][selector]
            if not self._names[namespace]:
                del self._names[namespace]
            self._is_outdated = True
        if not self._users[selector]:
            del self._users[selector]
            self._forbidden.remove(selector)
            self._watches.stop(selector)

    def release_forbidden(self, now: float) -> None:
        """Stop the watches of the names that the role forbids, except for the default name, and free their places."""
        for selector in self._watches.forbidden(now):
            if not selector.is_default:
                self._forbidden.add(selector, self._users[selector], now)
                self._watches.stop(selector)
                self._review_users(selector)
                self._is_outdated = True

    def retry_forbidden(self, now: float) -> None:
        """Start to read the next forbidden name that is due, unless such a read is under way."""
        if self._retry is not None and not self._retry.done():
            return
        taken = self._forbidden.take_due(now)
        if taken is not None:
            self._retry = asyncio.get_running_loop().create_task(self._try(taken[0]))

    def assign(self) -> None:
        """Give the places to the names in use, and start and stop watches accordingly."""
        begun, self._is_outdated = asyncio.get_running_loop().time(), False
        held = {each for each in self._watches if not each.is_default}
        capacity = max(MAX_WATCHES - sum(each.is_default for each in self._watches), 0)
        assignment = assign(self._names, forbidden=self._forbidden, held=held, refused=self._refused, capacity=capacity)
        for selector in held - assignment.owners.keys():
            self._watches.stop(selector)
        for selector, owner in assignment.owners.items():
            if selector not in self._watches:
                self._watches.start(selector, owner)
        self._set_refused(dict(assignment.refused))
        now = asyncio.get_running_loop().time()
        self._not_before = now + max(_MIN_PAUSE_SECONDS, (now - begun) * _PAUSE_FACTOR)

    async def close(self) -> None:
        """Cancel the read of a forbidden name that is under way."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)

    def _set_refused(self, refused: dict[NamespacedName, Quota]) -> None:
        before, self._refused = self._refused, refused
        for secret, quota in refused.items():
            if secret not in before:
                QUOTA_REFUSALS.labels(quota.value).inc()
        for secret in {*before, *refused}:
            if before.get(secret) is not refused.get(secret):
                self._review(secret)

    def _review_users(self, selector: SecretSelector) -> None:
        for namespace in self.users(selector):
            self._review(NamespacedName(namespace, selector.name))

    async def _try(self, selector: SecretSelector) -> None:
        """Read a forbidden name once; where the role allows it now, make it a candidate for a watch again."""
        is_forbidden = True
        try:
            await self._reader.page(selector, 1)
            is_forbidden = False
        except ReadError as error:
            if error.suggests_outage:
                self._availability.request_probe()
        if selector not in self._forbidden:
            return
        if is_forbidden:
            self._forbidden.add(selector, self._users[selector], asyncio.get_running_loop().time())
            return
        self._forbidden.remove(selector)
        self._review_users(selector)
        self._is_outdated = True
