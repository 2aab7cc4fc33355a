"""What the log says of the watches of one kind: that one starts anew, that the cluster does not know the kind any more.

A watch that starts anew again and again for the same reason is one line. Times are monotonic seconds.
"""

from typing import Final

from astra_mirror.core.journal.line import Line

_AGAIN_SECONDS: Final = 60.0
"""For how long a reason is not said again although a watch has been opened meanwhile."""


class KindJournal:
    """The watches of one kind, one for each scope.

    Args:
        several: what objects of the kind are called.
        crd: the file with its CRD.
    """

    def __init__(self, several: str, crd: str) -> None:
        self._several = several
        self._crd = crd
        self._is_gone = False
        self._said: dict[str, tuple[str, float]] = {}
        self._opened: set[str] = set()

    def gone(self) -> Line | None:
        """The API server does not know the kind, which concerns all scopes."""
        if self._is_gone:
            return None
        self._is_gone = True
        text = f"{self._several} are not watched any more: the cluster does not know them. Apply {self._crd}"
        return Line("warning", text, {"reason": "NotFound"})

    def failed(self, scope: str, reason: str, now: float) -> Line | None:
        """The watch of a scope has ended and starts anew."""
        said, at = self._said.get(scope, ("", 0.0))
        is_same = reason == said and (scope not in self._opened or now - at < _AGAIN_SECONDS)
        self._opened.discard(scope)
        if is_same:
            return None
        self._said[scope] = reason, now
        return Line("warning", f"The watch on {scope} starts anew: {reason}", {"reason": reason})

    def watched(self, scope: str) -> Line | None:
        """A watch has been opened."""
        self._opened.add(scope)
        if not self._is_gone:
            return None
        self._is_gone = False
        return Line("info", f"{self._several} are watched again", {})
