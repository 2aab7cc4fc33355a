"""`kubectl abr list`: all refs and monitors, once."""

import json
from datetime import UTC, datetime
from http import HTTPStatus

from astra_mirror.kubectl.api import Json
from astra_mirror.kubectl.cluster import Cluster, opened
from astra_mirror.kubectl.core.choice import Choice
from astra_mirror.kubectl.core.exit_codes import ExitCode
from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.observed import Query
from astra_mirror.kubectl.core.rows import row_of
from astra_mirror.kubectl.core.seen import read
from astra_mirror.kubectl.errors import ApiError
from astra_mirror.kubectl.output import warn, write
from astra_mirror.kubectl.screen import print_table


async def run(choice: Choice, *, as_json: bool) -> ExitCode:
    """Print them as a table, or as one List in the API's own words."""
    async with opened(choice.place) as cluster:
        where = None if choice.is_everywhere else cluster.namespace
        found = {kind: await _objects(cluster, Query(kind, where, choice.selector)) for kind in Kind}
    if as_json:
        items = [each for objects in found.values() for each in objects]
        document = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
        # In ASCII, so that it is the same JSON in any encoding.
        write(f"{json.dumps(document, indent=4)}\n")
        return ExitCode.OK
    now = datetime.now(UTC)
    seen = [read(kind, each) for kind, objects in found.items() for each in objects]
    rows = [row_of(each, now) for each in sorted(seen, key=lambda each: each.key.order)]
    if rows:
        print_table(rows, with_namespace=choice.is_everywhere)
    else:
        warn("no refs and no monitors" if where is None else f"no refs and no monitors in the namespace {where}")
    return ExitCode.OK


async def _objects(cluster: Cluster, query: Query) -> list[Json]:
    """The objects of a query. Without the CRD of monitors, or the right to list them, there are still the refs."""
    try:
        return (await cluster.api.list_objects(query))[0]
    except ApiError as error:
        if query.kind is Kind.MONITOR and error.code in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            warn(str(error))
            return []
        raise
