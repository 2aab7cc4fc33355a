"""What the operators hold while a soak runs, and what they must not hold more of at its end."""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dev.soak.findings import Finding
from dev.soak.process import Process, Use
from dev.soak.stage import Stage

_SAMPLE_SECONDS: Final = 1.0
_MAX_GROWTH: Final = 10.0
_MIN_SAMPLES: Final = 10
_OWN_TASKS: Final = {"RequestHandler.start": 2}
"""Whoever asks at /healthz is the soak itself."""
_MEMORY_LIMIT: Final = 512.0
"""MiB: the limit of the pod in manifests/default."""


class Sampler:
    """Looks at each process once a second, until it is stopped, and has those started anew that need it.

    `failures` are the soak's own: whoever is not looked at any more cannot be judged.
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
    """Who holds more memory in the last fifth of the run than in its second, and who held too much at any time."""
    fifth = (end - start) / 5
    found = []
    for name, uses in samples.items():
        early = [each.memory for each in uses if start + fifth <= each.at < start + 2 * fifth]
        late = [each.memory for each in uses if end - fifth <= each.at < end]
        peak = max((each.memory for each in uses), default=0.0)
        if peak > _MEMORY_LIMIT:
            found.append(Finding("memory stays under the pod's limit", name, f"{peak:.0f} MiB"))
        if min(len(early), len(late)) < _MIN_SAMPLES:
            continue
        grown = min(late) - max(early)
        mean = sum(late) / len(late) - sum(early) / len(early)
        if mean > _MAX_GROWTH:
            text = f"{sum(early) / len(early):.1f} MiB, then {sum(late) / len(late):.1f} (at least {grown:+.1f})"
            found.append(
                Finding("memory does not grow by more than 10 MiB from the second fifth to the last", name, text)
            )
    return found


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


def left_behind(process: Process, before: Use, after: Use) -> list[str]:
    """What a process that is at rest holds more of than it held at rest before it had done anything."""
    found = []
    # The soak's own connection to /healthz may be there or not.
    if after.sockets > before.sockets + 1:
        found.append(f"{after.sockets} sockets, {before.sockets} at the start")
    if before.tasks is not None and after.tasks is not None:
        known = before.tasks | _OWN_TASKS
        more = {name: number for name, number in after.tasks.items() if number > known.get(name, 0)}
        if more:
            found.append(f"more tasks than at the start: {more}")
    return [f"{process.name} has {each}" for each in found]
