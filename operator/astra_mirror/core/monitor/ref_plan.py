"""Which refs of a monitor are to be made, repaired and removed.

A ref is never removed while the last complete list or its own status says that its backup is under way. A backup that
the list lacks is not known to be gone: its ref is removed when the single GET has said so for an hour. Somebody may
have given a monitor thousands of refs, so each ref is one step of the plan. Times are monotonic seconds unless stated.
"""

from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec
from astra_mirror.core.backup import NOT_FOUND
from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.refs import OwnRef, WantedRef, repair_of
from astra_mirror.core.monitor.selection import UNDER_WAY
from astra_mirror.support.times import moment_of

MISSING_SECONDS: Final = 3600.0
"""For how long a backup must be known not to exist before its ref is removed."""


@dataclass(frozen=True, slots=True)
class Context:
    """What decides about the refs of one monitor beside the refs themselves.

    Attributes:
        spec: the monitor's spec.
        wanted: the refs that there should be.
        listed: the state of each backup in the last complete list, by its ID.
        order: the IDs of the selected backups in their order.
        wanted_ids: the IDs in `wanted`.
        missed_since: since when this process knows that the list lacks the backup of a ref, by the ref's uid.
        under_way: the uids of the refs whose own status says that their backup is under way.
        gone: the uids of the refs whose own status says that their backup does not exist.
    """

    spec: AppBackupMonitorSpec
    wanted: tuple[WantedRef, ...]
    listed: Mapping[str, str]
    order: Mapping[str, int]
    wanted_ids: frozenset[str]
    missed_since: Mapping[str, float] = field(default_factory=dict)
    under_way: Container[str] = frozenset()
    gone: Container[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, as far as the last view of the refs says. Before each write the ref is read again.

    Attributes:
        make: refs that do not exist.
        repair: refs that differ from what they should be, each with that.
        remove: refs that should go, the one of the oldest backup first.
        kept: refs that are as they should be.
        waiting: wanted refs whose predecessor of the same name waits for a finalizer.
        under_way: refs that should go, but not while their backup is under way.
        lacking: refs that stay while it is not known for long enough that their backup does not exist.
        missed: `Context.missed_since` with this list.
    """

    make: tuple[WantedRef, ...] = ()
    repair: tuple[tuple[OwnRef, WantedRef], ...] = ()
    remove: tuple[OwnRef, ...] = ()
    kept: tuple[tuple[OwnRef, WantedRef], ...] = ()
    waiting: tuple[WantedRef, ...] = ()
    under_way: tuple[OwnRef, ...] = ()
    lacking: tuple[OwnRef, ...] = ()
    missed: Mapping[str, float] = field(default_factory=dict)


def context_of(
    spec: AppBackupMonitorSpec,
    wanted: tuple[WantedRef, ...],
    backups: Iterable[ListedBackup],
    ordered: Sequence[ListedBackup],
) -> Context:
    """What decides, by the last complete list.

    Args:
        spec: the monitor's spec.
        wanted: the refs that there should be.
        backups: all backups in the list.
        ordered: the selected ones in their order.
    """
    order = {each.id: number for number, each in enumerate(ordered)}
    return Context(
        spec, wanted, {each.id: each.state for each in backups}, order, frozenset(each.backup_id for each in wanted)
    )


def planning(context: Context, own: Sequence[OwnRef], now: float) -> Generator[None, None, Plan]:
    """What to do with these refs of one monitor's own. Each step is about one ref; the plan is returned."""
    pairs = yield from _matching(context.wanted, own)
    paired = {each.uid for each, _ in pairs}
    dying = {each.name for each in own if each.is_deleting}
    remove, under_way, lacking, missed = list[OwnRef](), list[OwnRef](), list[OwnRef](), dict[str, float]()
    for each in own:
        yield
        if each.is_deleting or each.uid in paired:
            continue
        if is_lacking(context, each):
            missed[each.uid] = context.missed_since.get(each.uid, now)
            is_long = now - missed[each.uid] >= MISSING_SECONDS and each.uid in context.gone
            (remove if is_long and each.uid not in context.under_way else lacking).append(each)
        elif _is_under_way(context, each) or each.uid in context.under_way:
            under_way.append(each)
        elif not _is_second(context, each):
            remove.append(each)
    found = {each.backup_id for _, each in pairs}
    new = [each for each in context.wanted if each.backup_id not in found]
    repair = [pair for pair in pairs if repair_of(*pair)]
    return Plan(
        make=tuple(each for each in new if each.name not in dying),
        repair=tuple(repair),
        remove=tuple(sorted(remove, key=lambda each: _youth(context, each), reverse=True)),
        kept=tuple(pair for pair in pairs if pair not in repair),
        waiting=tuple(each for each in new if each.name in dying),
        under_way=tuple(under_way),
        lacking=tuple(lacking),
        missed=missed,
    )


def _youth(context: Context, own: OwnRef) -> tuple[int, str]:
    # What the list lacks counts as older than all that it has.
    return (context.order.get(own.backup_id, len(context.order)), own.name)


def _matching(
    wanted: Sequence[WantedRef], own: Sequence[OwnRef]
) -> Generator[None, None, list[tuple[OwnRef, WantedRef]]]:
    """Which ref is which.

    First by both the backup's ID and the name, then by the ID, so that a renamed backup keeps its ref, then by the
    name, so that an edited ID is set back.
    """
    by_id, by_name = dict[str, list[OwnRef]](), dict[str, OwnRef]()
    for each in own:
        yield
        if not each.is_deleting:
            by_id.setdefault(each.backup_id, []).append(each)
            by_name[each.name] = each
    pairs, taken = dict[str, tuple[OwnRef, WantedRef]](), set[str]()
    for step in ("both", "id", "name"):
        for one in wanted:
            yield
            found = by_name.get(one.name)
            if step == "id":
                free = (each for each in by_id.get(one.backup_id, ()) if each.uid not in taken)
                found = min(free, key=lambda each: each.name, default=None)
            elif step == "both" and found is not None and found.backup_id != one.backup_id:
                found = None
            if found is not None and found.uid not in taken and one.backup_id not in pairs:
                pairs[one.backup_id] = found, one
                taken.add(found.uid)
    return list(pairs.values())


def is_lacking(context: Context, own: OwnRef) -> bool:
    """Whether a ref names a backup of the app that the list lacks."""
    return context.spec.mirror is not None and own.is_of(context.spec) and own.backup_id not in context.listed


def _is_second(context: Context, own: OwnRef) -> bool:
    """Whether a ref names a backup for which there should be one, though there is another."""
    return own.is_of(context.spec) and own.backup_id in context.wanted_ids


def _is_under_way(context: Context, own: OwnRef) -> bool:
    return own.is_of(context.spec) and context.listed.get(own.backup_id) in UNDER_WAY


def may_remove(context: Context, own: OwnRef, status: object, now: datetime) -> bool:
    """Whether a ref of `Plan.remove` that has just been read may be removed.

    Args:
        context: what decides beside it.
        own: the ref.
        status: its status, any JSON value.
        now: UTC.
    """
    held = status if isinstance(status, Mapping) else {}
    if held.get("state") in UNDER_WAY or _is_under_way(context, own) or _is_second(context, own):
        return False
    return not is_lacking(context, own) or _is_long_gone(held, now)


def _is_long_gone(status: Mapping[str, Any], now: datetime) -> bool:
    entries = status.get("conditions")
    conditions = [each for each in (entries if isinstance(entries, list) else []) if isinstance(each, Mapping)]
    ready = next((each for each in conditions if each.get("type") == "Ready"), {})
    if (ready.get("status"), ready.get("reason")) != ("False", NOT_FOUND.reason):
        return False
    moved = [moment_of(each.get("lastTransitionTime")) for each in conditions]
    return all(each is not None and now - each >= timedelta(seconds=MISSING_SECONDS) for each in moved)
