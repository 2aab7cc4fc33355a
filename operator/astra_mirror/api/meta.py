"""What the kinds of this API group have in common, and what identifies them: group, version, annotations, conditions.

The models are frozen: a spec or a status is a value that is read, computed, compared and sent, never changed in place.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GROUP: Final = "astra-mirror.io"
VERSION: Final = "v1"
FIELD_MANAGER: Final = "astra-mirror"
"""The field manager of every write."""
REQUESTED_AT: Final = "astra-mirror.io/requestedAt"
"""The annotation whose new value requests a poll now."""
MAX_REQUESTED_AT: Final = 1024
DEFAULT_SECRET: Final = "astra-control"  # noqa: S105 - the name of a Secret, not its content


@dataclass(frozen=True, slots=True)
class Names:
    """What a kind is called in the API.

    Attributes:
        kind: in an object, such as AppBackupRef.
        plural: in a path, such as appbackuprefs.
    """

    kind: str
    plural: str

    @property
    def several(self) -> str:
        """Its objects in a sentence."""
        return f"{self.kind}s"

    @property
    def crd(self) -> str:
        """The file of its CRD."""
        return f"crds/{self.kind.lower()}.yaml"


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class Model(BaseModel):
    """A part of an object, named in camel case on the wire."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


def _lower_uuid(value: str) -> str:
    lower = value.lower()
    if not _UUID.fullmatch(lower):
        raise ValueError("must be a UUID")
    return lower


UUIDText = Annotated[str, AfterValidator(_lower_uuid)]
"""A UUID of any version, in lower case, as Astra Control compares them; refs are grouped by app with these values."""


class SecretRef(Model):
    """The Secret with the connection, in the object's own namespace."""

    name: str = DEFAULT_SECRET


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Model):
    """A metav1.Condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int | None = None
    last_transition_time: str = ""
