"""Whether the API server takes the Events that operators send: one that it calls invalid is lost without a trace."""

from typing import Final

from dev.soak.actions import Script
from dev.soak.findings import Finding
from dev.soak.stage import Stage

_INVALID: Final = 422
_EVENTS: Final = "*/events"


def check(stage: Stage, script: Script) -> list[Finding]:
    """Events that were invalid, in a script without faults that say so of valid ones."""
    if any(each.do == "api-fault" and each.args.get("status") == _INVALID for each in script.actions):
        return []
    requests = [each for slot in stage.slots for each in slot.proxy.requests.matching(verb="create", path=_EVENTS)]
    invalid = [each for each in requests if each.status == _INVALID]
    text = f"{len(invalid)} of {len(requests)} Events were invalid"
    return [Finding("each Event is valid", invalid[0].path, text, invalid[0].at)] if invalid else []
