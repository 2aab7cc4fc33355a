"""What a soak has found: what broke, of which object, and the versions around it."""

import json
from dataclasses import dataclass
from typing import Any

from dev.soak.history import Version


@dataclass(frozen=True, slots=True)
class Finding:
    """One.

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
        return [
            f"* {self.subject}{when}: {self.text}",
            f"  ({self.invariant})",
            *(_line(each, start) for each in self.around),
        ]


def _line(version: Version, start: float) -> str:
    conditions = " ".join(
        f"{each['type']}={each['status']}/{each['reason']}@{each.get('lastTransitionTime', '')[11:19]}"
        for each in version.status.get("conditions", [])
    )
    spec = json.dumps({name: value for name, value in version.object["spec"].items() if name != "readyWhen"})
    rest = {name: value for name, value in version.status.items() if name in _SHOWN}
    mark = "" if version.follows else " (versions before it were missed)"
    head = f"    {version.at - start:7.2f}s g{version.generation} rv{version.number}{mark}"
    return f"{head} {conditions} {_short(rest)} {spec}"


_SHOWN = {"observedGeneration", "state", "progress", "hookState", "target", "lastHandledReconcileAt"}


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value)[:400]
