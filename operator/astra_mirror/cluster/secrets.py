"""The Secrets that refs use: for each the connection that it describes, or why there is none.

A watch with a field selector on the name is all that the shipped role allows, cluster-wide as well: a rule with
resourceNames authorises it. So the operator never sees any other Secret. Which names are followed is decided in
core/secret_names.py, what failures mean in core/secret_reading.py, and what counts in core/secret_table.py; here are
the answers for the engine, and what has to be done every second.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_contents import SecretContents
from astra_mirror.cluster.secret_follow import Following
from astra_mirror.cluster.secret_watch import Reads
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_names import MAX_WATCHES, Pair, Quota, Watched, assign, forbidden, refusal
from astra_mirror.core.secret_reading import Finding, Reading, not_found, unreadable
from astra_mirror.core.secret_retries import Retries
from astra_mirror.core.urls import AllowedURL
from astra_mirror.observability.metrics import QUOTA_REFUSALS
from astra_mirror.support.time_slices import Turn

_TICK_SECONDS: Final = 1.0
_PRUNE_SECONDS: Final = 60.0
_MIN_ASSIGN_SECONDS: Final = 0.05
_ASSIGN_REST: Final = 20.0
"""After places were given there is a rest this many times as long: edits in a loop must not fill the event loop."""

Answer = Connection | Failed | None
OnChange = Callable[[str, str], None]
"""Called with the namespace and the name of a Secret about which something else is known now."""


class SecretStore:
    """Connections, by the namespace and name of their Secret.

    Args:
        reads: the API server's Secrets.
        availability: whether the API server is away.
        namespaces: those to look in; empty for all.
        allowed: the administrator's --allowed-url.
        require_tls_verification: refuse Secrets that switch it off.
        changed: see `OnChange`.
    """

    def __init__(
        self,
        reads: Reads,
        availability: Availability,
        *,
        namespaces: Sequence[str],
        allowed: Sequence[AllowedURL],
        require_tls_verification: bool = False,
        changed: OnChange,
    ) -> None:
        self._reads = reads
        self._availability = availability
        self._is_namespaced = bool(namespaces)
        self._changed = changed
        self._answers: dict[Pair, Answer] = {}
        self._users: defaultdict[Watched, dict[str, None]] = defaultdict(dict)
        self._names: defaultdict[str, dict[Watched, None]] = defaultdict(dict)
        self._refused: dict[Pair, Quota] = {}
        self._retries = Retries()
        self._retry: asyncio.Task[None] | None = None
        self._to_review: dict[Pair, None] = {}
        self._assign_anew = False
        self._assign_at = 0.0
        self._prune_at = 0.0
        self._wake = asyncio.Event()
        self._contents = SecretContents(
            reads,
            availability,
            allowed=allowed,
            require_tls_verification=require_tls_verification,
            used=self._answers.keys(),
            changed=self._review_soon,
        )
        self._following = Following(reads, availability, self._contents, self._review_all_soon)

    # What the engine asks.

    def connection(self, namespace: str, name: str) -> Answer:
        """What the Secret says; None until that is known: then `changed` is called."""
        pair = Pair(namespace, name)
        return self._answers[pair] if pair in self._answers else self._use(pair)

    def retain(self, used: Iterable[tuple[str, str]]) -> None:
        """Forget every Secret, by namespace and name, that is not among these."""
        for pair in self._answers.keys() - set(used):
            self._unuse(pair)

    def results(self) -> Iterator[str]:
        """What is known of each Secret in use, for the metrics: ok, or the reason that refs show."""
        for answer in self._answers.values():
            if isinstance(answer, Connection):
                yield "ok"
            else:
                yield answer.reason if answer else "NotObserved"

    async def close(self) -> None:
        """Stop following all."""
        if self._retry is not None:
            self._retry.cancel()
        await self._following.close()

    def _watched(self, pair: Pair) -> Watched:
        return Watched(pair.namespace if self._is_namespaced else None, pair.name)

    def _use(self, pair: Pair) -> Answer:
        watched = self._watched(pair)
        self._users[watched][pair.namespace] = None
        if not watched.is_default:
            self._names[pair.namespace][watched] = None
            self._assign_anew = True
            self._wake.set()
        elif watched not in self._following:
            self._following.start(watched, pair.namespace)
        answer = self._answers[pair] = self._find(pair)
        self._contents.want(pair)
        return answer

    def _unuse(self, pair: Pair) -> None:
        watched = self._watched(pair)
        del self._answers[pair], self._users[watched][pair.namespace]
        self._contents.unuse(pair)
        if not watched.is_default:
            del self._names[pair.namespace][watched]
            if not self._names[pair.namespace]:
                del self._names[pair.namespace]
            self._assign_anew = True
            self._wake.set()
        if not self._users[watched]:
            del self._users[watched]
            self._retries.drop(watched)
            self._following.stop(watched)

    def _find(self, pair: Pair) -> Answer:
        """The answer, from all that is known."""
        watched = self._watched(pair)
        if watched in self._retries:
            return forbidden(pair.name)
        if pair in self._refused:
            return refusal(pair.name, self._refused[pair])
        return self._found(pair, self._following.reading(watched)) if watched in self._following else None

    def _found(self, pair: Pair, reading: Reading) -> Answer:
        now = asyncio.get_running_loop().time()
        alone = self._contents.finding(pair, now)
        counted = self._contents.counted(pair)
        if Finding.FORBIDDEN in {reading.finding(now), alone}:
            return forbidden(pair.name)
        if counted is not None:
            return counted.result or not_found(pair.name, pair.namespace)
        if reading.is_read and not self._contents.is_pending(pair):
            return not_found(pair.name, pair.namespace)
        is_unreadable = alone is Finding.FAILING or reading.is_unreadable(self._contents.last_single, now)
        return unreadable(pair.name, pair.namespace) if is_unreadable else None

    def _review_soon(self, pair: Pair) -> None:
        if pair in self._answers:
            self._to_review[pair] = None
            self._wake.set()

    def _review_all_soon(self, watched: Watched) -> None:
        for namespace in self._users.get(watched, ()):
            self._review_soon(Pair(namespace, watched.name))

    # What time and the watches bring.

    async def run(self) -> None:
        """Do what is due every second, and what has become known at once, until cancelled."""
        loop = asyncio.get_running_loop()
        tick_at = loop.time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._contents.run())
            while True:
                self._wake.clear()
                if loop.time() >= tick_at:
                    tick_at = max(tick_at + _TICK_SECONDS, loop.time())
                    self._tick(loop.time())
                if self._assign_anew and loop.time() >= self._assign_at:
                    self._assign()
                await self._review()
                until = min(tick_at, self._assign_at) if self._assign_anew else tick_at
                try:
                    async with asyncio.timeout_at(until):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _review(self) -> None:
        """Report the answers that have changed to the engine."""
        pairs, self._to_review = self._to_review, {}
        turn = Turn()
        for pair in pairs:
            await turn.may_end()
            if pair in self._answers and (answer := self._find(pair)) != self._answers[pair]:
                self._answers[pair] = answer
                self._changed(pair.namespace, pair.name)

    def _tick(self, now: float) -> None:
        self._contents.count_due(now)
        if self._availability.is_away:
            return
        for watched in self._following.forbidden(now):
            if not watched.is_default:
                self._give_up(watched, now)
        self._following.judge(now)
        self._following.read_alone(lambda watched: self._users[watched], now)
        if self._retry is None or self._retry.done():
            self._try_forbidden(now)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_SECONDS
            self._following.prune(now)

    def _give_up(self, watched: Watched, now: float) -> None:
        """A forbidden name holds no watch and no place."""
        self._retries.put(watched, self._users[watched], now)
        self._following.stop(watched)
        self._review_all_soon(watched)
        self._assign_anew = True

    def _try_forbidden(self, now: float) -> None:
        taken = self._retries.take(now)
        if taken is not None:
            self._retry = asyncio.get_running_loop().create_task(self._try(taken[0]))

    async def _try(self, watched: Watched) -> None:
        """Whether the role forbids a name still."""
        is_forbidden = True
        try:
            await self._reads.page(watched, 1)
            is_forbidden = False
        except ReadError as error:
            if error.is_suspicious:
                self._availability.suspect()
        if watched not in self._retries:
            return
        if is_forbidden:
            self._retries.put(watched, self._users[watched], asyncio.get_running_loop().time())
            return
        self._retries.drop(watched)
        self._review_all_soon(watched)
        self._assign_anew = True

    def _assign(self) -> None:
        begun, self._assign_anew = asyncio.get_running_loop().time(), False
        held = {each for each in self._following if not each.is_default}
        room = MAX_WATCHES - sum(each.is_default for each in self._following)
        places = assign(self._names, forbidden=self._retries, held=held, refused=self._refused, room=max(room, 0))
        for watched in held - places.owners.keys():
            self._following.stop(watched)
        for watched, owner in places.owners.items():
            if watched not in self._following:
                self._following.start(watched, owner)
        before, self._refused = self._refused, dict(places.refused)
        for pair, quota in self._refused.items():
            if pair not in before:
                QUOTA_REFUSALS.labels(quota.value).inc()
        for pair in {*before, *self._refused}:
            if before.get(pair) is not self._refused.get(pair):
                self._review_soon(pair)
        now = asyncio.get_running_loop().time()
        self._assign_at = now + max(_MIN_ASSIGN_SECONDS, (now - begun) * _ASSIGN_REST)
