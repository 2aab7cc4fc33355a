"""Reads the spec of an object. What the API server has admitted and nobody can read is said in words, not raised."""

from typing import Final

from pydantic import ValidationError

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.resource import AppBackupRefSpec

_MAX_FAULTS: Final = 3


def read_spec(spec: object) -> AppBackupRefSpec | Failed:
    """The spec as a value, or the failure InvalidSpec, which names each field that is wrong.

    Args:
        spec: the object's `spec`, any JSON value.
    """
    try:
        return AppBackupRefSpec.model_validate(spec)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    # The spec is its author's own, but it may be long: nothing of it is repeated but the names of the fields.
    said = "; ".join(
        f"{'.'.join(('spec', *map(str, each['loc'])))}: {_plain(each['msg'])}" for each in faults[:_MAX_FAULTS]
    )
    more = f"; and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
    return Failed(
        SyncReason.INVALID_SPEC, f"The spec cannot be read: {said}{more}. Correct it; nothing is asked for until then."
    )


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
