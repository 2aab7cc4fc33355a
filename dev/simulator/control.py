"""The control endpoint: lets a person move backups along and switch faults on while watching kubectl.

curl $ASTRA/_control/backups
curl $ASTRA/_control/backups -d '{"scenario": "completes", "seconds": 60}'
curl $ASTRA/_control/backups/ID -d '{"state": "completed", "percentDone": 100}'
curl -X DELETE $ASTRA/_control/backups/ID
curl $ASTRA/_control/faults -d '{"path": "*", "status": 503}'
curl $ASTRA/_control/faults -d '{"path": "*", "kind": "hang"}'
curl -X DELETE $ASTRA/_control/faults
curl $ASTRA/_control/requests
curl $ASTRA/_control/schedules -d '{"name": "nightly", "days": 200, "keep": 90}'
curl $ASTRA/_control/clock -d '{"hours": 30}'
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any, get_args

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.simulator.scheduled import ScheduledStore
from dev.simulator.schedules import over_days
from dev.simulator.store import DEFAULT_ACCOUNT, DEFAULT_APP, Backup, Fault, FaultKind, Store

_NOT_FROM_JSON = {"cleared", "body", "_chance"}
_FAULT_FIELDS = {each.name for each in fields(Fault)} - _NOT_FROM_JSON
_BACKUP_FIELDS = {"scenario", "account", "app", "id", "name", "seconds", "size"}


def control_routes(store: ScheduledStore) -> list[Route]:
    """The routes under /_control."""

    async def list_backups(_: HTTPRequest) -> Response:
        return JSONResponse([_shown(each) for each in list(store.backups.values())])

    async def add_backup(request: HTTPRequest) -> Response:
        options = await _options(request, _BACKUP_FIELDS)
        defaults = {"scenario": "completes", "account": DEFAULT_ACCOUNT, "app": DEFAULT_APP}
        return JSONResponse(_shown(store.add_backup(**defaults | options)), 201)

    async def change_backup(request: HTTPRequest) -> Response:
        backup = _found(store, request)
        backup.set(**await _options(request, None))
        return JSONResponse(_shown(backup))

    async def remove_backup(request: HTTPRequest) -> Response:
        backup = _found(store, request)
        backup.remove()
        return JSONResponse(_shown(backup))

    async def list_faults(_: HTTPRequest) -> Response:
        return JSONResponse([{name: getattr(each, name) for name in sorted(_FAULT_FIELDS)} for each in store.faults()])

    async def add_fault(request: HTTPRequest) -> Response:
        store.add_fault(_fault(await _options(request, _FAULT_FIELDS)))
        return await list_faults(request)

    async def clear_faults(request: HTTPRequest) -> Response:
        store.clear_faults()
        return await list_faults(request)

    async def list_requests(_: HTTPRequest) -> Response:
        return JSONResponse([asdict(each) for each in store.requests.matching()])

    return [
        _route("backups", "GET", list_backups),
        _route("backups", "POST", add_backup),
        _route("backups/{id}", "POST", change_backup),
        _route("backups/{id}", "DELETE", remove_backup),
        _route("faults", "GET", list_faults),
        _route("faults", "POST", add_fault),
        _route("faults", "DELETE", clear_faults),
        _route("requests", "GET", list_requests),
        *_routes_of_time(store),
    ]


def _routes_of_time(store: ScheduledStore) -> list[Route]:
    """Schedules, and the clock by which they take backups."""

    async def add_schedule(request: HTTPRequest) -> Response:
        options = await _options(request, {"name", "days", "keep", "seconds", "scenario"})
        defaults: dict[str, Any] = {"name": "nightly", "days": 30.0, "now": store.wall_clock()}
        schedule = over_days(**defaults | options)
        store.add_schedule(schedule)
        return JSONResponse({"id": schedule.id, "name": schedule.name}, 201)

    async def move_clock(request: HTTPRequest) -> Response:
        store.wall_clock.move(**await _options(request, {"days", "hours", "minutes", "seconds"}))
        return JSONResponse({"now": store.wall_clock().isoformat()})

    return [_route("schedules", "POST", add_schedule), _route("clock", "POST", move_clock)]


def _route(path: str, method: str, endpoint: Callable[[HTTPRequest], Awaitable[Response]]) -> Route:
    return Route(f"/_control/{path}", _with_errors(endpoint), methods=[method])


def _with_errors(
    endpoint: Callable[[HTTPRequest], Awaitable[Response]],
) -> Callable[[HTTPRequest], Awaitable[Response]]:
    async def handle(request: HTTPRequest) -> Response:
        try:
            return await endpoint(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)

    return handle


async def _options(request: HTTPRequest, known: set[str] | None) -> dict[str, Any]:
    options = await request.json()
    if not isinstance(options, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the answer is a 400, as for other values
    unknown = set(options) - known if known is not None else set()
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known or ()))}")
    return options


def _fault(options: dict[str, Any]) -> Fault:
    fault = Fault(**{"path": "*"} | options)
    if fault.kind not in get_args(FaultKind):
        raise ValueError(f"no kind {fault.kind!r}; there are {', '.join(get_args(FaultKind))}")
    return fault


def _found(store: Store, request: HTTPRequest) -> Backup:
    backup = store.find(request.path_params["id"].lower())
    if backup is None:
        raise ValueError(f"no backup {request.path_params['id']}")
    return backup


def _shown(backup: Backup) -> dict[str, Any]:
    return {"account": backup.account, "app": backup.app, "id": backup.id, "document": backup.document()}
