"""Which refs of a monitor are to be made, repaired and removed.

A ref is never removed while the last complete list or its own status says that its backup is under way. A backup that
the list lacks is not known to be gone: its ref is removed when the single GET has said so for an hour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec
from astra_mirror.core.backup import NOT_FOUND
from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.refs import OwnRef, WantedRef, repair_of
from astra_mirror.core.monitor.selection import UNDER_WAY
from astra_mirror.support.times import moment_of

MISSING_FOR: Final = timedelta(hours=1)
"""For how long a backup must be known not to exist before its ref is removed."""


@dataclass(frozen=True, slots=True)
class Context:
    """What decides about the refs of one monitor beside the refs themselves.

    Attributes:
        spec: the monitor's spec.
        wanted: the refs that there should be.
        listed: the state of each backup in the last complete list, by its ID.
        order: the IDs of the selected backups in their order.
        missed_since: since when this process knows that the list lacks the backup of a ref, by the ref's uid.
    """

    spec: AppBackupMonitorSpec
    wanted: tuple[WantedRef, ...]
    listed: Mapping[str, str]
    order: Mapping[str, int]
    missed_since: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, as far as the last view of the refs says. Before each write the ref is read again.

    Attributes:
        make: refs that do not exist.
        repair: refs that differ from what they should be, each with that.
        remove: refs that should go, the one of the oldest backup first.
        kept: refs that are as they should be.
        waiting: wanted refs whose predecessor of the same name waits for a finalizer.
        left: refs that may not go yet: the list lacks their backup, or says that it is under way.
    """

    make: tuple[WantedRef, ...] = ()
    repair: tuple[tuple[OwnRef, WantedRef], ...] = ()
    remove: tuple[OwnRef, ...] = ()
    kept: tuple[tuple[OwnRef, WantedRef], ...] = ()
    waiting: tuple[WantedRef, ...] = ()
    left: tuple[OwnRef, ...] = ()


def context_of(
    spec: AppBackupMonitorSpec,
    wanted: tuple[WantedRef, ...],
    backups: Iterable[ListedBackup],
    ordered: Sequence[ListedBackup],
    missed_since: Mapping[str, datetime],
) -> Context:
    """What decides, by the last complete list.

    Args:
        spec: the monitor's spec.
        wanted: the refs that there should be.
        backups: all backups in the list.
        ordered: the selected ones in their order.
        missed_since: see `Context`.
    """
    order = {each.id: number for number, each in enumerate(ordered)}
    return Context(spec, wanted, {each.id: each.state for each in backups}, order, missed_since)


def plan(context: Context, own: Sequence[OwnRef], now: datetime) -> Plan:
    """What to do with these refs of one monitor's own."""
    alive = [each for each in own if not each.is_deleting]
    taken = {each.name for each in own if each.is_deleting}
    pairs, rest = matched(context.wanted, alive)
    found = {each.backup_id for _, each in pairs}
    new = [each for each in context.wanted if each.backup_id not in found]
    left = [each for each in rest if not _is_due(context, each, now)]
    remove = [each for each in rest if each not in left]
    return Plan(
        make=tuple(each for each in new if each.name not in taken),
        repair=tuple(pair for pair in pairs if repair_of(*pair)),
        remove=tuple(sorted(remove, key=lambda each: _youth(context, each), reverse=True)),
        kept=tuple(pair for pair in pairs if not repair_of(*pair)),
        waiting=tuple(each for each in new if each.name in taken),
        left=tuple(left),
    )


def _youth(context: Context, own: OwnRef) -> tuple[int, str]:
    # What the list lacks counts as older than all that it has.
    return (context.order.get(own.backup_id, len(context.order)), own.name)


def matched(wanted: Iterable[WantedRef], own: Iterable[OwnRef]) -> tuple[list[tuple[OwnRef, WantedRef]], list[OwnRef]]:
    """Which ref is which, and the refs that are none of the wanted ones.

    First by both the backup's ID and the name, then by the ID, so that a renamed backup keeps its ref, then by the
    name, so that an edited ID is set back.
    """
    left, pairs = {each.uid: each for each in own}, list[tuple[OwnRef, WantedRef]]()
    open_ = list(wanted)
    for by_id, by_name in ((True, True), (True, False), (False, True)):
        still = []
        for each in open_:
            uid = next((uid for uid, ref in left.items() if _matches(ref, each, by_id=by_id, by_name=by_name)), None)
            if uid is None:
                still.append(each)
            else:
                pairs.append((left.pop(uid), each))
        open_ = still
    return pairs, list(left.values())


def _matches(own: OwnRef, wanted: WantedRef, *, by_id: bool, by_name: bool) -> bool:
    return (not by_id or own.backup_id == wanted.backup_id) and (not by_name or own.name == wanted.name)


def is_lacking(context: Context, own: OwnRef) -> bool:
    """Whether a ref stays for now only because it names a backup of the app that the list lacks."""
    return context.spec.mirror is not None and own.is_of(context.spec) and own.backup_id not in context.listed


def missed(context: Context, own: Iterable[OwnRef], now: datetime) -> dict[str, datetime]:
    """`Context.missed_since` with this list: since when the list lacks the backup of each ref, `now` for new ones."""
    _, rest = matched(context.wanted, own)
    return {each.uid: context.missed_since.get(each.uid, now) for each in rest if is_lacking(context, each)}


def _is_due(context: Context, own: OwnRef, now: datetime) -> bool:
    """Whether a ref that is none of the wanted ones should go, as far as the list says."""
    is_wanted = any(each.backup_id == own.backup_id for each in context.wanted)
    if own.is_of(context.spec) and (is_wanted or context.listed.get(own.backup_id) in UNDER_WAY):
        return False
    if not is_lacking(context, own):
        return True
    since = context.missed_since.get(own.uid)
    return since is not None and now - since >= MISSING_FOR


def may_remove(context: Context, own: OwnRef, status: object, now: datetime) -> bool:
    """Whether a ref that has just been read may be removed.

    Args:
        context: what decides beside it.
        own: the ref.
        status: its status, any JSON value.
        now: UTC.
    """
    held = status if isinstance(status, Mapping) else {}
    if held.get("state") in UNDER_WAY or not _is_due(context, own, now):
        return False
    return not is_lacking(context, own) or _is_long_gone(held, now)


def _is_long_gone(status: Mapping[str, Any], now: datetime) -> bool:
    entries = status.get("conditions")
    conditions = [each for each in (entries if isinstance(entries, list) else []) if isinstance(each, Mapping)]
    ready = next((each for each in conditions if each.get("type") == "Ready"), {})
    if (ready.get("status"), ready.get("reason")) != ("False", NOT_FOUND.reason):
        return False
    moved = [moment_of(each.get("lastTransitionTime")) for each in conditions]
    return all(each is not None and now - each >= MISSING_FOR for each in moved)
