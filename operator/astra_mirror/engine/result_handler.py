"""What becomes of an answer, or of the lack of one: the ref's next status, and the time of its next poll."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from astra_mirror.core.outcome import Answer, Failed, NotFound, Observed, Outcome, SyncReason, Unchanged
from astra_mirror.core.progress import next_sample
from astra_mirror.core.schedule import Pace, after_failure, backoff, jittered, stale_after
from astra_mirror.engine.desired_status import DesiredStatus, Tell, are_remote
from astra_mirror.engine.index import Refs
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import Round, Secrets, connection_of
from astra_mirror.observability.metrics import OBSERVATIONS


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance: monotonic seconds, UTC, and draws from 0 to 1."""

    monotonic: Callable[[], float]
    utcnow: Callable[[], datetime]
    draw: Callable[[], float]


class Reconciler:
    """Reconciles each ref with what is known of its backup.

    Args:
        refs: all refs; what concerns another one is ignored.
        secrets: where connections come from.
        clocks: time and chance.
        pace: the administrator's intervals.
        poll_at: called with a ref, and when it is to be looked at again.
        write: called with each ref whose desired status may differ from the actual one.
        tell: called with what is worth an Event.
    """

    def __init__(
        self,
        *,
        refs: Refs,
        secrets: Secrets,
        clocks: Clocks,
        pace: Pace,
        poll_at: Callable[[Ref, float], None],
        write: Callable[[Ref], None],
        tell: Tell,
    ) -> None:
        self._refs = refs
        self._secrets = secrets
        self._clocks = clocks
        self._pace = pace
        self._poll_at = poll_at
        self._desired = DesiredStatus(utcnow=clocks.utcnow, pace=pace, write=write, tell=tell)

    def poll_soon(self, ref: Ref) -> None:
        """Let its next poll be now, because something has changed."""
        ref.asked = ref.next_poll = ref.poll_from = self._clocks.monotonic()
        # Somebody waits for what is said next, also when only the words differ.
        ref.digest = ref.words_at = None
        self._poll_at(ref, ref.next_poll)

    def poll_requested(self, ref: Ref) -> None:
        """Let its next poll be now, because somebody asks for it: a few times a minute, and later ones at a pace."""
        now = self._clocks.monotonic()
        if ref.throttle.last <= now:
            at, ref.throttle = ref.throttle.grant(now)
        else:
            # Another wish waits already: one poll is for both.
            at = ref.throttle.last
        is_pending = ref.asked > ref.read_at
        ref.poll_from = min(ref.poll_from, at) if is_pending else at
        ref.asked, ref.digest, ref.words_at = now, None, None
        ref.next_poll = min(ref.next_poll, at)
        self._poll_at(ref, ref.next_poll)

    def answered(self, ref: Ref, answer: Answer, round_: Round) -> None:
        """A poll has ended."""
        if self._refs.get(ref.uid) is not ref:
            return
        now = self._clocks.monotonic()
        outdated = ref.asked > round_.started
        if not self._is_current(ref, round_):
            self.poll_soon(ref)
            return
        ref.read_at = round_.started
        OBSERVATIONS.labels(answer.reason if isinstance(answer, Failed) else SyncReason.OBSERVED).inc()
        if isinstance(answer, Unchanged):
            ref.fresh_at = now
        else:
            self._take(ref, answer, now, ref.requested_at if not outdated else None)
            if not outdated and ref.words_at is None and are_remote(answer):
                # Somebody waited for these words, and they were the same as before: the next ones are no news again.
                ref.words_at = now
        if outdated:
            # Also an answer that is the same again has to be looked at: it says that the request was handled.
            ref.digest, ref.next_poll = None, max(now, ref.poll_from)
        elif ref.failure is not None:
            ended = now - round_.started
            ref.next_poll = round_.started + after_failure(ref.failure, ref.interval, ref.failures, round_.draw, ended)
        else:
            ref.next_poll = round_.started + jittered(ref.interval, round_.draw)
        self._schedule(ref, now)

    def _take(self, ref: Ref, outcome: Outcome, now: float, handled: str | None) -> None:
        ref.failure = outcome if isinstance(outcome, Failed) else None
        ref.failures = ref.failures + 1 if ref.failure else 0
        if not ref.failure:
            ref.fresh_at = now
            ref.is_of_app = not isinstance(outcome, NotFound)
        # The rate is taken against the old sample, which is replaced only then.
        self._desired.update(ref, outcome, now, handled)
        ref.digest = ref.body = None
        if isinstance(outcome, Observed):
            ref.sample = next_sample(ref.sample, outcome.backup.bytes_done, now)
            ref.digest = outcome.digest

    def held(self, ref: Ref, failure: Failed, round_: Round) -> None:
        """A breaker or a pause holds this ref's request back, since the start of that round."""
        if self._refs.get(ref.uid) is not ref or not self._is_current(ref, round_):
            return
        now = self._clocks.monotonic()
        # Who was refused goes on showing the server's words, unless they are about an older Secret.
        is_same = ref.failure is not None and ref.failure.reason is failure.reason
        is_known = is_same and ref.secret_at is None
        if not is_known:
            ref.failure, ref.digest = failure, None
        if not is_known or ref.wanted != ref.cluster or ref.is_stale != self._desired.is_stale(ref, now):
            self._desired.update(ref, ref.failure, now)
        self._schedule(ref, now)

    def _is_current(self, ref: Ref, round_: Round) -> bool:
        """Whether the ref is polled as it was when the request of `round_` was made: not suspended, same connection."""
        return not ref.spec.suspend and connection_of(ref, self._secrets) == round_.connection

    def broken(self, ref: Ref) -> None:
        """This ref's answer was lost by a defect of the operator: try again later, as after any failure."""
        if self._refs.get(ref.uid) is ref:
            ref.failures += 1
            now = self._clocks.monotonic()
            ref.next_poll = now + backoff(ref.interval, ref.failures, self._clocks.draw())
            self._poll_at(ref, ref.next_poll)

    def slow(self, ref: Ref) -> None:
        """No answer has come for a while: a ref that has no status yet gets one that says so."""
        if self._refs.get(ref.uid) is ref and not ref.is_observed and not ref.has_status:
            self.settle(ref, self._clocks.monotonic())

    def nothing_yet(self, ref: Ref) -> None:
        """Say that no answer has come yet, whatever it is that the ref waits for."""
        if not ref.has_status and not ref.is_observed and not ref.spec.suspend:
            self._desired.update(ref, ref.failure, self._clocks.monotonic())

    def unreadable(self, ref: Ref) -> None:
        """Say why the spec cannot be read."""
        self._desired.update(ref, ref.failure, self._clocks.monotonic())

    def settle(self, ref: Ref, now: float) -> None:
        """Bring the status up to date without a poll: it grew stale, was suspended, or waits for a slow answer."""
        if ref.spec.suspend or ref.failure is not None or not ref.is_observed:
            self._desired.update(ref, ref.failure, now)
        if not ref.spec.suspend:
            self._schedule(ref, now)

    def _schedule(self, ref: Ref, now: float) -> None:
        # The end of a poll that is under way sets the next one's time.
        due = ref.next_poll if ref.reading is None else math.inf
        stale_at = ref.fresh_at + stale_after(ref.interval, self._pace)
        if ref.failure is not None and stale_at > now:
            due = min(due, stale_at)
        if ref.is_grace:
            due = min(due, ref.grown_at)
        if due < math.inf:
            self._poll_at(ref, due)
