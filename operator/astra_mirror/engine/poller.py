"""Turns the refs that are due into requests, and the answers into one for each ref.

The planner chooses the requests, and their lane sends them. An answer for many also serves the refs that were not
due: they are due together with the others from then on, and cost nothing of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from astra_mirror.core.circuit import State
from astra_mirror.core.connection import Connection
from astra_mirror.core.list_fallback import AfterList, after_list, is_refusal
from astra_mirror.core.outcome import Failed, Known, Listed
from astra_mirror.core.request_plan import AVOID_SECONDS, Attempt, Collection
from astra_mirror.engine.fan_out import is_news, is_served, known_of, served_by
from astra_mirror.engine.index import Refs
from astra_mirror.engine.planner import Planner
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import Listener, ListRead, Remote, Round, Secrets, SingleRead, connection_of
from astra_mirror.support.time_slices import TimeSlice


class Polls:
    """The polls of all refs, in a lane for each connection.

    Args:
        remote: the remote side.
        secrets: where connections come from.
        refs: all refs.
        listener: handles the ends of polls.
        clock: monotonic seconds.
        draw: a number from 0 to 1, by chance.
    """

    def __init__(
        self,
        *,
        remote: Remote,
        secrets: Secrets,
        refs: Refs,
        listener: Listener,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self.remote = remote
        self._secrets = secrets
        self._refs = refs
        self._listener = listener
        self._clock = clock
        self._draw = draw
        self._ahead: dict[Connection, SingleRead] = {}
        self._planner = Planner(reader=self, secrets=secrets, refs=refs, listener=listener, clock=clock, draw=draw)

    @property
    def open_breakers(self) -> int:
        """How many breakers hold requests back."""
        return sum(lane.breakers.open_breakers for lane in self._planner.lanes_in_use())

    def connections(self) -> Mapping[State, int]:
        """How many connections are in each state."""
        return Counter(lane.state for lane in self._planner.lanes_in_use())

    async def close(self) -> None:
        """End every request."""
        self._ahead.clear()
        await self._planner.close()

    def drop_unused(self) -> set[Connection]:
        """Forget the lanes of connections, and the breakers of apps, that no ref uses; the connections still there."""
        return self._planner.drop_unused()

    # From refs that are due to requests.

    async def start(self, due: Mapping[Ref, float]) -> None:
        """Ask for these refs, each with the time at which it was due."""
        now = self._clock()
        groups: defaultdict[tuple[Connection, str], dict[Ref, float]] = defaultdict(dict)
        time_slice = TimeSlice()
        for ref, since in due.items():
            await time_slice.checkpoint()
            connection = connection_of(ref, self._secrets)
            if isinstance(connection, Connection):
                if not self._is_on_its_way(ref, connection):
                    groups[connection, ref.spec.account_id][ref] = since
            elif connection is not None:
                ref.reading = None
                self._listener.answered(ref, connection, Round(connection, now, self._draw()))
        await self._planner.submit_groups(groups, time_slice)

    def _is_on_its_way(self, ref: Ref, connection: Connection) -> bool:
        """Whether the request under way is still the right one: not after an edit, nor with another Secret."""
        match ref.reading:
            case SingleRead(connection=same, spec=spec):
                return same == connection and _names_same(spec, ref.spec)
            case ListRead(connection=same, collection=collection):
                apps = {None, ref.spec.app_id}
                return same == connection and collection.account == ref.spec.account_id and collection.app in apps
            case _:
                return False

    # From answers to refs.

    def known(self, read: ListRead) -> Known:
        """What is known of the backups that a list may have."""
        return known_of(read, self._refs, self._secrets)

    async def listed(self, read: ListRead, answer: Listed | Failed, round_: Round) -> None:
        """A list was answered."""
        lane = self._planner.lane(read.connection)
        now = self._clock()
        if isinstance(answer, Failed):
            await self._list_failed(read, answer, round_)
            return
        lane.catalog.learn(read.collection, answer.size)
        if not answer.complete:
            self.avoid(read.connection, read.collection)
        time_slice = TimeSlice(read.namespace)
        for ref in list(served_by(read, self._refs, self._secrets)):
            await time_slice.checkpoint()
            # Meanwhile it may have found something better to wait for.
            if not is_served(ref, read, self._secrets):
                continue
            found = answer.found.get(ref.spec.backup_id)
            waited = ref.reading is read
            if found is None or (not waited and not is_news(ref, found, answer, round_.started)):
                continue
            read.release(ref)
            self._listener.answered(ref, found, round_)
            ref.body = answer.digest if ref.digest is not None else None
        missing = read.waiting()
        for ref in missing:
            # Unless it names another backup only now.
            if ref.asked <= round_.started:
                ref.unlisted_until = now + AVOID_SECONDS
        for ref in missing:
            self._planner.submit_single(read.connection, [ref], read.due, read.draw, is_fallback=True)

    async def _list_failed(self, read: ListRead, failure: Failed, round_: Round) -> None:
        refs = read.waiting()
        if after_list(failure) is AfterList.ASK_APART:
            self.avoid(read.connection, read.collection)
            await self.ask_otherwise(read.connection, refs, read.due)
        elif refs:
            attempt = Attempt(read.collection, round_.started, self._clock(), is_refusal(failure))
            ahead = self._ahead.get(read.connection)
            if ahead is not None and ahead.is_wanted():
                ahead.join(refs, attempt)
                return
            self._ahead[read.connection] = self._planner.submit_single(
                read.connection, refs, read.due, read.draw, is_fallback=True, instead_of=attempt
            )

    def ahead_ended(self, read: SingleRead) -> None:
        """The request that decides for the refs of lists that failed has ended, or is held back."""
        if self._ahead.get(read.connection) is read:
            del self._ahead[read.connection]

    def ask_apart(self, connection: Connection, ref: Ref) -> None:
        """Ask for this ref's backup alone as soon as nothing holds that back."""
        is_free = self._refs.get(ref.uid) is ref and ref.reading is None and not ref.spec.suspend
        if is_free and ref.failure is not None and connection_of(ref, self._secrets) == connection:
            # Behind all others of its account that wait for the same breaker: the next probe is another ref's.
            self._planner.submit_single(connection, [ref], self._clock(), self._draw(), is_fallback=True)

    async def ask_otherwise(self, connection: Connection, refs: Sequence[Ref], due: float) -> None:
        """Plan anew for these refs, which wait for their old request until they have a new one."""
        if refs:
            time_slice = TimeSlice()
            await self._planner.submit(connection, dict.fromkeys(refs, due), time_slice, is_fallback=True)

    def avoid(self, connection: Connection, collection: Collection) -> None:
        """Do not ask for this list for a while."""
        self._planner.lane(connection).catalog.avoid(collection, self._clock() + AVOID_SECONDS)

    def suspect(self, connection: Connection, attempt: Attempt) -> None:
        """A list failed where the request for one backup did not."""
        self._planner.lane(connection).catalog.suspect(attempt, self._clock() + AVOID_SECONDS)


def _names_same(one: object, other: object) -> bool:
    return all(getattr(one, each) == getattr(other, each) for each in ("account_id", "app_id", "backup_id"))
