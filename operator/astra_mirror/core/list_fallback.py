"""What a failed request means for the other refs that waited for it: they share its failure, or are polled separately.

A list that fails says nothing about any backup, whatever its status code: the request for a single backup decides. But
a dead server must not cost one failed request per ref.
"""

from enum import Enum

from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import Concerns, Retry


class AfterList(Enum):
    """What to do for the refs of a list that failed."""

    CANARY = "the server, the token, its rights or the list may be at fault: send a canary request for one backup"
    AVOID_LIST = "the list is at fault: avoid it for a while, and replan its refs"


class AfterSingle(Enum):
    """What to do for the refs that have waited for the single request of another ref."""

    SHARE = "every other request would fail like this one: it is the failure of each ref"
    ASK_AGAIN = "it says nothing about them, or a circuit breaker or a Retry-After holds them back where necessary"


def after_list(failure: Failed) -> AfterList:
    """What follows when a list was not answered."""
    is_open = _reaches_beyond_the_app(failure) or failure.reason.facts.concerns is Concerns.APP
    return AfterList.CANARY if is_open else AfterList.AVOID_LIST


def after_single(failure: Failed) -> AfterSingle:
    """What to do for the refs that waited for a single request, after its failure."""
    is_held = failure.reason.facts.retry is Retry.PROBE or failure.pause is not None
    is_shared = failure.reason.facts.concerns is Concerns.CONNECTION and not is_held
    return AfterSingle.SHARE if is_shared else AfterSingle.ASK_AGAIN


def explains_list_failure(failure: Failed) -> bool:
    """Whether the failure of the canary request explains that of the list, so that the list is not suspected."""
    return _reaches_beyond_the_app(failure)


def is_refusal(failure: Failed) -> bool:
    """Whether a list failed with a 401, a 403, a 429 or a Retry-After.

    In response to a single GET, these concern the account, the app or the connection.
    """
    facts = failure.reason.facts
    return failure.pause is not None or facts.pauses_connection or facts.opens in {Concerns.ACCOUNT, Concerns.APP}


def _reaches_beyond_the_app(failure: Failed) -> bool:
    return failure.reason.facts.concerns in {Concerns.ACCOUNT, Concerns.CONNECTION}
