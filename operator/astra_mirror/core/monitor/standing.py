"""Until when the same list leads to the same status, so that it need not be judged again with each answer.

Of what is judged, only two things change while the list does not: an objective that is met is missed after its
deadline, and a time that is ahead of the operator's clock becomes usable. Where no good backup counts for an objective,
whether one that is under way could count is a matter of the clock as well: that is judged each time.
"""

import sys
from collections.abc import Sequence
from typing import Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus
from astra_mirror.core.monitor.listing import SECOND, ListedBackup, nanoseconds_of
from astra_mirror.support.times import moment_of

_FOREVER: Final = sys.maxsize


def stands_until(status: AppBackupMonitorStatus, ordered: Sequence[ListedBackup], sent: int) -> int:
    """When the same list may lead to another status, in nanoseconds since 1970. All times there are nanoseconds.

    Args:
        status: what the list has led to.
        ordered: the selected backups in their order.
        sent: when the list was requested that has led to it.
    """
    is_under_way = status.backups is not None and status.backups.in_progress > 0
    if is_under_way and any(each.met != "True" for each in status.objectives or ()):
        return sent
    deadline = moment_of(status.deadline)
    until = _FOREVER if deadline is None else nanoseconds_of(deadline) // SECOND * SECOND + 1
    for each in reversed(ordered):
        if each.is_usable_at(sent):
            # Those before it in the order are usable as well.
            break
        if each.usable_from is not None:
            until = min(until, each.usable_from)
    return until
