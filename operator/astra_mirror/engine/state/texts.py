"""The three statuses of an object: the desired one, the actual one, and the last one that the operator itself wrote.

Stored as JSON bytes, a tenth of the size of parsed objects. Statuses known to be equal share one bytes object, so `is`
compares them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

_NONE: Final = b"{}"
_MAX_UNCONFIRMED: Final = 4
"""Each of them was made for the version before it, so that at most one can have been stored."""


class Texts(NamedTuple):
    """The statuses of one version of an object.

    Attributes:
        resource_version: the version that `actual_status` belongs to.
        seen_at: when the API server sent that version, in monotonic seconds.
        actual_status: what the API server holds, whoever wrote it.
        written_status: the operator's own last status, whatever anybody else has written since.
        desired_status: what the status should be; its transition times are set when it is written.
        unconfirmed_statuses: statuses that were sent without a response that says whether they were stored.
    """

    resource_version: str
    seen_at: float
    actual_status: bytes
    written_status: bytes
    desired_status: bytes = _NONE
    unconfirmed_statuses: tuple[bytes, ...] = ()

    @property
    def are_in_sync(self) -> bool:
        """Whether the actual status is known to be the desired one."""
        return self.desired_status is self.actual_status

    @property
    def is_correction(self) -> bool:
        """Whether the last written status is the desired one, so that somebody else has changed the actual one."""
        return self.desired_status is self.written_status


def found(body: Mapping[str, Any], now: float, *, is_own: bool) -> Texts:
    """The statuses of an object that is seen for the first time, or whose actual status is adopted.

    Args:
        body: the object.
        now: the time, in monotonic seconds.
        is_own: whether an operator can have written its status.
    """
    actual = status_json(body.get("status"))
    return Texts(body["metadata"]["resourceVersion"], now, actual, actual if is_own else _NONE)


def seen(texts: Texts, body: Mapping[str, Any], now: float) -> Texts:
    """Another version of the object has been seen. An unchanged actual status stays the same instance."""
    version, status = body["metadata"]["resourceVersion"], body.get("status")
    actual = status_json(status)
    if any(from_json(each) == status for each in texts.unconfirmed_statuses):
        # The API server did store this write.
        return texts._replace(
            resource_version=version,
            seen_at=now,
            actual_status=actual,
            written_status=actual,
            unconfirmed_statuses=(),
        )
    return texts._replace(
        resource_version=version,
        seen_at=now,
        actual_status=texts.actual_status if actual == texts.actual_status else actual,
    )


def desiring(texts: Texts, status: bytes) -> Texts:
    """Set the desired status."""
    return texts._replace(desired_status=status)


def in_sync(texts: Texts) -> Texts:
    """The statuses are equal: all three share one instance."""
    actual = texts.actual_status
    return texts._replace(desired_status=actual, written_status=actual)


def not_worth_a_write(texts: Texts) -> Texts:
    """The difference is not worth a write of its own."""
    return texts._replace(written_status=texts.actual_status)


def correcting(texts: Texts) -> Texts:
    """The last written status is the desired one."""
    return texts._replace(desired_status=texts.written_status)


def rewriting(texts: Texts, status: Mapping[str, Any]) -> Texts:
    """Set the last written status and the desired one."""
    text = status_json(status)
    return texts._replace(desired_status=text, written_status=text)


def written(texts: Texts, *, sent: bytes, desired: bytes) -> Texts:
    """A write was accepted.

    Args:
        texts: the statuses as they are now.
        sent: what the API server stored, or what it was sent if it stored something else.
        desired: the desired status from which the patch was computed. If it has changed since, the new one stays.
    """
    is_still_desired = texts.desired_status is desired
    return texts._replace(
        written_status=sent,
        desired_status=sent if is_still_desired else texts.desired_status,
        unconfirmed_statuses=(),
    )


def unconfirmed(texts: Texts, sent: Mapping[str, Any]) -> Texts:
    """This status was sent, and it is not known whether the API server has stored it, or will."""
    text = status_json(sent)
    others = tuple(each for each in texts.unconfirmed_statuses if each != text)
    return texts._replace(unconfirmed_statuses=(*others, text)[-_MAX_UNCONFIRMED:])


def status_json(status: object) -> bytes:
    """A status as JSON bytes; an empty object if it is not an object."""
    status = status if isinstance(status, Mapping) else {}
    return to_json(status)


def is_newer(version: str, than: str) -> bool:
    """Whether the resourceVersion `version` is later than the other.

    They are comparable as integers by the API's own rule since Kubernetes 1.35; a version that is no integer counts as
    later.
    """
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
