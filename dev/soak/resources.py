"""What the operators hold while a soak runs, and what they must not hold more of at its end."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from dev.soak.findings import Finding
from dev.soak.plan import GROWTH_SECONDS
from dev.soak.process import Process
from dev.soak.procfs import Use
from dev.soak.stage import Stage

_SAMPLE_SECONDS: Final = 1.0
_MAX_GROWTH: Final = 10.0
_MIN_SAMPLES: Final = 10
_BEGINNING_SECONDS: Final = 10.0
"""Nothing that takes much memory happens before."""
_OWN_TASKS: Final = {"RequestHandler.start": 2}
"""Connections of the soak's own health probes."""
_KEPT_BY_LEASE: Final = 16
"""aiohttp uses the connection that was idle the longest, and closes one that was idle for 15 s.

So a request a second keeps 15, and one may be under way.
"""
_KEPT_CONTEXTS: Final = 24
"""Two for each of nine namespaces, which are kept for five minutes more, and two without a ca.crt, which all share.

Four more are slack.
"""
_CONTEXTS: Final = "SSLContext"
_MEMORY_LIMIT: Final = 512.0
"""MiB: the limit of the pod in manifests/default."""


class Sampler:
    """Looks at each process once a second, until it is stopped, and has those started anew that need it.

    `failures`: exceptions of the sampler itself; without samples nothing can be judged.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        self.samples: defaultdict[str, list[Use]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_SAMPLE_SECONDS):
                self._look()
        except Exception as error:  # noqa: BLE001 - a fault of the soak's own, which ends it
            self.failures.append(error)

    def _look(self) -> None:
        self._stage.revive()
        for process in self._stage.now_running():
            use = process.use()
            if use is not None:
                self.samples[process.name].append(use)

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """See that it has looked until it was stopped.

        Raises:
            ExceptionGroup: it has not.
        """
        if self.failures:
            raise BaseExceptionGroup("the soak itself has failed", self.failures)


def growth(samples: dict[str, list[Use]], start: float, end: float) -> list[Finding]:
    """Who holds more memory in the last fifth of the run than in its second, and who held too much at any time.

    Growth is that of a process which was there from the beginning, when everything happened that takes the most memory
    (`plan`): one that was started after that takes it later, and once as well. Whoever stood by in the second fifth may
    hold in the last what the leader held then.
    """
    # In a shorter run what takes the most memory may happen for the first time in the last fifth.
    is_long = end - start >= GROWTH_SECONDS
    fifth = (end - start) / 5
    before = {name: _mean(uses, start + fifth, start + 2 * fifth) for name, uses in samples.items()}
    allowed = max(before.values(), default=0.0) + _MAX_GROWTH
    found = []
    for name, uses in samples.items():
        peak = max((max(each.memory, each.peak) for each in uses), default=0.0)
        if peak > _MEMORY_LIMIT:
            found.append(Finding("memory stays under the pod's limit", name, f"{peak:.0f} MiB"))
        late = _mean(uses, end - fifth, end)
        was_there = bool(uses) and uses[0].at < start + _BEGINNING_SECONDS
        if is_long and was_there and before[name] and late > allowed:
            text = f"{before[name]:.1f} MiB, then {late:.1f}"
            invariant = "memory does not grow by more than 10 MiB from the second fifth to the last"
            found.append(Finding(invariant, name, text))
    return found


def _mean(uses: list[Use], since: float, until: float) -> float:
    """The mean of memory in a time; 0 when there is too little to tell."""
    memory = [each.memory for each in uses if since <= each.at < until]
    return sum(memory) / len(memory) if len(memory) >= _MIN_SAMPLES else 0.0


def most(uses: Mapping[str, Use]) -> dict[str, Use]:
    """For each process what any of them holds: whoever stands by at the start of a soak may lead at its end."""
    sockets = max((each.sockets for each in uses.values()), default=0)
    tasks: Counter[str] = Counter()
    for each in uses.values():
        # The larger number of each name.
        tasks |= Counter(each.tasks or {})
    return {
        name: replace(use, sockets=sockets, tasks=None if use.tasks is None else dict(tasks))
        for name, use in uses.items()
    }


def left_behind(process: Process, before: Use, after: Use, *, is_elected: bool) -> list[str]:
    """What a process that is at rest holds more of than it held at rest before it had done anything."""
    found = []
    # The soak's own connection to /healthz may be there or not.
    if after.sockets > before.sockets + 1 + (_KEPT_BY_LEASE if is_elected else 0):
        found.append(f"has {after.sockets} sockets, {before.sockets} at the start: {_connections(process.pid)}")
    if before.tasks is not None and after.tasks is not None:
        known = before.tasks | _OWN_TASKS
        known[_CONTEXTS] = before.tasks.get(_CONTEXTS, 0) + _KEPT_CONTEXTS
        more = {name: number for name, number in after.tasks.items() if number > known.get(name, 0)}
        if more:
            found.append(f"has more tasks or TLS contexts than at the start: {more}")
    return found


def contexts_left(before: Iterable[Use], after: Use) -> list[str]:
    """What a process that was started later holds more of at rest than any did at the start: of TLS contexts only.

    Its tasks and sockets may be those of another topology.
    """
    allowed = _KEPT_CONTEXTS + max(((each.tasks or {}).get(_CONTEXTS, 0) for each in before), default=0)
    number = (after.tasks or {}).get(_CONTEXTS, 0)
    return [f"has {number} TLS contexts, where {allowed} are allowed"] if number > allowed else []


def _connections(pid: int) -> dict[str, int]:
    """How many TCP sockets a process has by state and remote port, as the kernel numbers states: 01 is established."""
    folder, own = Path(f"/proc/{pid}"), set()
    for each in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(str(each.readlink()))
    found: Counter[str] = Counter()
    for table in ("tcp", "tcp6"):
        for line in (folder / "net" / table).read_text().splitlines()[1:]:
            _, _, remote, state, *others = line.split()
            if f"socket:[{others[5]}]" in own:
                found[f"{state} {int(remote.rpartition(':')[2], 16)}"] += 1
    return dict(found)
