"""`kubectl abr import`: manifests that somebody may keep, of the refs of a monitor, or of a monitor of an app."""

from collections.abc import Iterable

import yaml

from astra_mirror.kubectl.cluster import keys_of, opened
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.manifests import Manifest, belongs_to, check_id, hand_made, monitor
from astra_mirror.kubectl.core.names import MONITOR_LABEL, Key, Kind
from astra_mirror.kubectl.core.observed import Query
from astra_mirror.kubectl.errors import UsageError
from astra_mirror.kubectl.output import warn, write


async def run(choice: Choice, *, of: str | None, account: str, app: str, name: str | None) -> ExitCode:
    """Print the refs of the monitor `of`; without one, a monitor of the app, for which no cluster is asked.

    Raises:
        UsageError: an ID or a name is none.
    """
    if of is None:
        _print([_monitor(account, app, name)])
    else:
        await _print_refs(choice, of)
    return ExitCode.OK


async def _print_refs(choice: Choice, of: str) -> None:
    async with opened(choice.place) as cluster:
        key = _monitor_key(of, cluster.namespace)
        found = await cluster.api.get_object(key)
        query = Query(Kind.REF, key.namespace, f"{MONITOR_LABEL}={key.name}")
        refs, _ = await cluster.api.list_objects(query)
    own = [each for each in refs if belongs_to(each, found["metadata"]["uid"])]
    if not own:
        warn(f"the monitor {key.name} has made no refs: spec.mirror says how many it makes")
    _print(map(hand_made, own))


def _monitor(account: str, app: str, name: str | None) -> Manifest:
    try:
        account, app = check_id(account), check_id(app)
    except ValueError as error:
        raise UsageError(str(error)) from None
    key = _monitor_key(name or f"app-{app[:8]}", "default")
    return monitor(account, app, key.name)


def _monitor_key(text: str, namespace: str) -> Key:
    name = text if "/" in text else f"{Kind.MONITOR.short}/{text}"
    [key] = keys_of([name], namespace)
    if key.kind is not Kind.MONITOR:
        raise UsageError(f"{text!r} is no monitor")
    return key


def _print(manifests: Iterable[Manifest]) -> None:
    write("---\n".join(yaml.safe_dump(each, sort_keys=False) for each in manifests))
