"""Records Events of the API group events.k8s.io: best effort, a few at a time, equal ones as a series.

Events are information for people. An Event that the API server does not accept is dropped, not retried.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from kubernetes.aio import client

from astra_mirror.api.meta import FIELD_MANAGER, GROUP, VERSION, Names
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Response, call
from astra_mirror.core.events import Note, event_name
from astra_mirror.core.fair import FairQueue, Others
from astra_mirror.core.journal.roles import is_by_the_role
from astra_mirror.core.refusals import Refusals
from astra_mirror.observability.metrics import QUOTA_REFUSALS
from astra_mirror.support.scheduler import monotonic

_CONTROLLER: Final = "astra-mirror.io/operator"
_MAX_WAITING: Final = 1000
_MAX_WAITING_FOR_NAMESPACE: Final = 100
_RECORDERS: Final = 4
_PAUSE_SECONDS: Final = 0.08
_TIMEOUT_SECONDS: Final = 10.0
_MAX_SERIES: Final = 1000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Event:
    names: Names
    namespace: str
    name: str
    uid: str
    note: Note


class EventRecorder:
    """Records Events: the namespaces are served in turn, and the oldest Event of a namespace goes first.

    Args:
        api: the kubernetes client.
        instance: the name of this process, for the Events' reportingInstance.
        availability: whether the API server is away; Events wait then, within the limits of the queue.
        namespace_ends: called with a namespace that accepts no Events because it is being deleted, or is gone.
    """

    def __init__(
        self,
        api: client.ApiClient,
        instance: str,
        availability: Availability | None = None,
        namespace_ends: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._api = api
        self._instance = instance
        self._availability = availability or Availability()
        self._namespace_ends = namespace_ends
        self._logged = Refusals()
        self._queue: FairQueue[int, _Event] = FairQueue(cap=_MAX_WAITING, cap_for_key=_MAX_WAITING_FOR_NAMESPACE)
        self._numbers = count()
        self._busy: set[str] = set()
        self._wake = asyncio.Event()
        self._series: OrderedDict[str, int] = OrderedDict()
        self._dropped = 0

    @property
    def waiting(self) -> int:
        """The number of Events that wait."""
        return len(self._queue)

    def submit(self, names: Names, namespace: str, name: str, uid: str, note: Note) -> None:
        """Queue an Event about an object; drop it when too many wait, for its namespace or in all."""
        if not self._queue.put((namespace,), next(self._numbers), _Event(names, namespace, name, uid, note)):
            self._dropped += 1
            QUOTA_REFUSALS.labels("events").inc()
        self._wake.set()

    async def run(self) -> None:
        """Record Events until cancelled."""
        async with asyncio.TaskGroup() as recorders:
            for _ in range(_RECORDERS):
                recorders.create_task(self._record_in_turn())

    async def _record_in_turn(self) -> None:
        while True:
            taken = self._queue.take(Others(self._busy))
            if taken is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            event = taken.value
            # One at a time for each namespace: one that accepts no Events occupies no more than one recorder.
            self._busy.add(event.namespace)
            try:
                await self._availability.wait_until_back()
                await self._try(event)
            finally:
                self._busy.discard(event.namespace)
                self._wake.set()
            # Leave the API server time for statuses, which matter more.
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _try(self, event: _Event) -> None:
        if self._dropped and not self._queue:
            logger.warning("%d Events were dropped, because too many were waiting", self._dropped)
            self._dropped = 0
        response = await self._record(event)
        if response.code in {200, 201}:
            return
        if response.suggests_outage:
            self._availability.request_probe()
        if response.says_namespace_ends:
            self._namespace_ends(event.namespace)
        # What the role lacks `request_log` says, once for all namespaces.
        elif not is_by_the_role(response.message):
            self._say_refused(event, response)

    def _say_refused(self, event: _Event, response: Response) -> None:
        """Log why an Event was not recorded, once an hour for each namespace and reason."""
        why = f"{response.code or ''} {response.reason}".strip()
        if self._logged.is_news(event.namespace, why, monotonic()):
            logger.warning(
                "No Event %s for %s/%s: %s %s",
                event.note.reason,
                event.namespace,
                event.name,
                response.code or "",
                response.message,
                extra={"namespaces": [event.namespace]},
            )

    async def _record(self, event: _Event) -> Response:
        note = event.note
        digest = hashlib.sha256(f"{event.uid} {note.reason} {note.text}".encode()).hexdigest()[:16]
        name = event_name(event.name, digest)
        path = f"/apis/events.k8s.io/v1/namespaces/{event.namespace}/events"
        if name not in self._series:
            response = await self._call("POST", path, self._body(name, event))
            # An Event that already exists was recorded by an earlier process.
            if response.reason != "AlreadyExists":
                if response.code == 201:
                    self._count(name, 1)
                return response
        number = self._count(name, self._series.get(name, 1) + 1)
        series = {"series": {"count": number, "lastObservedTime": _now()}}
        response = await self._call("PATCH", f"{path}/{name}", series)
        if response.code != 200:
            # The Event has probably expired: the next one starts a new series.
            self._series.pop(name, None)
        return response

    async def _call(self, method: str, path: str, body: Mapping[str, Any]) -> Response:
        path = f"{path}?fieldManager={FIELD_MANAGER}"
        return await call(self._api, method, path, body, seconds=_TIMEOUT_SECONDS)

    def _count(self, name: str, number: int) -> int:
        self._series[name] = number
        self._series.move_to_end(name)
        if len(self._series) > _MAX_SERIES:
            self._series.popitem(last=False)
        return number

    def _body(self, name: str, event: _Event) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "namespace": event.namespace},
            "eventTime": _now(),
            "reportingController": _CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": "Mirror",
            "reason": event.note.reason,
            "type": event.note.kind,
            "note": event.note.text,
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": event.names.kind,
                "namespace": event.namespace,
                "name": event.name,
                "uid": event.uid,
            },
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
