"""The Secrets that refs use: for each of them the connection that it describes, or the reason why there is none.

Each name is watched with a field selector on metadata.name, cluster-wide or in one namespace. The API server authorises
such a watch by a rule with resourceNames, so the operator's role needs no access to any other Secret.

Which names hold a watch is decided in secret_assignment.py, what a failed read means in core/secret_reading.py, and
which content of a Secret is in effect in core/secret_table.py.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_assignment import SecretAssignment
from astra_mirror.cluster.secret_contents import SecretContents
from astra_mirror.cluster.secret_reflector import SecretReader
from astra_mirror.cluster.secret_watches import SecretWatches
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_names import NamespacedName, SecretSelector, forbidden
from astra_mirror.core.secret_reading import ReadProblem, ReadState, not_found, unreadable
from astra_mirror.core.urls import AllowedURL
from astra_mirror.support.time_slices import TimeSlice

_TICK_SECONDS: Final = 1.0
_PRUNE_SECONDS: Final = 60.0

SecretResult = Connection | Failed | None
"""The connection that a Secret describes, or why there is none; None while neither is known."""
OnChange = Callable[[str, str], None]
"""Called with the namespace and the name of a Secret whose result has changed."""


class SecretStore:
    """Connections, by the namespace and name of their Secret.

    Args:
        reader: reads Secrets from the API server.
        availability: whether the API server is away.
        namespaces: the namespaces to watch; empty for all.
        allowed: the administrator's --allowed-url.
        require_tls_verification: refuse Secrets that switch the verification of certificates off.
        changed: see `OnChange`.
    """

    def __init__(
        self,
        reader: SecretReader,
        availability: Availability,
        *,
        namespaces: Sequence[str],
        allowed: Sequence[AllowedURL],
        require_tls_verification: bool = False,
        changed: OnChange,
    ) -> None:
        self._availability = availability
        self._is_namespaced = bool(namespaces)
        self._changed = changed
        self._results: dict[NamespacedName, SecretResult] = {}
        self._to_review: dict[NamespacedName, None] = {}
        self._prune_at = 0.0
        self._wake = asyncio.Event()
        self._contents = SecretContents(
            reader,
            availability,
            allowed=allowed,
            require_tls_verification=require_tls_verification,
            used=self._results.keys(),
            changed=self._review_soon,
        )
        self._watches = SecretWatches(reader, availability, self._contents, self._review_users_soon)
        self._assignment = SecretAssignment(reader, availability, self._watches, self._review_soon)

    def connection(self, namespace: str, name: str) -> SecretResult:
        """The result for a Secret. While it is None, `changed` is called as soon as it is known."""
        secret = NamespacedName(namespace, name)
        return self._results[secret] if secret in self._results else self._use(secret)

    def retain(self, used: Iterable[tuple[str, str]]) -> None:
        """Forget every Secret whose namespace and name are not in `used`."""
        for secret in self._results.keys() - set(used):
            self._stop_using(secret)

    def results(self) -> Iterator[str]:
        """A label for each Secret in use, for the metrics: ok, or the reason that refs show."""
        for result in self._results.values():
            if isinstance(result, Connection):
                yield "ok"
            else:
                yield result.reason if result else "NotObserved"

    async def run(self) -> None:
        """Do what is due each second, and review changed Secrets at once, until cancelled."""
        loop = asyncio.get_running_loop()
        tick_at = loop.time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._contents.run())
            while True:
                self._wake.clear()
                if loop.time() >= tick_at:
                    tick_at = max(tick_at + _TICK_SECONDS, loop.time())
                    self._tick(loop.time())
                if (due_at := self._assignment.due_at) is not None and loop.time() >= due_at:
                    self._assignment.assign()
                await self._review()
                due_at = self._assignment.due_at
                try:
                    async with asyncio.timeout_at(tick_at if due_at is None else min(tick_at, due_at)):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def close(self) -> None:
        """Stop all watches."""
        await self._assignment.close()
        await self._watches.close()

    def _selector(self, secret: NamespacedName) -> SecretSelector:
        return SecretSelector(secret.namespace if self._is_namespaced else None, secret.name)

    def _use(self, secret: NamespacedName) -> SecretResult:
        self._assignment.add(self._selector(secret), secret.namespace)
        self._wake.set()
        result = self._results[secret] = self._find(secret)
        self._contents.start_using(secret)
        return result

    def _stop_using(self, secret: NamespacedName) -> None:
        del self._results[secret]
        self._contents.stop_using(secret)
        self._assignment.remove(self._selector(secret), secret.namespace)
        self._wake.set()

    def _find(self, secret: NamespacedName) -> SecretResult:
        """The result that follows from all that is known of a Secret."""
        selector = self._selector(secret)
        refused = self._assignment.refusal_of(selector, secret)
        if refused is not None:
            return refused
        return self._read_result(secret, self._watches.read_state(selector)) if selector in self._watches else None

    def _read_result(self, secret: NamespacedName, read_state: ReadState) -> SecretResult:
        """The result of a Secret whose name is watched."""
        now = asyncio.get_running_loop().time()
        single_problem = self._contents.problem(secret, now)
        effective = self._contents.effective(secret)
        if ReadProblem.FORBIDDEN in {read_state.problem(now), single_problem}:
            return forbidden(secret.name)
        if effective is not None:
            return effective.result or not_found(secret.name, secret.namespace)
        if read_state.is_read and not self._contents.is_pending(secret):
            return not_found(secret.name, secret.namespace)
        is_unreadable = single_problem is ReadProblem.FAILING or read_state.is_unreadable(
            self._contents.last_single_read_at, now
        )
        return unreadable(secret.name, secret.namespace) if is_unreadable else None

    def _review_soon(self, secret: NamespacedName) -> None:
        if secret in self._results:
            self._to_review[secret] = None
            self._wake.set()

    def _review_users_soon(self, selector: SecretSelector) -> None:
        for namespace in self._assignment.users(selector):
            self._review_soon(NamespacedName(namespace, selector.name))

    async def _review(self) -> None:
        """Compute the results of the Secrets that may have changed, and report those that have."""
        secrets, self._to_review = self._to_review, {}
        time_slice = TimeSlice()
        for secret in secrets:
            await time_slice.checkpoint()
            if secret in self._results and (result := self._find(secret)) != self._results[secret]:
                self._results[secret] = result
                self._changed(secret.namespace, secret.name)

    def _tick(self, now: float) -> None:
        self._contents.apply_due(now)
        if self._availability.is_away:
            return
        self._assignment.release_forbidden(now)
        self._watches.check(now)
        self._watches.read_singles(self._assignment.users, now)
        self._assignment.retry_forbidden(now)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_SECONDS
            self._watches.prune(now)
