"""Parses the spec of an object. A spec that the API server admits but the operator cannot read is a failure value."""

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.support.text import cut

Spec = TypeVar("Spec", bound=BaseModel)

_MAX_FAULTS: Final = 3
_MAX_WORDS: Final = 200


def read_spec(model: type[Spec], spec: object) -> Spec | Failed:
    """The spec as a model, or the failure InvalidSpec, which names the invalid fields.

    Args:
        model: the model of its kind's spec.
        spec: the object's `spec`, any JSON value.
    """
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    said = [f"{'.'.join(('spec', *map(str, each['loc'])))}: {_words(each['msg'])}" for each in faults[:_MAX_FAULTS]]
    if len(faults) > _MAX_FAULTS:
        said.append(f"and {len(faults) - _MAX_FAULTS} more")
    message = f"The spec cannot be read: {'; '.join(said)}. Correct it: Astra Control is not asked before."
    return Failed(SyncReason.INVALID_SPEC, message)


def _words(message: str) -> str:
    # Some messages quote the value, which may be long.
    return cut(message.removeprefix("Value error, "), _MAX_WORDS)
