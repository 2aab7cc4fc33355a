"""Tries whether namespaces exist in which the operator knows of no object, for the log alone.

The role allows to create Events, and nothing about namespaces. So an Event is sent that is not to be stored: whether
the namespace exists, the API server looks first.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from kubernetes.aio import client

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Response, call
from astra_mirror.core.journal.line import Line
from astra_mirror.core.journal.namespaces import Found, NamespaceJournal
from astra_mirror.observability.logs import Log
from astra_mirror.support.scheduler import monotonic

_LOOK_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2
_TIMEOUT_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class Namespaces:
    """What the log says of namespaces.

    Args:
        api: the kubernetes client.
        availability: whether the API server is away.
        named: the namespaces of --namespace.
        used: the namespaces in which there is an object.
    """

    def __init__(
        self,
        api: client.ApiClient,
        availability: Availability,
        named: Sequence[str],
        used: Callable[[], Collection[str]],
    ) -> None:
        self._api = api
        self._availability = availability
        self._used = used
        self._journal = NamespaceJournal(named)
        self._log = Log()

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            to_try, lines = self._journal.look(frozenset(self._used()), monotonic())
            self._write(lines)
            for namespace in to_try:
                await self._availability.wait_until_back()
                found = _meaning(await self._try(namespace))
                self._write(self._journal.found(namespace, found, monotonic()))
                await asyncio.sleep(_PAUSE_SECONDS)

    def ends(self, namespace: str) -> None:
        """Record that something could not be created because the namespace is being deleted, or is gone."""
        self._write(self._journal.ends(namespace))

    async def _try(self, namespace: str) -> Response:
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events?dryRun=All"
        body = {
            "metadata": {"name": "astra-mirror-probe", "namespace": namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "astra-mirror.io/operator",
            "reportingInstance": "astra-mirror",
            "action": "Probe",
            "reason": "Probe",
            "type": "Normal",
            "note": "This is not stored.",
            "regarding": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
        }
        return await call(self._api, "POST", path, body, seconds=_TIMEOUT_SECONDS)

    def _write(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self._log.write(line)


def _meaning(response: Response) -> Found:
    if response.says_no_namespace:
        return Found.MISSING
    if response.says_namespace_ends:
        return Found.ENDS
    return Found.EXISTS if response.code == HTTPStatus.CREATED else Found.UNKNOWN
