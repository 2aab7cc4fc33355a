"""The bodies that wait for memory. Only so many may wait: each has a buffer that does not count, or some memory.

If there are too many, the newest of the namespace with most gives way. Those of a namespace with few are not refused
because another one has filled the queue before they arrived.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain
from typing import Final

from astra_mirror.core.body import ADMISSIONS, LIST_ADMISSIONS, Body, Pool, Stage
from astra_mirror.core.body_pools import WAITING_BYTES, Pools
from astra_mirror.core.fair import FairQueue, Path

RECENT_SECONDS: Final = 1.0
"""How long after a wait a connection still counts as waiting: between two chunks it does not wait for memory."""
MAX_WAITING: Final = 256
MAX_WAITING_FOR_NAMESPACE: Final = 64
"""Limits for each stage. Each that waits has buffers that do not count: up to 100 KiB, over TLS 150 KiB."""


class Waiting:
    """The queues of bodies that wait, one for each stage."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._queues: dict[Stage, FairQueue[int, Body]] = {
            stage: FairQueue(cap_for_key=MAX_WAITING_FOR_NAMESPACE) for stage in Stage
        }
        self._last_waited: dict[Stage, dict[Path, float]] = {stage: {} for stage in Stage}
        """When each connection last waited."""
        self._gave_way: dict[int, Body] = {}

    def __bool__(self) -> bool:
        return any(self._queues.values()) or bool(self._gave_way)

    def __iter__(self) -> Iterator[Body]:
        """All that wait."""
        return chain.from_iterable(self._queues.values())

    def at(self, stage: Stage) -> FairQueue[int, Body]:
        """Those that wait in one stage."""
        return self._queues[stage]

    def lists(self) -> list[Body]:
        """The lists that wait for admission."""
        return [body for stage in LIST_ADMISSIONS for body in self._queues[stage]]

    def put(self, body: Body, stage: Stage, now: float) -> bool:
        """Let a body wait; whether it may. Others may have to give way for it."""
        body.waits_since = now
        self._last_waited[stage][body.path] = now
        queue = self._queues[stage]
        if not queue.put(body.path, body.number, body, body.number):
            return False
        if len(queue) > MAX_WAITING:
            self._give_way(_newest_of_most(queue, Counter(each.path[0] for each in queue)))
        if stage in ADMISSIONS and body.number in queue:
            self._pools.wait(body)
            self._limit_memory()
        is_refused = self._gave_way.pop(body.number, None) is not None
        return not is_refused

    def drop(self, body: Body) -> None:
        """Withdraw the request of a body."""
        for queue in self._queues.values():
            queue.drop(body.number)
        self._gave_way.pop(body.number, None)
        body.requested = 0

    def gave_way(self) -> list[Body]:
        """Those that have given way since the last call."""
        bodies = list(self._gave_way.values())
        self._gave_way.clear()
        return bodies

    def record(self, now: float, *, is_list_budget_used_up: bool) -> None:
        """Record which connections wait now."""
        for stage, queue in self._queues.items():
            waited = {path: last for path, last in self._last_waited[stage].items() if now < last + RECENT_SECONDS}
            self._last_waited[stage] = waited | {body.path: now for body in queue}
        if is_list_budget_used_up:
            # A list that is admitted when some of it becomes free may grow, before a large owner takes all that.
            self._last_waited[Stage.GROWTH] |= {body.path: now for body in self.lists()}

    def others(self, path: Path, stage: Stage, now: float) -> bool:
        """Whether connections outside a namespace, or other than a connection, have waited lately."""
        others = (last for each, last in self._last_waited[stage].items() if each[: len(path)] != path)
        return any(now < last + RECENT_SECONDS for last in others)

    def recent_until(self, stages: Iterable[Stage]) -> Iterator[float]:
        """Until when each connection counts as waiting."""
        return (last + RECENT_SECONDS for stage in stages for last in self._last_waited[stage].values())

    def _limit_memory(self) -> None:
        while self._pools.held(Pool.WAITING) > WAITING_BYTES:
            # Those that have given way have memory until they have been told.
            waiting = [body for body in self._pools.within(Pool.WAITING) if body.requested]
            amounts = Counter[Hashable]()
            for body in waiting:
                amounts[body.path[0]] += body.held
            if amounts.total() <= WAITING_BYTES:
                break
            self._give_way(_newest_of_most(waiting, amounts))

    def _give_way(self, body: Body) -> None:
        self.drop(body)
        self._gave_way[body.number] = body


def _newest_of_most(bodies: Iterable[Body], amounts: Counter[Hashable]) -> Body:
    """The newest body of the namespace with most; where several have as much, of all of them."""
    return max(bodies, key=lambda body: (amounts[body.path[0]], body.waits_since, body.number))
