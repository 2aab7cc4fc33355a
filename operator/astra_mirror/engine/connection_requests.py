"""What a lane asks of the polls: the ref for a canary, new requests for those that were held back, and who uses it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from astra_mirror.core.connection import Connection
from astra_mirror.core.request_plan import Collection
from astra_mirror.engine.index import Refs
from astra_mirror.engine.ports import Read
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import ListRead, Secrets, SingleRead, connection_of
from astra_mirror.support.time_slices import TimeSlice


@dataclass(frozen=True, slots=True)
class Usage:
    """What the refs of one connection name."""

    accounts: set[str] = field(default_factory=set)
    apps: set[Collection] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)


def usage_of(refs: Refs, secrets: Secrets) -> Mapping[Connection, Usage]:
    """Each connection that a ref uses, with what those refs name."""
    used: defaultdict[Connection, Usage] = defaultdict(Usage)
    for ref in refs:
        connection = connection_of(ref, secrets)
        if isinstance(connection, Connection):
            usage = used[connection]
            usage.accounts.add(ref.spec.account_id)
            usage.apps.add(Collection(ref.spec.account_id, ref.spec.app_id))
            usage.namespaces.add(ref.namespace)
    return used


class LaneRequests:
    """Makes the requests that a lane needs.

    Args:
        connection: the lane's.
        refs: all refs.
        secrets: where connections come from.
        single: makes the request for one ref's backup.
        plan: plans for refs, all of one account, and submits what comes of it.
    """

    def __init__(
        self,
        connection: Connection,
        refs: Refs,
        secrets: Secrets,
        *,
        single: Callable[[Ref], SingleRead],
        plan: Callable[[Sequence[Ref], TimeSlice], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._refs = refs
        self._secrets = secrets
        self._single = single
        self._plan = plan

    def canary(self, account: str) -> Read | None:
        """A request for the ref of that account that has succeeded last; None when there is none to ask for."""
        usable = (
            each
            for each in self._refs.of_account(account)
            if not each.spec.suspend and connection_of(each, self._secrets) == self._connection
        )
        ref = max(usable, key=_succeeded_last, default=None)
        return self._single(ref) if ref is not None else None

    async def resume(self, reads: Sequence[Read]) -> None:
        """Plan anew for the refs of requests that were held back."""
        accounts: defaultdict[str, dict[Ref, Read]] = defaultdict(dict)
        time_slice = TimeSlice()
        for read in reads:
            await time_slice.checkpoint()
            if isinstance(read, SingleRead | ListRead):
                for ref in read.waiting():
                    accounts[ref.spec.account_id][ref] = read
        for waiting in accounts.values():
            await time_slice.checkpoint()
            still = [ref for ref, read in waiting.items() if ref.reading is read]
            for ref in still:
                if ref.spec.suspend:
                    ref.reading = None
            await self._plan([each for each in still if each.reading is not None], time_slice)


def _succeeded_last(ref: Ref) -> tuple[bool, float, str]:
    return (ref.failure is None and ref.is_observed, ref.fresh_at, ref.uid)
