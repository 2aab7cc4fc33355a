"""Kopf as an informer: it watches AppBackupRefs and hands each event on. No state is stored in the objects.

Kopf's own timers and daemons would put a finalizer on each object, and patch statuses that have not changed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import kopf

from astra_mirror.core.resource import GROUP, PLURAL, VERSION
from astra_mirror.mirror import Mirror


def registry_for(mirror: Mirror, login: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> kopf.OperatorRegistry:
    """The handlers that feed `mirror`; `login` gives the credentials, again when the last ones were refused."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def observed(event: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401 - Kopf passes much more
        body = event["object"]
        if event["type"] == "DELETED":
            mirror.forget(body["metadata"]["uid"])
        else:
            mirror.observe(body)

    @kopf.on.login(registry=registry)
    async def logged_in(**_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401 - Kopf passes much more
        return await login()

    return registry


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings for an informer."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    # A quarter of an hour: an API server that is upgraded, or a role that is being repaired, is no reason to end.
    settings.networking.error_backoffs = [1, 2, 3, 5, 8, 13, 21, 34, 55, *[60] * 12]
    settings.networking.request_timeout = 60
    # A worker for each object goes when it has been idle for this long; at start there are as many as objects.
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = None
    return settings
