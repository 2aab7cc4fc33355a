"""Who has finished, for `watch`: it ends when nothing that it shows will move by itself."""

from datetime import datetime

from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.seen import Seen
from astra_mirror.kubectl.core.verdicts import NO_OBJECTIVES, Outcome, judge


def has_finished(seen: Seen, now: datetime) -> bool:
    """Whether the backup has, well or not, or is not polled any more.

    A ref that cannot be refreshed has not: somebody may mend that while they watch.
    """
    if not seen.is_handled:
        return False
    if seen.is_suspended:
        return True
    if seen.key.kind is Kind.REF and seen.condition("Finished").status == "True":
        return True
    verdict = judge(seen, now)
    is_idle = verdict.reason == NO_OBJECTIVES
    return is_idle or verdict.outcome in {Outcome.SUCCEEDED, Outcome.FAILED}
