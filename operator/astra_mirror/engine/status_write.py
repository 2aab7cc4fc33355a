"""What must be written for one object now, and what the response to a write means. Pure functions."""

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
    """The desired status has changed: this patch writes it."""

    texts: Texts
    difference: Difference


@dataclass(frozen=True, slots=True)
class Correction:
    """Somebody else has changed the actual status: this patch undoes the change."""

    texts: Texts
    difference: Difference


def compared(known: Texts, shown: tuple[Shown, ...], utcnow: datetime) -> Nothing | Write | Correction:
    """Compare the desired status with the actual one and with the last written one.

    Args:
        known: the statuses.
        shown: the texts in the desired status that contain a correlation ID.
        utcnow: the time of transitions that are written now.
    """
    own = from_json(known.written_status)
    actual = own if known.actual_status is known.written_status else from_json(known.actual_status)
    desired = own if known.is_correction else from_json(known.desired_status)
    sent = [from_json(each) for each in reversed(known.unconfirmed_statuses)]
    found = difference(desired, own, actual, utcnow, shown, sent)
    if not found.patch:
        # Statuses of older releases lack `target`. That alone is no reason to write; it is added with the next patch.
        is_complete = "target" in actual or "target" not in desired
        return Nothing(texts.in_sync(known) if is_complete else texts.not_worth_a_write(known))
    if not found.is_correction:
        return Write(known, found)
    if "target" in found.status and "target" not in own:
        # The written status of an older release lacks `target`: this patch adds it.
        return Correction(texts.rewriting(known, {**own, "target": found.status["target"]}), found)
    return Correction(texts.correcting(known), found)


def agreeing(known: Texts, utcnow: datetime) -> Nothing | Correction:
    """A correction that adopts earlier transition times of the actual status.

    Repeated changes suggest a second operator that saw the same transitions earlier.
    """
    actual = from_json(known.actual_status)
    own = with_earlier_times(from_json(known.written_status), actual)
    found = difference(own, own, actual, utcnow)
    if not found.patch:
        return Nothing(texts.in_sync(known))
    return Correction(texts.rewriting(known, own), found)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A write was accepted. `stored` is the status that the API server stored; `is_exact`: the one that was sent."""

    texts: Texts
    stored: bytes
    is_exact: bool


def accepted(known: Texts, body: Mapping[str, Any], *, sent: Mapping[str, Any], desired: bytes) -> Accepted:
    """What the response to a write means, after `echo.own_answer` has taken it in.

    Args:
        known: the statuses as they are now.
        body: the object that the API server returned.
        sent: the status that it should have.
        desired: the desired status from which the patch was computed.
    """
    # A watch event with a later version, written by somebody else, may have arrived first.
    is_latest = known.resource_version == body["metadata"]["resourceVersion"]
    stored = known.actual_status if is_latest else texts.status_json(body.get("status"))
    is_exact = body.get("status") == sent
    own = stored if is_exact else texts.status_json(sent)
    return Accepted(texts.written(known, sent=own, desired=desired), stored, is_exact)
