"""What has to be written of one object now, and what the answer to a write means. All of it functions of values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from astra_mirror.core.diff import Difference, difference, with_earlier_times
from astra_mirror.core.messages import Shown
from astra_mirror.engine.state import texts
from astra_mirror.engine.state.texts import Texts


@dataclass(frozen=True, slots=True)
class Nothing:
    """The actual status is the desired one."""

    texts: Texts


@dataclass(frozen=True, slots=True)
class Write:
    """This patch leads to the desired status."""

    texts: Texts
    difference: Difference


@dataclass(frozen=True, slots=True)
class Correction:
    """Somebody else has changed the status, and this patch puts it right."""

    texts: Texts
    difference: Difference


def compared(known: Texts, shown: tuple[Shown, ...], utcnow: datetime) -> Nothing | Write | Correction:
    """What the difference between the desired status and the actual one is.

    Args:
        known: the statuses.
        shown: the texts in the desired one that have a correlation ID.
        utcnow: the time of transitions that are written now.
    """
    own = from_json(known.written_status)
    actual = own if known.actual_status is known.written_status else from_json(known.actual_status)
    desired = own if known.is_correction else from_json(known.desired_status)
    found = difference(desired, own, actual, utcnow, shown)
    if not found.patch:
        # A target that an older release has not written is worth no write of its own, and is kept in mind.
        is_complete = "target" in actual or "target" not in desired
        return Nothing(texts.in_sync(known) if is_complete else texts.not_worth_a_write(known))
    if not found.is_correction:
        return Write(known, found)
    if "target" in found.status and "target" not in own:
        # It comes with the next write.
        return Correction(texts.rewriting(known, {**own, "target": found.status["target"]}), found)
    return Correction(texts.correcting(known), found)


def agreeing(known: Texts, utcnow: datetime) -> Nothing | Correction:
    """A correction that takes over earlier transition times of the actual status.

    Nobody slips so often: it may be another operator, which has seen the same transitions earlier.
    """
    actual = from_json(known.actual_status)
    own = with_earlier_times(from_json(known.written_status), actual)
    found = difference(own, own, actual, utcnow)
    if not found.patch:
        return Nothing(texts.in_sync(known))
    return Correction(texts.rewriting(known, own), found)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A write was accepted. `stored` is what the API server holds of it; `is_exact`: the very status that was sent."""

    texts: Texts
    stored: bytes
    is_exact: bool


def accepted(known: Texts, body: Mapping[str, Any], *, sent: Mapping[str, Any], desired: bytes) -> Accepted:
    """What the answer to a write means, after the object in it was taken in.

    Args:
        known: the statuses as they are now.
        body: the object that the API server returned.
        sent: the status that it should have.
        desired: the desired status for which the write was made.
    """
    # The watch may have been faster, with what somebody else has written after this.
    is_latest = known.resource_version == body["metadata"]["resourceVersion"]
    stored = known.actual_status if is_latest else texts.status_json(body.get("status"))
    is_exact = body.get("status") == sent
    own = stored if is_exact else texts.status_json(sent)
    return Accepted(texts.written(known, sent=own, desired=desired), stored, is_exact)
