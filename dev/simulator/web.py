"""The HTTP face: Astra Control's three backup endpoints and its list of apps, with whatever faults are switched on."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dev.simulator import problems
from dev.simulator.control import control_routes
from dev.simulator.scheduled import ScheduledStore
from dev.simulator.store import Backup, Fault, Request, fingerprint

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CHECK_SECONDS: Final = 0.05
_NOTHING: Final = object()
"""In place of an item of a list that there is none of."""
_LIST_PARAMETERS: Final = frozenset({"include", "limit", "continue"})

Handler = Callable[[HTTPRequest], Awaitable[Response]]


def application(store: ScheduledStore) -> Starlette:
    """The server's application."""
    api = _API(store)
    prefix = "/accounts/{account}"
    routes = [
        Route(f"{prefix}/k8s/v1/apps/{{app}}/appBackups/{{backup}}", api.handler(api.get)),
        Route(f"{prefix}/k8s/v1/apps/{{app}}/appBackups", api.handler(api.list)),
        Route(f"{prefix}/topology/v1/appBackups", api.handler(api.list)),
        # The operator never asks for it: it is where a person finds an app's ID.
        Route(f"{prefix}/k8s/v2/apps", api.handler(api.apps)),
        *control_routes(store),
        # What is no route is no problem document either, as behind a proxy.
        Route("/{path:path}", api.handler(_no_route)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=2048, compresslevel=1)])


async def _no_route(_: HTTPRequest) -> Response:
    return PlainTextResponse("404 page not found\n", 404)


def _json(document: Any, media_type: str = "application/json", status: int = 200) -> Response:  # noqa: ANN401
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Response(body, status, {"ETag": f'"{etag}"'}, media_type)


def _problem(document: dict[str, Any]) -> Response:
    return _json(document, problems.MEDIA_TYPE, int(document["status"]))


class _API:
    def __init__(self, store: ScheduledStore) -> None:
        self._store = store

    def handler(self, answer: Handler) -> Handler:
        """`answer` behind the faults, the token check and the log."""

        async def handle(request: HTTPRequest) -> Response:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            response: Response | None = None
            try:
                response = await self._faulty(request, token, answer)
            finally:
                self._store.requests.append(
                    Request(
                        request.method,
                        request.url.path,
                        request.url.query,
                        fingerprint(token),
                        response.status_code if response else 0,
                        time.time(),
                    )
                )
            return response

        return handle

    async def _faulty(self, request: HTTPRequest, token: str, answer: Handler) -> Response:
        fault = self._store.take_fault(request.url.path, token or None)
        if fault is None:
            return self._refusal(request, token) or await answer(request)
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.kind == "hang":
            await _hang(request, fault)
        if fault.kind in {"hang", "status"} and fault.status == 200:
            return self._refusal(request, token) or await answer(request)
        if early := _broken(fault):
            return early
        normal = self._refusal(request, token) or await answer(request)
        return _spoiled(normal, fault)

    def _refusal(self, request: HTTPRequest, token: str) -> Response | None:
        if "account" not in request.path_params:
            return None
        account, app = request.path_params["account"].lower(), request.path_params.get("app", "").lower()
        if not token:
            return _problem(problems.MISSING_TOKEN)
        if not _UUID.fullmatch(account):
            return _problem(problems.BAD_ACCOUNT)
        if not self._store.knows(token, account):
            return _problem(problems.INVALID_TOKEN)
        named = [value for key, value in request.path_params.items() if key != "account"]
        if not all(map(_UUID.fullmatch, named)):
            return _problem(problems.BAD_RESOURCE)
        return None if self._store.may_read(token, app) else _problem(problems.FORBIDDEN)

    async def get(self, request: HTTPRequest) -> Response:
        """Retrieve an application backup for an app."""
        for name in request.query_params:
            return _problem(problems.invalid_parameter(name))
        key = (part.lower() for part in (request.path_params[name] for name in ("account", "app", "backup")))
        backup = self._store.backups.get(tuple(key))
        if backup is not None and backup.raw is not None:
            return _json(backup.raw)
        document = backup.document() if backup else None
        return _problem(problems.NOT_FOUND) if document is None else _json(document)

    async def list(self, request: HTTPRequest) -> Response:
        """List the backups of an app, or of the account."""
        for name in request.query_params:
            if name not in _LIST_PARAMETERS:
                return _problem(problems.invalid_parameter(name))
        app = request.path_params.get("app")
        backups = self._store.of_app(request.path_params["account"].lower(), app.lower() if app else None)
        return _page(request, [found for found in map(_as_item, backups) if found is not _NOTHING])

    async def apps(self, request: HTTPRequest) -> Response:
        """List the apps of the account that have backups (path and `include` as in NetApp's page "List the apps")."""
        for name in request.query_params.keys() - _LIST_PARAMETERS:
            return _problem(problems.invalid_parameter(name))
        backups = self._store.of_app(request.path_params["account"].lower(), None)
        ids = dict.fromkeys(each.app for each in backups)
        return _page(request, [{"id": each, "name": f"app-{each[:8]}", "state": "ready"} for each in ids])


def _page(request: HTTPRequest, documents: list[Any]) -> Response:
    """The part of a list that was asked for, and the fields that were."""
    start = int(request.query_params.get("continue") or 0)
    limit = int(request.query_params.get("limit") or len(documents) or 1)
    page: list[Any] = documents[start : start + limit]
    metadata: dict[str, Any] = {"count": len(documents)}
    if start + limit < len(documents):
        metadata["continue"] = str(start + limit)
    if include := request.query_params.get("include"):
        page = [[each.get(name) for name in include.split(",")] for each in page if isinstance(each, dict)]
    return _json({"items": page, "metadata": metadata})


def _as_item(backup: Backup) -> Any:  # noqa: ANN401 - any JSON value
    if backup.raw is None:
        return backup.document() or _NOTHING
    try:
        return json.loads(backup.raw)
    except ValueError:
        return _NOTHING


async def _hang(request: HTTPRequest, fault: Fault) -> None:
    gone = asyncio.ensure_future(request.receive())
    while not fault.cleared.is_set():
        # The first message is the empty body, the next one says that the client has left.
        await asyncio.wait({gone}, timeout=_CHECK_SECONDS)
        if gone.done():
            if gone.result()["type"] == "http.disconnect":
                return
            gone = asyncio.ensure_future(request.receive())
    gone.cancel()


def _broken(fault: Fault) -> Response | None:
    """The answers that do not depend on what would be right."""
    headers = dict(fault.headers)
    match fault.kind:
        case "status":
            body = problems.for_status(fault.status) if fault.body is None else fault.body
            kind = problems.MEDIA_TYPE if fault.body is None else headers.get("Content-Type", "text/plain")
            return Response(body, fault.status, headers, kind)
        case "body":
            return Response(fault.body or b"", 200, headers, headers.get("Content-Type", "application/json"))
        case "redirect":
            return Response(b"", 302, {"Location": "/elsewhere"} | headers)
        case "plain-404":
            return PlainTextResponse("404 page not found\n", 404)
        case _:
            return None


def _spoiled(normal: Response, fault: Fault) -> Response:
    """The right answer, damaged."""
    body = bytes(normal.body)
    if fault.kind == "truncate":
        return Response(body[: len(body) // 2], 200, {"Content-Length": str(len(body))}, "application/json")
    document = json.loads(body)
    if fault.kind == "wrong-id":
        return _json({**document, "id": "00000000-0000-4000-8000-000000000000"})
    if "items" not in document:
        return normal
    items: list[Any] = document["items"]
    if fault.kind == "list-continue":
        return _json({"items": items[:1], "metadata": {"continue": "1"}})
    spoiled = {
        "list-null": [None, *items],
        "list-twice": items + items,
        "list-short": items[1:],
        "list-arrays": [[each["id"], each["name"], each["state"]] for each in items],
    }
    return _json({**document, "items": spoiled.get(fault.kind, items)})
