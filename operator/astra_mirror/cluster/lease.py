"""Leader election by a Lease, so that of several operators one works, and a reader sees that it lives.

The client library's elector has no time-outs, ends on the first network error and does not release. Writes are fenced
by the Lease's resourceVersion, so two candidates cannot both succeed.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Final

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import why
from astra_mirror.cluster.availability import Availability
from astra_mirror.core.lease import ATTEMPT, DURATION, RENEW_DEADLINE, RETRY, Record, Sighting, may_take, sight
from astra_mirror.core.loglines import Complaint

_CALL_TIMEOUT: Final = 5.0


class _NotALeaseError(Exception):
    """The answer to a call is not the Lease; something between the operator and the API server may answer as well."""


_FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, _NotALeaseError)

logger = logging.getLogger(__name__)


class Elector:
    """One candidate for one Lease.

    Its calls do not wait for an API server that is away: the Lease is what shows whether this process may go on.
    """

    def __init__(
        self, api: client.ApiClient, availability: Availability, *, namespace: str, name: str, identity: str
    ) -> None:
        self._leases = client.CoordinationV1Api(api)
        self._availability = availability
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._sighting: Sighting | None = None
        self._transitions = 0
        self._acquired_at = datetime.now(UTC)
        self._complaint = Complaint()
        self._renewed_at = 0.0
        self._holds = False

    async def acquire(self) -> None:
        """Wait until the Lease is held by this process, with an attempt every second."""
        logger.info("Waiting for the Lease %s/%s as %s", self._namespace, self._name, self._identity)
        while True:
            begun = time.monotonic()
            if await self._try_to_hold():
                break
            await asyncio.sleep(ATTEMPT)
        self._renewed_at = begun
        self._holds = True
        logger.info("Holding the Lease %s/%s", self._namespace, self._name)

    async def keep(self) -> None:
        """Renew the Lease; return when it is lost: another process may hold it now, and this one must not work."""
        try:
            await self._renew_until_lost()
        finally:
            self._holds = not self._taken() and time.monotonic() - self._renewed_at < RENEW_DEADLINE
        logger.warning(
            "The Lease %s/%s was lost: nothing is polled or written until it is held again", self._namespace, self._name
        )

    async def release(self) -> None:
        """Let another candidate take the Lease at once; does nothing unless it is held."""
        if self._holds and self._sighting is not None:
            self._holds = False
            try:
                await self._replace("", self._sighting.record.version, duration=1)
            except (client.ApiException, *_FAILURES) as error:
                logger.warning("The Lease could not be released, it will expire: %s", why(error))

    async def _renew_until_lost(self) -> None:
        pause = RETRY
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            try:
                # A call that hangs must not carry us past the time at which another may take over.
                async with asyncio.timeout(self._renewed_at + RENEW_DEADLINE - begun):
                    renewed = await self._try_to_hold()
            except TimeoutError:
                self._availability.suspect()
                return
            pause = RETRY if renewed else ATTEMPT
            if renewed:
                self._renewed_at = begun
            elif self._taken():
                return

    def _taken(self) -> bool:
        return self._sighting is not None and self._sighting.record.holder not in {"", self._identity}

    async def _try_to_hold(self) -> bool:
        try:
            record = await self._read()
            if record is None:
                await self._create()
            elif not await self._take(record):
                return False
        except client.ApiException as error:
            # 409: another one was faster.
            if error.status != 409:
                self._failed(error)
            return False
        except _FAILURES as error:
            self._failed(error)
            return False
        self._complaint.end()
        return True

    async def _take(self, record: Record) -> bool:
        now = time.monotonic()
        self._sighting = sight(record, self._sighting, now)
        if not may_take(self._sighting, self._identity, now):
            return False
        if record.holder != self._identity:
            self._transitions += 1
            self._acquired_at = datetime.now(UTC)
        await self._replace(self._identity, record.version, duration=round(DURATION))
        return True

    def _failed(self, error: Exception) -> None:
        self._availability.suspect()
        # That the API server is away is logged by the probe.
        if self._complaint.is_due(why(error)) and not self._availability.is_away:
            logger.warning("The Lease %s/%s cannot be had, trying again: %s", self._namespace, self._name, why(error))

    async def _read(self) -> Record | None:
        try:
            lease = await self._asked(
                self._leases.read_namespaced_lease(self._name, self._namespace, _request_timeout=_CALL_TIMEOUT)
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        self._transitions = (lease.spec and lease.spec.lease_transitions) or 0
        return _record(lease)

    async def _create(self) -> None:
        body = self._lease(self._identity, None, round(DURATION))
        call = self._leases.create_namespaced_lease(self._namespace, body, _request_timeout=_CALL_TIMEOUT)
        self._saw(await self._asked(call), self._identity)

    async def _replace(self, holder: str, version: str, *, duration: int) -> None:
        body = self._lease(holder, version, duration)
        call = self._leases.replace_namespaced_lease(self._name, self._namespace, body, _request_timeout=_CALL_TIMEOUT)
        self._saw(await self._asked(call), holder)

    async def _asked(self, call: Awaitable[client.V1Lease]) -> client.V1Lease:
        """The Lease that is the answer."""
        try:
            lease = await call
        except ValueError:
            # No JSON, or of another shape. What the library says of it may be pages.
            raise _NotALeaseError("the answer is no Lease") from None
        metadata = lease.metadata
        if metadata is None or not metadata.resource_version or metadata.name != self._name:
            raise _NotALeaseError("the answer is not this Lease")
        return lease

    def _saw(self, lease: client.V1Lease, holder: str) -> None:
        record = _record(lease)
        if record.holder != holder:
            raise _NotALeaseError("the answer is a Lease of another holder than the one that was written")
        self._sighting = Sighting(record, time.monotonic())

    def _lease(self, holder: str, version: str | None, duration: int) -> client.V1Lease:
        now = datetime.now(UTC)
        return client.V1Lease(
            metadata=client.V1ObjectMeta(name=self._name, namespace=self._namespace, resource_version=version),
            spec=client.V1LeaseSpec(
                holder_identity=holder,
                lease_duration_seconds=duration,
                acquire_time=self._acquired_at,
                renew_time=now,
                lease_transitions=self._transitions,
            ),
        )


def _record(lease: client.V1Lease) -> Record:
    holder = lease.spec.holder_identity if lease.spec else None
    version = lease.metadata.resource_version if lease.metadata else None
    return Record(holder or "", version or "")
