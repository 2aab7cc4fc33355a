"""The Secrets that refs use, kept up to date by one watch for each Secret name.

A watch with a field selector on the name is all that the shipped role allows, cluster-wide as well: a rule with
resourceNames authorises it. So the operator never sees any other Secret.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, watch

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.core.connection import Connection, connection_from
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import AllowedURL

_WATCH_SECONDS: Final = 240
_MIN_WATCH_SECONDS: Final = 1.0
"""A server that ends each stream at once is not asked more often than this."""
_FORBIDDEN_SECONDS: Final = 30.0
"""For how long a 403 has to last before it counts: an API server that has just started gives some as well."""
_MAX_NAMES: Final = 250
"""Each name costs a watch, and anybody who may write a ref can make one up."""
_MAX_RETRY_SECONDS: Final = 30.0

logger = logging.getLogger(__name__)

Changed = Callable[[str | None, str], None]
"""Told of a Secret whose content changed: its namespace, or None for all namespaces, and its name."""


@dataclass(slots=True)
class _Followed:
    """What is known of the Secrets of one name."""

    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    refused_since: dict[str | None, float] = field(default_factory=dict)
    synced: set[str | None] = field(default_factory=set)
    forbidden: set[str | None] = field(default_factory=set)
    found: dict[str, Connection | Failed] = field(default_factory=dict)


class SecretStore:
    """Connections, by the namespace and name of their Secret.

    Args:
        api: the API server.
        namespaces: those to look in; empty for all.
        allowed: the administrator's --allowed-url.
        changed: see `Changed`.
    """

    def __init__(
        self, api: client.ApiClient, *, namespaces: Sequence[str], allowed: Sequence[AllowedURL], changed: Changed
    ) -> None:
        self._core = client.CoreV1Api(api)
        self._scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._allowed = allowed
        self._changed = changed
        self._names: dict[str, _Followed] = {}
        self._defect: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Wait for ever; raise what has ended the following of a name, which only a defect can do."""
        await self._defect

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._defect.done():
            self._defect.set_exception(error)

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """What the Secret says; None until that is known, which `changed` tells."""
        followed = self._names.get(name)
        if followed is None and len(self._names) >= _MAX_NAMES:
            return Failed(
                SyncReason.SECRET_FORBIDDEN,
                f"The operator follows Secrets of {_MAX_NAMES} names at most, and as many others are in use.",
            )
        if followed is None:
            followed = self._names[name] = _Followed()
            for scope in self._scopes:
                task = asyncio.get_running_loop().create_task(self._follow(name, scope, followed))
                task.add_done_callback(self._ended)
                followed.tasks.append(task)
        if namespace in followed.found:
            return followed.found[namespace]
        scope = None if self._scopes == (None,) else namespace
        if scope in followed.forbidden:
            return Failed(
                SyncReason.SECRET_FORBIDDEN,
                f"The operator may not read Secrets named {name!r}: an administrator has to add the name to "
                "resourceNames in the ClusterRole astra-mirror.",
            )
        if scope in followed.synced:
            return Failed(
                SyncReason.SECRET_NOT_FOUND,
                f"There is no Secret {name!r} in the namespace {namespace!r}: create it with the keys url and token.",
            )
        return None

    def retain(self, names: set[str]) -> None:
        """Stop following every other name."""
        for name in [each for each in self._names if each not in names]:
            for task in self._names.pop(name).tasks:
                task.cancel()

    async def close(self) -> None:
        """Stop following all."""
        tasks = [task for followed in self._names.values() for task in followed.tasks]
        self.retain(set())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, name: str, scope: str | None, followed: _Followed) -> None:
        delay = 1.0
        while True:
            try:
                version = await self._list(name, scope, followed)
                followed.refused_since.pop(scope, None)
                delay = 1.0
                while True:
                    begun = time.monotonic()
                    version = await self._watch(name, scope, followed, version)
                    await asyncio.sleep(max(_MIN_WATCH_SECONDS - (time.monotonic() - begun), 0.0))
            except client.ApiException as error:
                if error.status == 403:
                    self._lose(name, scope, followed)
                elif error.status != 410:
                    # 410: the version is too old to go on from.
                    logger.warning("Secrets named %r cannot be watched, trying again: %s", name, why(error))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("Secrets named %r cannot be watched, trying again: %s", name, why(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_RETRY_SECONDS)

    def _lose(self, name: str, scope: str | None, followed: _Followed) -> None:
        now = time.monotonic()
        since = followed.refused_since.setdefault(scope, now)
        if scope in followed.synced and now - since < _FORBIDDEN_SECONDS:
            return
        if scope not in followed.forbidden:
            followed.forbidden.add(scope)
            for namespace in [each for each in followed.found if scope in {None, each}]:
                del followed.found[namespace]
            self._changed(scope, name)

    def _call(self, name: str, scope: str | None) -> tuple[Callable[..., Any], dict[str, Any]]:
        options: dict[str, Any] = {"field_selector": f"metadata.name={name}"}
        if scope is None:
            return self._core.list_secret_for_all_namespaces, options
        return self._core.list_namespaced_secret, options | {"namespace": scope}

    async def _list(self, name: str, scope: str | None, followed: _Followed) -> str:
        function, options = self._call(name, scope)
        listed = await function(**options, _request_timeout=REQUEST_TIMEOUT)
        found = {item.metadata.namespace: self._connection(item.data) for item in listed.items}
        before = {each for each in followed.found if scope in {None, each}}
        differs = [each for each in before | set(found) if followed.found.get(each) != found.get(each)]
        for namespace in before - set(found):
            del followed.found[namespace]
        followed.found.update(found)
        if scope not in followed.synced or scope in followed.forbidden:
            followed.synced.add(scope)
            followed.forbidden.discard(scope)
            self._changed(scope, name)
        else:
            for namespace in differs:
                self._changed(namespace, name)
        return str(listed.metadata.resource_version)

    async def _watch(self, name: str, scope: str | None, followed: _Followed, version: str) -> str:
        function, options = self._call(name, scope)
        async with watch.Watch() as stream:  # type: ignore[no-untyped-call]
            async for event in stream.stream(
                function,
                **options,
                resource_version=version,
                timeout_seconds=_WATCH_SECONDS,
                # Beyond the server's own end of the stream: a connection that died in silence.
                _request_timeout=_WATCH_SECONDS + REQUEST_TIMEOUT,
            ):
                if isinstance(event, str):
                    # What the library cannot read it hands on as it is.
                    raise aiohttp.ClientPayloadError("a line was cut off")
                secret = event["object"]
                version = secret.metadata.resource_version
                namespace = secret.metadata.namespace
                before = followed.found.pop(namespace, None)
                if event["type"] != "DELETED":
                    followed.found[namespace] = self._connection(secret.data)
                if followed.found.get(namespace) != before:
                    self._changed(namespace, name)
        return version

    def _connection(self, data: Mapping[str, str] | None) -> Connection | Failed:
        return connection_from(data or {}, self._allowed)
