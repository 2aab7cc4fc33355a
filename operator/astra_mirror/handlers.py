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

    def is_news(event: Mapping[str, Any], **_: Any) -> bool:  # noqa: ANN401 - Kopf passes much more
        # The echo of each of our own PATCHes, whose answer has been taken in: to call a handler costs Kopf far more.
        return event["type"] != "MODIFIED" or mirror.is_news(event["object"]["metadata"])

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, when=is_news)
    async def observed(event: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401 - Kopf passes much more
        body = event["object"]
        if event["type"] == "DELETED":
            mirror.forget(body["metadata"]["uid"])
        else:
            mirror.observe(body, listed=event["type"] is None)

    @kopf.on.login(registry=registry)
    async def logged_in(**_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401 - Kopf passes much more
        return await login()

    return registry


class _NoEssence(kopf.AnnotationsDiffBaseStorage):
    """What Kopf would compare to tell a change: nothing, because the engine does that; it would be a deep copy."""

    def build(self, **_: Any) -> Any:  # noqa: ANN401 - Kopf's type is private
        return None

    def fetch(self, **_: Any) -> Any:  # noqa: ANN401
        return None


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings for an informer."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    # A quarter of an hour: an API server that is upgraded, or a role that is being repaired, is no reason to end.
    settings.networking.error_backoffs = [1, 2, 3, *[5] * 180]
    settings.networking.request_timeout = 60
    settings.persistence.diffbase_storage = _NoEssence()
    # A worker for each object goes when it has been idle for this long: at start, when there is one for each object,
    # a longer time costs several kilobytes an object.
    settings.queueing.idle_timeout = 0.02
    settings.process.ultimate_exiting_timeout = None
    return settings
