"""What a soak has found: what broke, of which object, and the versions around it."""

import json
from dataclasses import dataclass
from typing import Any, Final

from dev.soak.history import Version


@dataclass(frozen=True, slots=True)
class Finding:
    """A violated invariant.

    Attributes:
        invariant: what should hold, as a sentence.
        subject: the object or the process.
        text: what was seen instead.
        at: when, in seconds since the epoch; 0 where that says nothing.
        around: versions of the object, oldest first.
    """

    invariant: str
    subject: str
    text: str
    at: float = 0.0
    around: tuple[Version, ...] = ()

    def lines(self, start: float) -> list[str]:
        """The finding for a person; times are seconds after `start`."""
        when = f" at {self.at - start:.1f}s" if self.at else ""
        head = [f"* {self.subject}{when}: {self.text}", f"  ({self.invariant})"]
        before: Version | None = None
        for each in self.around:
            head.append(_line(each, before, start))
            before = each
        return head


def _line(version: Version, before: Version | None, start: float) -> str:
    """A version; of its spec and its fields only what was not there in the one before."""
    conditions = " ".join(
        f"{each['type']}={each['status']}/{each['reason']}@{each.get('lastTransitionTime', '')[11:19]}"
        for each in version.status.get("conditions", [])
    )
    known = before.status if before is not None else {}
    rest = {name: version.status.get(name) for name in _SHOWN if version.status.get(name) != known.get(name)}
    is_new = before is None or before.object["spec"] != version.object["spec"]
    spec = f" spec {_short(version.object['spec'])}" if is_new else ""
    mark = "" if version.follows else " (versions before it were missed)"
    head = f"    {version.at - start:7.2f}s g{version.generation} rv{version.number}{mark}"
    return f"{head} {conditions} {_short(rest) if rest else ''}{spec}"


_SHOWN: Final = ("observedGeneration", "state", "progress", "hookState", "target", "lastHandledReconcileAt")


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value)[:400]
