"""Runs a reflector for each watched Secret name, and reads Secrets one by one while their list fails.

One Secret that the API server cannot decrypt makes every list fail that contains it. The other Secrets in use can still
be read one by one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_contents import SecretContents
from astra_mirror.cluster.secret_reflector import (
    ListCompleted,
    ListStarted,
    PageRead,
    Paused,
    ReadFailed,
    Reflector,
    ReflectorEvent,
    SecretChanged,
    SecretReader,
    WatchStarted,
)
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.loglines import FailureLog
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.secret_reading import ReadProblem, ReadState
from astra_mirror.support.slots import Slots
from astra_mirror.support.time_slices import TimeSlice

_SLOTS: Final = 8
"""How many lists and watches may be opened at a time, so that not all start at once after an outage."""
_KNOWN_AGAIN_SECONDS: Final = 45.0
_UNKNOWN_AGAIN_SECONDS: Final = 15.0
"""The time between single reads of a Secret whose list fails: where its content is known, and where it is not."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _WatchState:
    """One watch: `owner` is the namespace that its slots are counted for, `problem` the one found by the last check."""

    owner: str
    task: asyncio.Task[None]
    read_state: ReadState = field(default_factory=ReadState)
    problem: ReadProblem | None = None
    failure_log: FailureLog = field(default_factory=FailureLog)
    is_failing: bool = False


class SecretWatches:
    """The watched Secret names.

    Args:
        reader: reads Secrets from the API server.
        availability: whether the API server is away.
        contents: receives what is read.
        review: called with a name when the results of its Secrets may have changed.
    """

    def __init__(
        self,
        reader: SecretReader,
        availability: Availability,
        contents: SecretContents,
        review: Callable[[SecretSelector], None],
    ) -> None:
        self._reader = reader
        self._availability = availability
        self._contents = contents
        self._review = review
        self._slots = Slots(_SLOTS)
        self._states: dict[SecretSelector, _WatchState] = {}
        self._next_single_at: dict[NamespacedName, float] = {}

    def __contains__(self, selector: SecretSelector) -> bool:
        return selector in self._states

    def __iter__(self) -> Iterator[SecretSelector]:
        return iter(self._states)

    def read_state(self, selector: SecretSelector) -> ReadState:
        """How reading a watched name has gone so far."""
        return self._states[selector].read_state

    def start(self, selector: SecretSelector, owner: str) -> None:
        """Start to watch a name."""
        self._states[selector] = _WatchState(owner, self._task(selector, owner))

    def stop(self, selector: SecretSelector) -> None:
        """Stop watching a name, and forget its Secrets; does nothing for a name that is not watched."""
        state = self._states.pop(selector, None)
        if state is not None:
            state.task.cancel()
            self._contents.drop(selector)

    async def close(self) -> None:
        """Stop all watches."""
        tasks = [each.task for each in self._states.values()]
        for selector in list(self._states):
            self.stop(selector)
        await asyncio.gather(*tasks, return_exceptions=True)

    def forbidden(self, now: float) -> list[SecretSelector]:
        """The watched names that the operator's role forbids."""
        return [each for each, state in self._states.items() if state.read_state.problem(now) is ReadProblem.FORBIDDEN]

    def check(self, now: float) -> None:
        """Review the names whose read problem has changed; restart the reflectors that ended by a defect."""
        for selector, state in self._states.items():
            problem = state.read_state.problem(now)
            # While a list fails, the single reads change the result of one Secret at a time.
            if problem is not state.problem or problem is ReadProblem.FAILING:
                state.problem = problem
                self._review(selector)
            if state.task.done() and not state.task.cancelled():
                logger.error(
                    "Secrets named %r are followed anew after a defect",
                    selector.name,
                    exc_info=state.task.exception(),
                )
                state.task = self._task(selector, state.owner)

    def read_singles(self, users: Callable[[SecretSelector], Iterable[str]], now: float) -> None:
        """Read the Secrets in use one by one whose list is failing.

        Args:
            users: the namespaces that use a name.
            now: the loop's time.
        """
        for selector, state in self._states.items():
            if state.problem is ReadProblem.FAILING:
                for namespace in users(selector):
                    self._read_single(NamespacedName(namespace, selector.name), state.read_state.failing_since, now)

    def _read_single(self, secret: NamespacedName, since: float | None, now: float) -> None:
        if self._next_single_at.get(secret, now) <= now:
            is_known = self._contents.effective(secret) is not None
            self._next_single_at[secret] = now + (_KNOWN_AGAIN_SECONDS if is_known else _UNKNOWN_AGAIN_SECONDS)
            self._contents.read_single(secret, since)

    def prune(self, now: float) -> None:
        """Forget the Secrets that no longer exist, and the times of past single reads."""
        self._next_single_at = {secret: at for secret, at in self._next_single_at.items() if at > now}
        for selector, state in self._states.items():
            if state.read_state.is_read:
                self._contents.prune(selector, now)

    def _task(self, selector: SecretSelector, owner: str) -> asyncio.Task[None]:
        reflector = Reflector(self._reader, selector, availability=self._availability, slots=self._slots, owner=owner)
        return asyncio.get_running_loop().create_task(
            self._consume(selector, reflector), name=f"Secrets {selector.name}"
        )

    async def _consume(self, selector: SecretSelector, reflector: Reflector) -> None:
        async with aclosing(reflector.events()) as events:
            async for each in events:
                state = self._states[selector]
                now = asyncio.get_running_loop().time()
                if isinstance(each, PageRead):
                    await self._handle_page(state, each, now)
                else:
                    self._handle(selector, state, each, now)

    async def _handle_page(self, state: _WatchState, page: PageRead, now: float) -> None:
        state.read_state = state.read_state.page_read()
        time_slice = TimeSlice()
        for secret, content in page.found.items():
            await time_slice.checkpoint()
            self._contents.observe(secret, content, now, was_absent=state.read_state.is_read)

    def _handle(self, selector: SecretSelector, state: _WatchState, event: ReflectorEvent, now: float) -> None:
        match event:
            case ListStarted():
                state.read_state = state.read_state.started(now)
            case Paused():
                state.read_state = state.read_state.paused()
                self._contents.forget_single_failures()
            case ListCompleted(found):
                state.read_state = state.read_state.succeeded()
                self._contents.complete_list(selector, found, now)
                self._review(selector)
            case WatchStarted():
                if state.is_failing:
                    logger.info("Secrets named %r are followed again", selector.name)
                state.is_failing = False
                state.failure_log.succeeded()
            case SecretChanged(secret, content):
                self._contents.observe(secret, content, now, was_absent=True)
            case ReadFailed(error, in_list):
                self._read_failed(selector, state, error, now, in_list=in_list)

    def _read_failed(
        self, selector: SecretSelector, state: _WatchState, error: ReadError, now: float, *, in_list: bool
    ) -> None:
        if error.is_refusal:
            state.read_state = state.read_state.refused(now)
        elif in_list:
            state.read_state = state.read_state.failed(now)
        # What the role forbids is logged for each Secret, and an expired version is normal. One failure alone may be due
        # to an API server that is away, which is logged as such.
        if error.is_refusal or error.is_expired or self._availability.is_away or state.is_failing:
            return
        if state.failure_log.should_log(str(error)):
            logger.warning("Secrets named %r cannot be followed, trying again: %s", selector.name, error)
            state.is_failing = True
