"""What is handed out to many objects: an answer, a failure that they share, why a request is not made.

A hand-out names the answer and not the objects. It is made lazily, in time slices; each object is looked at anew when
its turn comes, and what follows for it is a function of what it is then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.list_fallback import AfterSingle, after_single
from astra_mirror.core.outcome import Answer, Failed, Listed
from astra_mirror.core.reasons import Concerns, Retry
from astra_mirror.core.request_plan import AVOID_SECONDS
from astra_mirror.core.schedule import Pace
from astra_mirror.engine import result_handler
from astra_mirror.engine.effects import AskAlone, AvoidList, LearnList, Replan, RequestEffect, Step, StopWaiting, Submit
from astra_mirror.engine.fan_out import is_news, is_served, named_by
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import ListRequest, Request, Round, SingleRequest
from astra_mirror.engine.state import cache
from astra_mirror.engine.state.tracked import Tracked

_NOTHING: Final[Sequence[RequestEffect]] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What a hand-out looks at when the turn of an object comes.

    Attributes:
        objects: all objects, and the requests that they wait for.
        moment: now.
        pace: the administrator's intervals.
    """

    objects: Objects
    moment: Moment
    pace: Pace


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """The answer to a list, for all objects that are in it."""

    request: ListRequest
    answer: Listed
    round: Round

    def uids(self, objects: Objects) -> Iterable[str]:
        """All whose backup the list may contain."""
        return [each.uid for each in named_by(self.request, objects)]

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Hand the object its item; one that is not there, or is malformed, sends it to the single request."""
        # Meanwhile it may have found something better to wait for.
        if not is_served(self.request, tracked, view.objects):
            return None
        has_waited = view.objects.waits_for(tracked.uid, self.request)
        found = self.answer.found.get(tracked.spec.backup_id)
        if found is None:
            return self._missing(tracked, view) if has_waited else None
        if not has_waited and not is_news(tracked, found, self.answer, self.round.started):
            return None
        step = handed(tracked, found, self.round, view)
        if step.tracked.cache.document_digest is None:
            return step
        in_list = cache.found_in_list(step.tracked.cache, self.answer.digest)
        return Step(step.tracked.but(cache=in_list), step.effects)

    def _missing(self, tracked: Tracked, view: View) -> Step | None:
        # Unless it names another backup only now.
        if tracked.polling.poll_requested_at > self.round.started:
            return None
        return Step(tracked.but(cache=cache.missing_in_list(tracked.cache, view.moment.at + AVOID_SECONDS)))

    def ended(self, view: View) -> Sequence[RequestEffect]:
        """Those that still wait are asked for one by one."""
        request, connection = self.request, self.request.connection
        effects: list[RequestEffect] = [
            Submit(view.objects.request_for(connection, each, due=request.due, draw=request.draw))
            for each in view.objects.waiting(request)
        ]
        return effects

    def learned(self) -> Sequence[RequestEffect]:
        """What the answer says of the list itself."""
        connection, collection = self.request.connection, self.request.collection
        learned = LearnList(connection, collection, self.answer.size)
        return (learned,) if self.answer.complete else (learned, AvoidList(connection, collection))


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """The answer to a single request: for its object alone, or a failure that all share who wait for it."""

    request: SingleRequest
    answer: Answer
    round: Round

    def uids(self, objects: Objects) -> Iterable[str]:
        """The object that it was made for, or all that wait for it."""
        failure = self.answer
        if isinstance(failure, Failed) and after_single(failure) is AfterSingle.SHARE:
            return objects.in_flight.waiting(self.request)
        return [self.request.uid]

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Hand the object the answer."""
        if not view.objects.waits_for(tracked.uid, self.request):
            return None
        return handed(tracked, self.answer, self.round, view)

    def ended(self, view: View) -> Sequence[RequestEffect]:
        """Plan anew for those that waited behind it; after a refusal, let the object wait for the next probe."""
        request = self.request
        uids = tuple(view.objects.in_flight.waiting(request))
        replan = (Replan(request.connection, uids, request.due),) if uids else ()
        failure = self.answer if isinstance(self.answer, Failed) else None
        if failure is None or failure.pause is not None or failure.reason.facts.retry is not Retry.PROBE:
            return replan
        return (*replan, AskAlone(request.connection, request.uid))


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why a request is not made, for all objects that wait for it. They go on waiting."""

    request: Request
    failure: Failed
    since: float

    def uids(self, objects: Objects) -> Iterable[str]:
        """All that wait."""
        return objects.in_flight.waiting(self.request)

    def unconcerned(self, objects: Objects) -> tuple[str, ...]:
        """The objects that wait behind another one's request, and whom this failure does not concern."""
        if isinstance(self.request, ListRequest):
            return ()
        document, concerns = self.request.document, self.failure.reason.facts.concerns
        return tuple(
            each.uid
            for each in objects.waiting(self.request)
            if (concerns in {Concerns.APP, Concerns.ACCOUNT} and each.spec.account_id != document.account_id)
            or (concerns is Concerns.APP and each.spec.app_id != document.app_id)
        )

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Show the failure."""
        is_current = view.objects.is_current(self.request.connection, tracked)
        if not is_current or not view.objects.waits_for(tracked.uid, self.request):
            return None
        return result_handler.held_back(tracked, self.failure, view.moment, view.pace)

    def ended(self, _: View) -> Sequence[RequestEffect]:
        """Nothing follows: they go on waiting."""
        return _NOTHING


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """That no answer to a request has come for a while, for all objects that wait for it."""

    request: Request

    def uids(self, objects: Objects) -> Iterable[str]:
        """All that wait."""
        return objects.in_flight.waiting(self.request)

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Let one of which nothing is known say so."""
        if not view.objects.waits_for(tracked.uid, self.request):
            return None
        return result_handler.no_answer_yet(tracked, view.moment, view.pace, is_waiting=True)

    def ended(self, _: View) -> Sequence[RequestEffect]:
        """Nothing follows: they go on waiting."""
        return _NOTHING


HandOut = ListAnswer | SingleAnswer | HeldBack | NotAnswered
"""What has a `request`, the `uids` of those whom it may concern, a `step` for each, and what is `ended` then."""


def handed(tracked: Tracked, answer: Answer, round_: Round, view: View) -> Step:
    """The object is handed an answer, and waits no longer. What is not polled so any more is polled anew."""
    if view.objects.is_current(round_.connection, tracked):
        step = result_handler.answered(tracked, answer, round_, view.moment, view.pace)
    else:
        step = result_handler.poll_soon(tracked, view.moment.at)
    return Step(step.tracked, (*step.effects, StopWaiting(tracked.uid)))
