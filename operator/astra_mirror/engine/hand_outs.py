"""What is fanned out to many objects: an answer, a shared failure, the reason why a request is held back.

A hand-out refers to the answer and not to the objects. It is expanded lazily, in time slices; each object is read again
when it is processed, and its step is a function of its state at that time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from astra_mirror.core.list_fallback import AfterSingle, after_single
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.reasons import Concerns, Retry
from astra_mirror.core.request_plan import AVOID_SECONDS
from astra_mirror.core.schedule import Pace
from astra_mirror.engine import result_handler
from astra_mirror.engine.effects import AskAlone, AvoidList, LearnList, Replan, RequestEffect, Step, StopWaiting, Submit
from astra_mirror.engine.fan_out import is_covered, is_news, named_by
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import ListRequest, Poll, Request, SingleRequest
from astra_mirror.engine.state import cache
from astra_mirror.engine.state.tracked import Tracked

_NOTHING: Final[Sequence[RequestEffect]] = ()
_NOT_COMPLETE: Final = Failed(SyncReason.LIST_INCOMPLETE, "There are more backups than it has, or no such app.")
_NOT_READ: Final = Failed(SyncReason.UNEXPECTED_RESPONSE, "The list of backups was not read as a whole.")


class View(NamedTuple):
    """What a hand-out reads when an object is processed.

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
    """A list response, for all objects that it covers.

    Attributes:
        request: the request.
        answer: the list.
        poll: the poll.
        is_for_all: whether objects that did not wait are looked at as well.
    """

    request: ListRequest
    answer: Listed
    poll: Poll
    is_for_all: bool = True

    def uids(self, objects: Objects) -> Iterable[str]:
        """The objects whose backup the list may contain, or those of them that wait."""
        if not self.is_for_all:
            return objects.in_flight.waiting(self.request)
        return [each.uid for each in named_by(self.request, objects)]

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Apply the object's item. Without a valid item, an object that waits falls back to a single GET."""
        has_waited = view.objects.waits_for(tracked.uid, self.request)
        found = self.answer.said_of(tracked.spec.backup_id)
        is_worth_it = found is not None and is_news(tracked, found, self.answer, self.poll.started)
        # In most steps of a quiet list this is all. By now the object may be waiting for another request.
        if not (has_waited or is_worth_it):
            return None
        if not is_covered(self.request, tracked, view.objects, is_waiting=has_waited):
            return None
        return self._missing(tracked, view) if found is None else handed(tracked, found, self.poll, view)

    def _missing(self, tracked: Tracked, view: View) -> Step | None:
        if tracked.spec.reads_list:
            return handed(tracked, _NOT_READ, self.poll, view)
        # After an edit since the request was sent, the list says nothing about the new backup.
        if tracked.polling.poll_requested_at > self.poll.started:
            return None
        return Step(tracked.but(cache=cache.missing_in_list(tracked.cache, view.moment.at + AVOID_SECONDS)))

    def ended(self, view: View) -> Sequence[RequestEffect]:
        """A single GET for each object that still waits; what reads a list itself needs none."""
        request, connection = self.request, self.request.connection
        effects: list[RequestEffect] = [
            Submit(view.objects.request_for(connection, each, due=request.due, draw=request.draw))
            for each in view.objects.alone(view.objects.waiting(request))
        ]
        return effects

    def learned(self) -> Sequence[RequestEffect]:
        """What the answer says about the list itself."""
        connection, collection = self.request.connection, self.request.collection
        learned = LearnList(connection, collection, self.answer.size, self.answer.complete)
        return (learned,) if self.answer.complete else (learned, AvoidList(connection, collection, _NOT_COMPLETE))


@dataclass(frozen=True, slots=True)
class ListFailure:
    """A list that failed, for the objects that read the list itself: no single GET decides for them."""

    request: ListRequest
    failure: Failed
    poll: Poll

    def uids(self, objects: Objects) -> Iterable[str]:
        """The objects that wait for the list, and for nothing less."""
        return [each.uid for each in objects.waiting(self.request) if each.spec.reads_list]

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Apply the failure."""
        if not view.objects.waits_for(tracked.uid, self.request):
            return None
        return handed(tracked, self.failure, self.poll, view)

    def ended(self, _: View) -> Sequence[RequestEffect]:
        """Nothing: single GETs decide for the others, see `list_canaries`."""
        return _NOTHING


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """The answer to a single request: for its own object, or a failure that applies to every object waiting for it."""

    request: SingleRequest
    answer: Answer
    poll: Poll

    def uids(self, objects: Objects) -> Iterable[str]:
        """The object that it was made for, or all that wait for it if they share the failure."""
        failure = self.answer
        if isinstance(failure, Failed) and after_single(failure) is AfterSingle.SHARE:
            return objects.in_flight.waiting(self.request)
        return [self.request.uid]

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Apply the answer."""
        if not view.objects.waits_for(tracked.uid, self.request):
            return None
        return handed(tracked, self.answer, self.poll, view)

    def ended(self, view: View) -> Sequence[RequestEffect]:
        """Replan the objects that still wait. If a breaker opened, the object waits for a request of its own."""
        request = self.request
        uids = tuple(view.objects.in_flight.waiting(request))
        replan = (Replan(request.connection, uids, request.due),) if uids else ()
        failure = self.answer if isinstance(self.answer, Failed) else None
        if failure is None or failure.pause is not None or failure.reason.facts.retry is not Retry.PROBE:
            return replan
        return (*replan, AskAlone(request.connection, request.uid))


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why a request is held back, for all objects that wait for it. They keep waiting."""

    request: Request
    failure: Failed
    since: float

    def uids(self, objects: Objects) -> Iterable[str]:
        """All objects that wait for the request."""
        return objects.in_flight.waiting(self.request)

    def unconcerned(self, objects: Objects) -> tuple[str, ...]:
        """The objects that wait for another object's request, and that this failure does not affect."""
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
        """Report the failure in the object's status."""
        is_current = view.objects.is_current(self.request.connection, tracked)
        if not is_current or not view.objects.waits_for(tracked.uid, self.request):
            return None
        return result_handler.held_back(tracked, self.failure, view.moment, view.pace)

    def ended(self, _: View) -> Sequence[RequestEffect]:
        """Nothing: the objects keep waiting."""
        return _NOTHING


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """No answer to a request has arrived for a while, for all objects that wait for it."""

    request: Request

    def uids(self, objects: Objects) -> Iterable[str]:
        """All objects that wait for the request."""
        return objects.in_flight.waiting(self.request)

    def step(self, tracked: Tracked, view: View) -> Step | None:
        """Give an unobserved object a NotObserved status."""
        if not view.objects.waits_for(tracked.uid, self.request):
            return None
        return result_handler.no_answer_yet(tracked, view.moment, view.pace, is_waiting=True)

    def ended(self, _: View) -> Sequence[RequestEffect]:
        """Nothing: the objects keep waiting."""
        return _NOTHING


HandOut = ListAnswer | ListFailure | SingleAnswer | HeldBack | NotAnswered
"""Each has `request`; `uids`: the objects it may affect; `step` for each of them; `ended`: the effects at the end."""


def handed(tracked: Tracked, answer: Answer, poll: Poll, view: View) -> Step:
    """Apply an answer and stop waiting. If the object is no longer polled over this connection, poll it again."""
    if view.objects.is_current(poll.connection, tracked):
        return result_handler.answered(tracked, answer, poll, view.moment, view.pace)
    step = result_handler.poll_soon(tracked, view.moment.at)
    return Step(step.tracked, (*step.effects, StopWaiting(tracked.uid)))
