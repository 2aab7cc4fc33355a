"""The kinds, and how a user names an object: `NAME` is a ref, `abm/NAME` a monitor.

The constants equal those in `api/`, as a test verifies: that package needs pydantic, whose import takes too long here.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

GROUP: Final = "astra-mirror.io"
API_VERSION: Final = f"{GROUP}/v1"
REQUESTED_AT: Final = f"{GROUP}/requestedAt"
MONITOR_LABEL: Final = f"{GROUP}/monitor"
_OBJECT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class Kind(Enum):
    """A kind, by its plural, as it occurs in a path."""

    REF = "appbackuprefs"
    MONITOR = "appbackupmonitors"

    @property
    def api_name(self) -> str:
        """The kind in an object."""
        return "AppBackupRef" if self is Kind.REF else "AppBackupMonitor"

    @property
    def word(self) -> str:
        """The kind in a sentence."""
        return "ref" if self is Kind.REF else "monitor"

    @property
    def short(self) -> str:
        """The short name for kubectl."""
        return "abr" if self is Kind.REF else "abm"


_PREFIXES: Final = {
    prefix: kind for kind in Kind for prefix in (kind.short, kind.value, kind.api_name.lower(), f"{kind.value}.{GROUP}")
}


@dataclass(frozen=True, slots=True)
class Key:
    """One object. Its text is what a user types to name it."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is Kind.REF else f"{self.kind.short}/{self.name}"

    def shown(self, *, with_namespace: bool) -> str:
        """Its text, with the namespace where objects of several are shown."""
        return f"{self} ({self.namespace})" if with_namespace else str(self)

    @property
    def order(self) -> tuple[str, str, str]:
        """By namespace, refs before monitors, by name."""
        return (self.namespace, "" if self.kind is Kind.REF else self.kind.value, self.name)


def parse_name(text: str, namespace: str) -> Key:
    """The object that a user names.

    Raises:
        ValueError: `text` names none; the message says what would.
    """
    prefix, slash, name = text.rpartition("/")
    kind = _PREFIXES.get(prefix.lower()) if slash else Kind.REF
    if kind is None or not _OBJECT.fullmatch(name):
        raise ValueError(f"{text!r} is no name: NAME is an AppBackupRef, abm/NAME an AppBackupMonitor")
    return Key(kind, namespace, name)


def check_namespace(text: str) -> str:
    """`text` if it can be the name of a namespace.

    Raises:
        ValueError: it cannot.
    """
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a namespace: lower-case letters, digits and hyphens, 63 at most")
    return text
