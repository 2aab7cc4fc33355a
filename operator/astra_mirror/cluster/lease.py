"""Leader election by a Lease, so that one of several operators works; the Lease also shows that one is alive.

The client library's elector has no time-outs, ends on the first network error and does not release the Lease. Here
each write carries the resourceVersion that was read, so two candidates cannot both succeed.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Final

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import error_text
from astra_mirror.cluster.availability import Availability
from astra_mirror.core.journal.roles import is_by_the_role
from astra_mirror.core.lease import (
    LEASE_DURATION,
    RENEW_DEADLINE,
    RENEW_PERIOD,
    RETRY_PERIOD,
    ObservedRecord,
    Record,
    may_take,
    observe,
)
from astra_mirror.core.loglines import FailureLog

_CALL_TIMEOUT: Final = 5.0


class _NotALeaseError(Exception):
    """The response to a call is not the Lease; a proxy between the operator and the API server may have sent it."""


_FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, _NotALeaseError)

logger = logging.getLogger(__name__)


class Elector:
    """One candidate for one Lease.

    Its calls do not wait while the API server is away, because they decide whether this process is still the leader.
    """

    def __init__(
        self, api: client.ApiClient, availability: Availability, *, namespace: str, name: str, identity: str
    ) -> None:
        self._leases = client.CoordinationV1Api(api)
        self._availability = availability
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._observed: ObservedRecord | None = None
        self._transitions = 0
        self._acquired_at = datetime.now(UTC)
        self._failure_log = FailureLog()
        self._renewed_at = 0.0
        self._holds = False

    async def acquire(self) -> None:
        """Wait until this process holds the Lease; try every second."""
        logger.info("Waiting for the Lease %s/%s as %s", self._namespace, self._name, self._identity)
        while True:
            begun = time.monotonic()
            if await self._try_to_hold():
                break
            await asyncio.sleep(RETRY_PERIOD)
        self._renewed_at = begun
        self._holds = True
        logger.info("Holding the Lease %s/%s", self._namespace, self._name)

    async def keep(self) -> None:
        """Renew the Lease until it is lost. After that another process may hold it, and this one must stop working."""
        try:
            await self._renew_until_lost()
        finally:
            self._holds = not self._is_held_by_another() and time.monotonic() - self._renewed_at < RENEW_DEADLINE
        logger.warning(
            "The Lease %s/%s was lost: nothing is polled or written until it is held again", self._namespace, self._name
        )

    async def release(self) -> None:
        """Release the Lease, so that another candidate may take it at once; does nothing unless it is held."""
        if self._holds and self._observed is not None:
            self._holds = False
            try:
                await self._replace("", self._observed.record.version, duration=1)
            except (client.ApiException, *_FAILURES) as error:
                logger.warning("The Lease could not be released, it will expire: %s", error_text(error))

    async def _renew_until_lost(self) -> None:
        pause = RENEW_PERIOD
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            try:
                # A call that hangs must end before another candidate may take the Lease.
                async with asyncio.timeout(self._renewed_at + RENEW_DEADLINE - begun):
                    renewed = await self._try_to_hold()
            except TimeoutError:
                self._availability.request_probe()
                return
            pause = RENEW_PERIOD if renewed else RETRY_PERIOD
            if renewed:
                self._renewed_at = begun
            elif self._is_held_by_another():
                return

    def _is_held_by_another(self) -> bool:
        return self._observed is not None and self._observed.record.holder not in {"", self._identity}

    async def _try_to_hold(self) -> bool:
        try:
            record = await self._read()
            if record is None:
                await self._create()
            elif not await self._take(record):
                return False
        except client.ApiException as error:
            # 409: another candidate was faster.
            if error.status != 409:
                self._failed(error)
            return False
        except _FAILURES as error:
            self._failed(error)
            return False
        self._failure_log.succeeded()
        return True

    async def _take(self, record: Record) -> bool:
        now = time.monotonic()
        self._observed = observe(record, self._observed, now)
        if not may_take(self._observed, self._identity, now):
            return False
        if record.holder != self._identity:
            self._transitions += 1
            self._acquired_at = datetime.now(UTC)
        await self._replace(self._identity, record.version, duration=round(LEASE_DURATION))
        return True

    def _failed(self, error: Exception) -> None:
        self._availability.request_probe()
        # The probe logs that the API server is away, and `request_log` what the role lacks.
        is_by_role = isinstance(error, client.ApiException) and is_by_the_role(str(error.body))
        if not is_by_role and self._failure_log.should_log(error_text(error)) and not self._availability.is_away:
            logger.warning(
                "The Lease %s/%s cannot be had, trying again: %s", self._namespace, self._name, error_text(error)
            )

    async def _read(self) -> Record | None:
        try:
            lease = await self._checked(
                self._leases.read_namespaced_lease(self._name, self._namespace, _request_timeout=_CALL_TIMEOUT)
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        self._transitions = (lease.spec and lease.spec.lease_transitions) or 0
        return _record(lease)

    async def _create(self) -> None:
        body = self._lease(self._identity, None, round(LEASE_DURATION))
        call = self._leases.create_namespaced_lease(self._namespace, body, _request_timeout=_CALL_TIMEOUT)
        self._remember(await self._checked(call), self._identity)

    async def _replace(self, holder: str, version: str, *, duration: int) -> None:
        body = self._lease(holder, version, duration)
        call = self._leases.replace_namespaced_lease(self._name, self._namespace, body, _request_timeout=_CALL_TIMEOUT)
        self._remember(await self._checked(call), holder)

    async def _checked(self, call: Awaitable[client.V1Lease]) -> client.V1Lease:
        """The Lease that a call returns, after a check that it is this one."""
        try:
            lease = await call
        except ValueError:
            # The body is not JSON, or not a Lease. The client library's message may quote all of it.
            raise _NotALeaseError("the answer is no Lease") from None
        metadata = lease.metadata
        if metadata is None or not metadata.resource_version or metadata.name != self._name:
            raise _NotALeaseError("the answer is not this Lease")
        return lease

    def _remember(self, lease: client.V1Lease, holder: str) -> None:
        record = _record(lease)
        if record.holder != holder:
            raise _NotALeaseError("the answer is a Lease of another holder than the one that was written")
        self._observed = ObservedRecord(record, time.monotonic())

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
