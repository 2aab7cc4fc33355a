"""Records Events of the API group events.k8s.io: a few at a time, best effort, the same one as a series.

An Event is there to be read by a person: it is dropped rather than repeated when the API server is busy or away.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.core.events import Note
from astra_mirror.core.resource import GROUP, KIND, VERSION

_CONTROLLER: Final = "astra-mirror.io/operator"
_MAX_WAITING: Final = 1000
_PAUSE_SECONDS: Final = 0.02
_MAX_SERIES: Final = 1000
_CONFLICT: Final = 409

logger = logging.getLogger(__name__)


class EventRecorder:
    """Writes Events, oldest first.

    Args:
        api: the API server.
        instance: the name of this process, for the Events' reportingInstance.
    """

    def __init__(self, api: client.ApiClient, instance: str) -> None:
        self._events = client.EventsV1Api(api)
        self._instance = instance
        self._queue: asyncio.Queue[tuple[str, str, str, Note]] = asyncio.Queue(_MAX_WAITING)
        self._series: OrderedDict[str, int] = OrderedDict()
        self._dropped = 0

    def submit(self, namespace: str, name: str, uid: str, note: Note) -> None:
        """Record `note` about an AppBackupRef soon; drop it when too many are waiting."""
        try:
            self._queue.put_nowait((namespace, name, uid, note))
        except asyncio.QueueFull:
            self._dropped += 1

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            namespace, name, uid, note = await self._queue.get()
            if self._dropped and self._queue.empty():
                logger.warning("%d Events were dropped, because %d were waiting", self._dropped, _MAX_WAITING)
                self._dropped = 0
            try:
                await self._record(namespace, name, uid, note)
            except client.ApiException as error:
                # 404: the namespace is gone, 403 with `NamespaceTerminating`: it is about to.
                if error.status not in {403, 404} or "Terminating" not in str(error.body):
                    logger.warning("No Event %s for %s/%s: %s", note.reason, namespace, name, why(error))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("No Event %s for %s/%s: %s", note.reason, namespace, name, why(error))
            # Statuses matter more: Events never take more than a part of the API server's time.
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _record(self, namespace: str, name: str, uid: str, note: Note) -> None:
        digest = hashlib.sha256(f"{uid} {note.reason} {note.text}".encode()).hexdigest()[:16]
        event = f"{name[:200]}.{digest}"
        if event not in self._series:
            try:
                await self._events.create_namespaced_event(
                    namespace, self._body(event, namespace, name, uid, note), _request_timeout=REQUEST_TIMEOUT
                )
            except client.ApiException as error:
                # Recorded before this process was there.
                if error.status != _CONFLICT or "AlreadyExists" not in str(error.body):
                    raise
            else:
                self._count(event, 1)
                return
        count = self._count(event, self._series.get(event, 1) + 1)
        series = {"count": count, "lastObservedTime": _now()}
        try:
            await self._events.patch_namespaced_event(
                event,
                namespace,
                {"series": series},
                _content_type="application/merge-patch+json",
                _request_timeout=REQUEST_TIMEOUT,
            )
        except client.ApiException:
            # It has expired, most likely: the next one is a new one.
            self._series.pop(event, None)
            raise

    def _count(self, event: str, count: int) -> int:
        self._series[event] = count
        self._series.move_to_end(event)
        if len(self._series) > _MAX_SERIES:
            self._series.popitem(last=False)
        return count

    def _body(self, event: str, namespace: str, name: str, uid: str, note: Note) -> Any:  # noqa: ANN401 - JSON
        return {
            "metadata": {"name": event, "namespace": namespace},
            "eventTime": _now(),
            "reportingController": _CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": "Mirror",
            "reason": note.reason,
            "type": note.kind,
            "note": note.text,
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
