"""Chooses the object whose request is the probe of a circuit breaker, or the canary of an account."""

from collections.abc import Sequence

from astra_mirror.core.connection import Connection
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import ListRequest, Request, SingleRequest
from astra_mirror.engine.state.tracked import Tracked


def probe_for(request: Request, objects: Objects) -> Request | None:
    """Move one object from a held request to a single request of its own; None if no suitable object waits.

    An object that was observed before is preferred. The probe of a list is a single request too, because a list may
    fail for reasons of its own.
    """
    for each in objects.waiting(request):
        if not each.desire.is_polled:
            objects.in_flight.release(each.uid)
    waiting = objects.waiting(request)
    candidates = _candidates(request, objects.alone(waiting))
    if not candidates:
        return None
    chosen = next((each for each in candidates if each.reported.is_observed), candidates[0])
    probe = SingleRequest(
        connection=request.connection,
        about=chosen.identity,
        due=request.due,
        urgency=request.urgency,
        draw=request.draw,
        is_fallback=True,
        is_observed=chosen.reported.is_observed,
        document=chosen.spec.document,
    )
    objects.in_flight.wait(chosen.uid, probe)
    return probe


def _candidates(request: Request, waiting: Sequence[Tracked]) -> Sequence[Tracked]:
    """The objects under the request's breaker: those of the same app if there are any, else of the same account."""
    if isinstance(request, ListRequest):
        return waiting
    document = request.document
    same_account = [each for each in waiting if each.spec.account_id == document.account_id]
    same_app = [each for each in same_account if each.spec.app_id == document.app_id]
    return same_app or same_account


def canary_for(account: str, connection: Connection, objects: Objects, moment: Moment) -> SingleRequest | None:
    """A request for the object of that account that succeeded last; None if the account has none to poll alone."""
    alone = objects.alone(objects.index.of_account(account))
    usable = (each for each in alone if objects.is_current(connection, each))
    chosen = max(usable, key=_succeeded_last, default=None)
    return None if chosen is None else objects.request_for(connection, chosen, due=moment.at, draw=moment.draw)


def _succeeded_last(tracked: Tracked) -> tuple[bool, float, str]:
    has_succeeded = tracked.polling.last_failure is None and tracked.reported.is_observed
    return (has_succeeded, tracked.polling.last_success_at, tracked.uid)
