"""The three statuses of an object: the desired one, the actual one, and the last one that the operator itself wrote.

They are kept as the JSON text that they are on the wire, which has a tenth of the size of the same as objects. Where
two of them say the same they are one and the same value, so that a comparison of pointers tells, and one text is kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

_NONE: Final = b"{}"


@dataclass(frozen=True, slots=True)
class Texts:
    """The statuses of one version of an object.

    Attributes:
        resource_version: the version that `actual_status` belongs to.
        actual_status: what the API server holds, whoever wrote it.
        written_status: the operator's own last status, whatever anybody else has written since.
        desired_status: what the status should be; its transition times are settled when it is written.
    """

    resource_version: str
    actual_status: bytes
    written_status: bytes
    desired_status: bytes = _NONE

    @property
    def are_in_sync(self) -> bool:
        """Whether the actual status is known to be the desired one."""
        return self.desired_status is self.actual_status

    @property
    def is_correction(self) -> bool:
        """Whether the operator's own last status says what is desired: somebody else has changed the actual one."""
        return self.desired_status is self.written_status


def found(body: Mapping[str, Any], *, is_own: bool) -> Texts:
    """The statuses of an object of which nothing else is known.

    Args:
        body: the object.
        is_own: whether an operator can have written its status.
    """
    actual = status_json(body.get("status"))
    return Texts(body["metadata"]["resourceVersion"], actual, actual if is_own else _NONE)


def seen(texts: Texts, body: Mapping[str, Any]) -> Texts:
    """Another version of the object has been seen. A status that stays the same stays the same value."""
    actual = status_json(body.get("status"))
    return replace(
        texts,
        resource_version=body["metadata"]["resourceVersion"],
        actual_status=texts.actual_status if actual == texts.actual_status else actual,
    )


def desiring(texts: Texts, status: bytes) -> Texts:
    """The status should be this."""
    return replace(texts, desired_status=status)


def in_sync(texts: Texts) -> Texts:
    """Nothing has to be written: one text does for all three."""
    actual = texts.actual_status
    return replace(texts, desired_status=actual, written_status=actual)


def not_worth_a_write(texts: Texts) -> Texts:
    """What differs is not worth a write of its own."""
    return replace(texts, written_status=texts.actual_status)


def correcting(texts: Texts) -> Texts:
    """The operator's own last status says what is desired."""
    return replace(texts, desired_status=texts.written_status)


def rewriting(texts: Texts, status: Mapping[str, Any]) -> Texts:
    """The operator's own last status, and the desired one, are this from now on."""
    text = status_json(status)
    return replace(texts, desired_status=text, written_status=text)


def written(texts: Texts, *, sent: bytes, desired: bytes) -> Texts:
    """A write was accepted.

    Args:
        texts: the statuses as they are now.
        sent: what the API server holds, or was sent where it stores something else.
        desired: the desired status for which the write was made. It may have moved since: then it stays.
    """
    is_still_desired = texts.desired_status is desired
    return replace(texts, written_status=sent, desired_status=sent if is_still_desired else texts.desired_status)


def status_json(status: object) -> bytes:
    """A status as JSON text; an empty one where it is no object."""
    status = status if isinstance(status, Mapping) else {}
    return json.dumps(status, separators=(",", ":"), ensure_ascii=False).encode()


def is_newer(version: str, than: str) -> bool:
    """Whether the resourceVersion `version` is later than the other.

    They are comparable as integers by the API's own rule since Kubernetes 1.35; what is no integer is taken as newer.
    """
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
