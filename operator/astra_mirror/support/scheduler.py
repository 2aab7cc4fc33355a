"""Time and tasks: schedules callbacks at a given time, in the next pass of the event loop, or at the end of a task.

It uses the running loop's clock, as asyncio's own time-outs do, so that tests can run hours of virtual time in a
moment.
"""

import asyncio
from collections.abc import Callable, Container, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


def clock() -> Callable[[], float]:
    """The running loop's clock, for what reads it often: finding the loop takes longer than reading its clock."""
    return asyncio.get_running_loop().time


def monotonic() -> float:
    """Seconds by the running loop's clock, which cannot be set back."""
    return clock()()


def call_at(when: float, action: Callable[[], None]) -> asyncio.TimerHandle:
    """Call `action` at `when`, in monotonic seconds, unless the handle is cancelled."""
    return asyncio.get_running_loop().call_at(when, action)


@contextmanager
def meanwhile(*timed: tuple[float, Callable[[], None]]) -> Iterator[None]:
    """Call each of these at its time, in monotonic seconds, unless the `with` block has ended by then."""
    handles = [call_at(when, action) for when, action in timed]
    try:
        yield
    finally:
        for each in handles:
            each.cancel()


def call_next(action: Callable[[], None]) -> None:
    """Call `action` in the loop's next pass."""
    asyncio.get_running_loop().call_soon(action)


def spawn(work: Coroutine[Any, Any, T], ended: Callable[[asyncio.Task[T]], None]) -> asyncio.Task[T]:
    """A task that does `work`; `ended` is called with it when it is done, however it ends."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(ended)
    return task


class Timer:
    """Calls `action` once, at the earliest time that was set; after that, new times may be set."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Call `action` at `when` at the latest, in monotonic seconds."""
        if self._handle is not None:
            if self._handle.when() <= when:
                return
            self._handle.cancel()
        self._handle = call_at(when, self._run)

    def cancel(self) -> None:
        """Remove the time that was set, if any."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = None
        self._action()


class KeyedTimers(Generic[Key]):
    """A `Timer` for each key; calls `action` with the key whose time has come."""

    def __init__(self, action: Callable[[Key], None]) -> None:
        self._action = action
        self._timers: dict[Key, Timer] = {}

    def set(self, key: Key, when: float) -> None:
        """Call `action` with this key at `when` at the latest, in monotonic seconds."""
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = Timer(partial(self._action, key))
        timer.set(when)

    def retain(self, keys: Container[Key]) -> None:
        """Cancel the timers of keys that are not in `keys`."""
        for key in [each for each in self._timers if each not in keys]:
            self._timers.pop(key).cancel()
