"""The control endpoint: lets a person move backups along and switch faults on while watching kubectl.

curl $ASTRA/_control/backups
curl $ASTRA/_control/backups -d '{"scenario": "completes", "seconds": 60}'
curl $ASTRA/_control/backups/ID -d '{"state": "completed", "percentDone": 100}'
curl -X DELETE $ASTRA/_control/backups/ID
curl $ASTRA/_control/faults -d '{"path": "*", "status": 503}'
curl $ASTRA/_control/faults -d '{"path": "*", "kind": "hang"}'
curl -X DELETE $ASTRA/_control/faults
curl $ASTRA/_control/requests
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any, get_args

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.simulator.store import DEFAULT_ACCOUNT, DEFAULT_APP, Backup, Fault, FaultKind, Store

_NOT_FROM_JSON = {"cleared", "body", "_chance"}
_FAULT_FIELDS = {each.name for each in fields(Fault)} - _NOT_FROM_JSON
_BACKUP_FIELDS = {"scenario", "account", "app", "id", "name", "seconds", "size"}


def control_routes(store: Store) -> list[Route]:
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

    def route(path: str, method: str, endpoint: Callable[[HTTPRequest], Awaitable[Response]]) -> Route:
        return Route(f"/_control/{path}", _with_errors(endpoint), methods=[method])

    return [
        route("backups", "GET", list_backups),
        route("backups", "POST", add_backup),
        route("backups/{id}", "POST", change_backup),
        route("backups/{id}", "DELETE", remove_backup),
        route("faults", "GET", list_faults),
        route("faults", "POST", add_fault),
        route("faults", "DELETE", clear_faults),
        route("requests", "GET", list_requests),
    ]


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
