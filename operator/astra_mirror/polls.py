"""Turns the refs that are due into requests, and the answers into one for each ref.

Which requests, the planner says; when they are sent, their lane. An answer for many also serves the refs that were not
due: they are due together with the others from then on, and cost nothing of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from astra_mirror.core.breaker import State
from astra_mirror.core.connection import Connection
from astra_mirror.core.fallback import AfterList, after_list, is_refusal
from astra_mirror.core.outcome import Failed, Known, Listed
from astra_mirror.core.plan import AVOID_SECONDS, Attempt, Collection, ListOf, Want, plan
from astra_mirror.core.schedule import is_due_soon, urgency
from astra_mirror.lane import Lane
from astra_mirror.lane_requests import LaneRequests, Usage, usage_of
from astra_mirror.reads import Listener, ListRead, Remote, Round, Secrets, SingleRead, connection_of
from astra_mirror.ref import Ref
from astra_mirror.refs import Refs
from astra_mirror.served import is_news, is_served, known_of, served_by
from astra_mirror.total_rate import TotalRate
from astra_mirror.turn import Turn

_LOOK_AROUND_SECONDS: Final = 5.0
"""How often the refs of a whole account are looked at for such as will be due soon."""


class Polls:
    """The polls of all refs, in a lane for each connection.

    Args:
        remote: the remote side.
        secrets: where connections come from.
        refs: all refs.
        listener: hears how the polls end.
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
        self._total = TotalRate(clock)
        self._lanes: dict[Connection, Lane] = {}
        self._ahead: dict[Connection, SingleRead] = {}
        self._looked_around: dict[tuple[Connection, str], float] = {}

    @property
    def open_breakers(self) -> int:
        """How many breakers hold requests back."""
        return sum(lane.breakers.open_breakers for lane in self._lanes_in_use())

    def connections(self) -> Mapping[State, int]:
        """How many connections are in each state."""
        return Counter(lane.state for lane in self._lanes_in_use())

    def _lanes_in_use(self) -> Iterator[Lane]:
        """The lanes whose connection is still a Secret's: the others are dropped before long."""
        secrets = {(ref.namespace, ref.spec.secret_ref.name) for ref in self._refs}
        used = {self._secrets.connection(*each) for each in secrets}
        return (lane for connection, lane in self._lanes.items() if connection in used)

    async def close(self) -> None:
        """End every request."""
        lanes, self._lanes = list(self._lanes.values()), {}
        self._ahead.clear()
        for lane in lanes:
            await lane.close()
        for ref in self._refs:
            ref.reading = None

    def drop_unused(self) -> set[Connection]:
        """Forget the lanes of connections, and the breakers of apps, that no ref uses; the connections still there."""
        used = usage_of(self._refs, self._secrets)
        for connection, lane in list(self._lanes.items()):
            usage = used.get(connection, Usage())
            lane.retain(usage.accounts, usage.apps, usage.namespaces)
            if connection not in used and lane.idle:
                lane.stop()
                del self._lanes[connection]
        self._looked_around.clear()
        return set(self._lanes) | set(used)

    # From refs that are due to requests.

    async def start(self, due: Mapping[Ref, float]) -> None:
        """Ask for these refs, each with the time at which it was due."""
        now = self._clock()
        groups: defaultdict[tuple[Connection, str], dict[Ref, float]] = defaultdict(dict)
        with Turn() as turn:
            for ref, since in due.items():
                await turn.may_end()
                connection = connection_of(ref, self._secrets)
                if isinstance(connection, Connection):
                    if not self._is_on_its_way(ref, connection):
                        groups[connection, ref.spec.account_id][ref] = since
                elif connection is not None:
                    ref.reading = None
                    self._listener.answered(ref, connection, Round(connection, now, self._draw()))
            await self._submit_groups(groups, turn)

    async def _submit_groups(self, groups: Mapping[tuple[Connection, str], Mapping[Ref, float]], turn: Turn) -> None:
        # Nothing is proven of these yet: who goes first is chosen among all.
        new = [lane for each, _ in groups if not (lane := self._lane(each)).breakers.is_proven]
        for lane in new:
            lane.gather()
        try:
            for (connection, account), refs in groups.items():
                await turn.may_end()
                # Meanwhile one may have been deleted, suspended or edited; for an edit another poll is due.
                still = {
                    ref: since
                    for ref, since in refs.items()
                    if self._refs.get(ref.uid) is ref and not ref.spec.suspend and ref.spec.account_id == account
                }
                self._submit(connection, still)
        finally:
            for lane in new:
                lane.start()

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

    def _submit(self, connection: Connection, due: Mapping[Ref, float], *, is_fallback: bool = False) -> None:
        now = self._clock()
        lane = self._lane(connection)
        by_uid = {ref.uid: ref for ref in due}
        wants = [self._want(ref, lane, now, due=True) for ref in due]
        wants += [self._want(ref, lane, now, due=False) for ref in self._due_soon(connection, due, now)]
        draws: defaultdict[Collection, float] = defaultdict(self._draw)
        for request in plan(wants, lane.catalog, now):
            if isinstance(request, ListOf):
                refs = [by_uid[uid] for uid in request.keys]
                since = min(due[ref] for ref in refs)
                urgency = min(map(_urgency, refs))
                draw, collection = self._draw(), request.collection
                namespace = min(refs, key=due.__getitem__).namespace
                read = ListRead(
                    self, self._listener, connection, refs, namespace, since, urgency, draw, is_fallback, collection
                )
                for ref in refs:
                    ref.reading = read
                lane.submit(read)
            else:
                ref = by_uid[request.key]
                draw = draws[Collection(ref.spec.account_id, ref.spec.app_id)]
                self._submit_single(connection, [ref], due[ref], draw, is_fallback=is_fallback)

    def _submit_single(
        self,
        connection: Connection,
        refs: Sequence[Ref],
        due: float,
        draw: float,
        *,
        is_fallback: bool,
        instead_of: Attempt | None = None,
    ) -> SingleRead:
        read = self._single(connection, refs, due, draw, is_fallback=is_fallback)
        if instead_of is not None:
            read.instead_of.append(instead_of)
        # Other lists may fail as the one did, each after its whole time-out: they can wait until this is known.
        self._lane(connection).submit(read, first=instead_of is not None)
        return read

    def _single(
        self, connection: Connection, refs: Sequence[Ref], due: float, draw: float, *, is_fallback: bool
    ) -> SingleRead:
        first, urgency = refs[0], min(map(_urgency, refs))
        read = SingleRead(
            self, self._listener, connection, refs, first.namespace, due, urgency, draw, is_fallback, first.spec
        )
        for ref in refs:
            ref.reading = read
        return read

    def _requests(self, connection: Connection) -> LaneRequests:
        return LaneRequests(
            connection,
            self._refs,
            self._secrets,
            single=lambda ref: self._single(connection, [ref], self._clock(), self._draw(), is_fallback=True),
            plan=lambda refs: self._submit(connection, dict.fromkeys(refs, self._clock())),
        )

    def _lane(self, connection: Connection) -> Lane:
        lane = self._lanes.get(connection)
        if lane is None:
            lane = self._lanes[connection] = Lane(self._clock, self._total, self._requests(connection))
        return lane

    def _want(self, ref: Ref, lane: Lane, now: float, *, due: bool) -> Want:
        account, app = ref.spec.account_id, ref.spec.app_id
        in_lists = ref.unlisted_until <= now and not lane.breakers.is_forbidden(Collection(account, app))
        return Want(ref.uid, account, app, due=due, in_lists=in_lists, in_account=ref.is_of_app)

    def _due_soon(self, connection: Connection, due: Iterable[Ref], now: float) -> Iterator[Ref]:
        apps = {(ref.spec.account_id, ref.spec.app_id) for ref in due}
        for account in {account for account, _ in apps}:
            if self._may_look_around(connection, account, now):
                around = self._refs.of_account(account)
            else:
                around = [ref for each, app in apps if each == account for ref in self._refs.of_app(account, app)]
            for ref in around:
                is_free = ref.failure is None and ref.reading is None and not ref.spec.suspend
                if (
                    is_free
                    and is_due_soon(ref.next_poll, ref.interval, now)
                    and ref not in due
                    and connection_of(ref, self._secrets) == connection
                ):
                    yield ref

    def _may_look_around(self, connection: Connection, account: str, now: float) -> bool:
        key = (connection, account)
        if self._refs.apps(account) < 2 or self._looked_around.get(key, now) > now:
            return False
        self._looked_around[key] = now + _LOOK_AROUND_SECONDS
        return True

    # From answers to refs.

    def known(self, read: ListRead) -> Known:
        """What is known of the backups that a list may have."""
        return known_of(read, self._refs, self._secrets)

    async def listed(self, read: ListRead, answer: Listed | Failed, round_: Round) -> None:
        """A list was answered."""
        lane = self._lane(read.connection)
        now = self._clock()
        if isinstance(answer, Failed):
            self._list_failed(read, answer, round_)
            return
        lane.catalog.learn(read.collection, answer.size)
        if not answer.complete:
            self.avoid(read.connection, read.collection)
        with Turn() as turn:
            for ref in list(served_by(read, self._refs, self._secrets)):
                await turn.may_end()
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
            self._submit_single(read.connection, [ref], read.due, read.draw, is_fallback=True)

    def _list_failed(self, read: ListRead, failure: Failed, round_: Round) -> None:
        refs = read.waiting()
        if after_list(failure) is AfterList.ASK_APART:
            self.avoid(read.connection, read.collection)
            self.ask_otherwise(read.connection, refs, read.due)
        elif refs:
            attempt = Attempt(read.collection, round_.started, self._clock(), is_refusal(failure))
            ahead = self._ahead.get(read.connection)
            if ahead is not None and ahead.is_wanted():
                ahead.join(refs, attempt)
                return
            self._ahead[read.connection] = self._submit_single(
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
            self._submit_single(connection, [ref], self._clock(), self._draw(), is_fallback=True)

    def ask_otherwise(self, connection: Connection, refs: Sequence[Ref], due: float) -> None:
        """Plan anew for these refs, which wait for their old request until they have a new one."""
        if refs:
            self._submit(connection, dict.fromkeys(refs, due), is_fallback=True)

    def avoid(self, connection: Connection, collection: Collection) -> None:
        """Do not ask for this list for a while."""
        self._lane(connection).catalog.avoid(collection, self._clock() + AVOID_SECONDS)

    def suspect(self, connection: Connection, attempt: Attempt) -> None:
        """A list failed where the request for one backup did not."""
        self._lane(connection).catalog.suspect(attempt, self._clock() + AVOID_SECONDS)


def _names_same(one: object, other: object) -> bool:
    return all(getattr(one, each) == getattr(other, each) for each in ("account_id", "app_id", "backup_id"))


def _urgency(ref: Ref) -> float:
    return urgency(is_observed=ref.is_observed, is_at_rest=ref.is_at_rest)
