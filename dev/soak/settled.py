"""After the faults: waits until everything is as it has to be, and sees that it stays so."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from dev.soak import conditions
from dev.soak.client import REFS, ref_path
from dev.soak.doing import tenant
from dev.soak.doing.users import until_gone
from dev.soak.findings import Finding
from dev.soak.history import History, Version
from dev.soak.people import NAMESPACES, STILL
from dev.soak.procfs import Use
from dev.soak.quiet import restless
from dev.soak.resources import contexts_left, left_behind
from dev.soak.stage import Stage
from dev.soak.truth import Oracle, World
from dev.soak.writes import STATUS_PATH, name_in

_LOOK_SECONDS: Final = 0.5
_NATURAL_SECONDS: Final = 75.0
"""What recovers by itself has recovered by then; but for a backoff, which is anything up to fifteen minutes.

With full jitter a ref may have failed once for each of its intervals, and so the longest delay that the contract
permits is soon longer than any run can wait for. Whether a ref that is nudged would have been polled in the end cannot
be told; that each one is polled on afterwards is judged by `Promises.polled`.
"""
_BOUND_SECONDS: Final = 240.0
"""A ref that is nudged may wait a minute for a probe, and its status another minute for a correction.

The rest is slack.
"""
QUIET_SECONDS: Final = 12.0
ROUND_SECONDS: Final = 65.0
"""For one whole round of probes, one of which goes in a minute."""
_SAY_SECONDS: Final = 20.0
_GRACE_SECONDS: Final = 2.0
_RIVALS_SECONDS: Final = 240.0
"""For so long two that write may take until they agree: each corrects the other a few times, ever later."""
_RECHECK_SECONDS: Final = 5.0
_RIVALS_RECHECK_SECONDS: Final = 75.0
"""The same for two that write, one of which may wait for a minute before it puts right what the other has written."""
_SHOWN: Final = 6
_REST_SECONDS: Final = 60.0
_BACKED_OFF: Final = conditions.TRANSIENT - {"SecretUnreadable"} | {"InvalidRequest"}
"""Reasons after which Astra Control is asked again with exponential backoff."""
_DISPUTE_SECONDS: Final = 150.0
"""Of two that write, one that still fails has said so within this time: it corrects the other every minute."""


class Settling:
    """The end of a run. `nudged` are refs that had to be asked for, because their backoff was not over yet."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._history = history
        self._oracle = Oracle(stage.astra, stage.seed)
        self.nudged: set[str] = set()
        self.seconds = 0.0

    def until_right(self) -> list[Finding]:
        """Wait until each status is right; the findings are those that are not when the time is over."""
        begun, said = time.monotonic(), 0.0
        while True:
            wrong = self._oracle.judge(World.read(self._stage.client, time.time()))
            self.seconds = time.monotonic() - begun
            if not wrong:
                return []
            if self.seconds > said + _SAY_SECONDS:
                said = self.seconds
                shown = {name: each.texts for name, each in list(wrong.items())[:5]}
                self._stage.log(f"wrong after {said:.0f}s: {shown}")
            if self.seconds > _NATURAL_SECONDS:
                self._nudge(name for name, each in wrong.items() if each.unexpected in _BACKED_OFF)
            if self.seconds > _BOUND_SECONDS:
                return [self._finding(name, each.texts) for name, each in wrong.items()]
            time.sleep(_LOOK_SECONDS)

    def ask_rivals(self) -> None:
        """Have those asked for of which one of two operators may still be backing off, though the other is right."""
        since = time.time() - _DISPUTE_SECONDS
        for versions in self._history.versions().values():
            shown = [each for each, after in zip(versions, [*versions[1:], None], strict=True) if _stood(after, since)]
            reasons = {conditions.by_type(each.status).get("Synced", {}).get("reason") for each in shown}
            if reasons & _BACKED_OFF and not versions[-1].is_last and not versions[-1].object["spec"].get("suspend"):
                self._nudge([versions[-1].name])

    def _nudge(self, names: Iterable[str]) -> None:
        for name in set(names) - self.nudged:
            annotations = {"astra-mirror.io/requestedAt": f"settled-{time.time():.0f}"}
            self._stage.client.call("PATCH", ref_path(*name.split("/")), {"metadata": {"annotations": annotations}})
            self.nudged.add(name)

    def _finding(self, name: str, texts: list[str]) -> Finding:
        known = [each for each in self._history.versions().values() if each[-1].name == name]
        latest = max(known, key=lambda each: each[-1].at, default=[])
        invariant = f"each status is right {_BOUND_SECONDS:g}s after the last fault"
        return Finding(invariant, name, "; ".join(texts), around=tuple(latest[-4:]))

    def until_quiet(self, seconds: float) -> list[Finding]:
        """See that nothing is written for so many seconds while nothing changes."""
        has_rivals = self._stage.topology == "pair"
        # Two that do not know of each other agree after a few corrections, of which each comes later than the last.
        deadline = time.time() + (_RIVALS_SECONDS if has_rivals else 0.0)
        while found := self._restless(seconds, has_rivals=has_rivals):
            if time.time() > deadline:
                return found
        wrong: dict[str, list[str]] = {}

        def is_right() -> bool:
            wrong.clear()
            wrong.update(self._oracle.wrong(World.read(self._stage.client, time.time())))
            return not wrong

        wait_for(is_right, _RIVALS_RECHECK_SECONDS if has_rivals else _RECHECK_SECONDS)
        return [self._finding(name, texts) for name, texts in wrong.items()]

    def _restless(self, seconds: float, *, has_rivals: bool) -> list[Finding]:
        """What is written within so many seconds, though nothing changes."""
        # What was right a moment ago may be on its way to be written by a peer.
        since = time.time() + _GRACE_SECONDS
        time.sleep(since + seconds - time.time())
        patches, lies, found = self._patches(since), self._stage.client.own.versions, []
        for versions in self._history.versions().values():
            name = versions[-1].name
            if text := restless(versions, since, patches[name], lies, has_rivals=has_rivals):
                text, around = f"{text} within {seconds:g}s", tuple(versions[-_SHOWN:])
                found.append(Finding("nothing is written while nothing changes", name, text, since, around))
        return found

    def _patches(self, since: float) -> Counter[str]:
        """By ref, how many writes of its status the operators have asked for since then."""
        requests = [
            each
            for slot in self._stage.slots
            for each in slot.proxy.requests.matching(verb="patch", path=STATUS_PATH)
            if each.at > since
        ]
        return Counter(name_in(each.path) for each in requests)

    def empty(self) -> list[Finding]:
        """Remove all objects, which nobody may hold up."""
        names = [*NAMESPACES, *STILL, tenant.NAMESPACE]
        for name in names:
            self._stage.client.call("DELETE", f"/api/v1/namespaces/{name}")
        for name in names:
            try:
                until_gone(self._stage.client, name)
            except TimeoutError as error:
                return [Finding("the end of a namespace never waits for the operator", name, str(error))]
        items, _ = self._stage.client.list(REFS)
        return [Finding("a deleted ref is gone", str(each["metadata"]["name"]), "is still there") for each in items]

    def until_at_rest(self, before: dict[str, Use]) -> list[Finding]:
        """Wait until the processes hold what they held before anything was there."""
        left: list[tuple[str, str]] = []
        is_elected = self._stage.topology == "elected"

        def is_at_rest() -> bool:
            left.clear()
            for process in self._stage.running.values():
                now = process.use(with_tasks=True)
                if now is None:
                    continue
                if process.name in before:
                    texts = left_behind(process, before[process.name], now, is_elected=is_elected)
                else:
                    texts = contexts_left(before.values(), now)
                left.extend((process.name, text) for text in texts)
            return not left

        wait_for(is_at_rest, _REST_SECONDS)
        self._stage.log(f"at rest: {left or 'as at the start'}")
        return [Finding("sockets and tasks are equal at rest", name, text) for name, text in left]


def _stood(after: Version | None, since: float) -> bool:
    """Whether a version was still there then; `after` is the one that has replaced it."""
    return after is None or after.at > since


def wait_for(holds: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
