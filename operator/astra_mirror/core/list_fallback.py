"""What a failed request means for the other refs that waited for it: they share its failure, or are polled separately.

A list that fails says nothing about any backup, whatever its status code: the request for a single backup decides. But
a dead server must not cost one failed request per ref.
"""

from enum import Enum

from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import Concerns, Retry


class AfterList(Enum):
    """What to do for the refs of a list that failed."""

    CANARY = "the server, the token or the list may be at fault: send a canary request for one backup"
    AVOID_LIST = "the list is at fault: avoid it for a while, and replan its refs"


class AfterSingle(Enum):
    """What to do for the refs that have waited for another ref's request."""

    SHARE = "every other request would fail like this one: it is the failure of each ref"
    ASK_AGAIN = "it says nothing of them, or a circuit breaker knows: it holds them back where it must"


def after_list(failure: Failed) -> AfterList:
    """What follows when a list was not answered."""
    return AfterList.CANARY if _reaches_beyond_the_app(failure) else AfterList.AVOID_LIST


def after_single(failure: Failed) -> AfterSingle:
    """What follows for those who waited behind a single request that failed."""
    is_held = failure.reason.facts.retry is Retry.PROBE or failure.pause is not None
    is_shared = failure.reason.facts.concerns is Concerns.CONNECTION and not is_held
    return AfterSingle.SHARE if is_shared else AfterSingle.ASK_AGAIN


def acquits_list(failure: Failed) -> bool:
    """Whether this end of a single request says that the list before it failed for a reason that it shares."""
    return _reaches_beyond_the_app(failure)


def is_refusal(failure: Failed) -> bool:
    """Whether a list was refused by a status code or a Retry-After that would hold for any request but for the list."""
    facts = failure.reason.facts
    return failure.pause is not None or facts.pauses_connection or facts.opens is Concerns.ACCOUNT


def _reaches_beyond_the_app(failure: Failed) -> bool:
    return failure.reason.facts.concerns in {Concerns.ACCOUNT, Concerns.CONNECTION}
