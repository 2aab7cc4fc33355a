"""What the log says of namespaces: that one of --namespace does not exist, or that one ends that had objects.

The operator may not read namespaces. What it may do is to try whether anything could be created there. It tries where
it knows of no object: at the start, when the last one has gone, and each minute where there was no namespace. Times are
monotonic seconds.
"""

from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from astra_mirror.core.journal.line import Line

AGAIN_SECONDS: Final = 60.0
_MAX_ABSENT: Final = 1000


class Found(Enum):
    """What a try has shown."""

    EXISTS = auto()
    ENDS = auto()
    MISSING = auto()
    UNKNOWN = auto()


class NamespaceJournal:
    """The namespaces that are tried, and those of which it was said that they end or do not exist.

    Args:
        named: those of --namespace; empty for all.
    """

    def __init__(self, named: Iterable[str]) -> None:
        self._named = frozenset(named)
        self._try_at = dict.fromkeys(self._named, 0.0)
        self._used: frozenset[str] = frozenset()
        self._were_used: set[str] = set()
        self._absent: OrderedDict[str, None] = OrderedDict()

    def look(self, used: frozenset[str], now: float) -> tuple[list[str], list[Line]]:
        """The namespaces to try now, and what has to be said.

        Args:
            used: the namespaces in which there is an object.
            now: the time.
        """
        self._were_used |= used & self._named
        for namespace in self._used - used:
            self._try_at.setdefault(namespace, now)
        self._used = used
        lines = []
        for namespace in used:
            self._try_at.pop(namespace, None)
            lines += self._exists(namespace)
        return [namespace for namespace, at in self._try_at.items() if at <= now], lines

    def found(self, namespace: str, found: Found, now: float) -> list[Line]:
        """What has to be said after a namespace was tried."""
        self._try_at.pop(namespace, None)
        if found is Found.UNKNOWN or (found is not Found.EXISTS and namespace in self._named):
            self._try_at[namespace] = now + AGAIN_SECONDS
        match found:
            case Found.UNKNOWN:
                return []
            case Found.EXISTS:
                return self._exists(namespace)
            case Found.MISSING if namespace in self._named - self._were_used:
                return self._is_absent(_does_not_exist(namespace), namespace)
        return self.ends(namespace)

    def ends(self, namespace: str) -> list[Line]:
        """What has to be said where something cannot be created because the namespace is being deleted."""
        line = Line("info", f"The namespace {namespace} ends, and its objects with it", {"namespaces": [namespace]})
        return self._is_absent(line, namespace)

    def _exists(self, namespace: str) -> list[Line]:
        if namespace not in self._absent:
            return []
        del self._absent[namespace]
        line = Line("info", f"The namespace {namespace} exists now", {"namespaces": [namespace]})
        return [line] if namespace in self._named else []

    def _is_absent(self, line: Line, namespace: str) -> list[Line]:
        if namespace in self._absent:
            return []
        self._absent[namespace] = None
        if len(self._absent) > _MAX_ABSENT:
            self._absent.popitem(last=False)
        return [line]


def _does_not_exist(namespace: str) -> Line:
    text = f"The namespace {namespace}, which --namespace names, does not exist; nothing is managed there until it does"
    return Line("warning", text, {"namespaces": [namespace], "reason": "NotFound"})
