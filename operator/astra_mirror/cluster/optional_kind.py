"""The informer of a kind without which the operator works as well: its CRD or its role may be missing."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import REQUEST_TIMEOUT, collection_path
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.feed import Engine
from astra_mirror.cluster.informer import Informer
from astra_mirror.cluster.periodic_list import Objects
from astra_mirror.cluster.probe import NotUsableError, wait_for_cluster

ASK_SECONDS: Final = 60.0
"""How often it is looked whether the kind is there."""
_WATCH_OF_NOTHING: Final = "watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dastra-mirror-probe"
"""A watch of one object that does not exist, which ends after a second."""

logger = logging.getLogger(__name__)


class OptionalInformer(Informer):
    """An informer that waits until objects of its kind can be listed and watched, also when they no longer can.

    While it waits, it does not count for /readyz.

    Args: as those of an informer.
    """

    def __init__(
        self,
        names: Names,
        endpoint: Endpoint,
        availability: Availability,
        *,
        objects: Objects,
        namespaces: Sequence[str],
        engine: Engine,
        kopf_started: Callable[[], None],
    ) -> None:
        super().__init__(
            names,
            endpoint,
            availability,
            objects=objects,
            namespaces=namespaces,
            engine=engine,
            kopf_started=kopf_started,
        )
        self._availability = availability
        self._engine = engine
        self._namespaces = namespaces
        self._is_there = False

    @property
    def not_ready_reason(self) -> str | None:
        """What has not been listed or is not watched yet; None when all is, or the kind is not there."""
        return super().not_ready_reason if self._is_there else None

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run, with its name in the log."""
        yield self._run(), f"informer of {self._names.several}"

    async def _run(self) -> None:
        # The watch says by itself that the CRD of what it watches has gone, and that it is back.
        is_said, was_there = False, False
        while True:
            failure = await self._failure()
            if failure is None:
                if is_said:
                    logger.info("%s are managed now", self._names.several)
                is_said, was_there = False, True
                await self._inform_until_gone()
                continue
            if not is_said and not (was_there and failure.is_unknown):
                logger.warning("%s are not managed: %s", self._names.several, failure)
                is_said = True
            await asyncio.sleep(ASK_SECONDS)

    async def _inform_until_gone(self) -> None:
        self._is_there = True
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work, name=name) for work, name in super().tasks()]
            await self._wait_until_gone()
            self._is_there = False
            for each in running:
                each.cancel()
        # Nobody says any more what becomes of them. Objects that are still there are new when the kind is back.
        for uid, (namespace, _) in self._engine.objects().items():
            self._engine.deleted(uid, namespace)
        self._engine.forget_others(set())

    async def _wait_until_gone(self) -> None:
        failure = None
        while failure is None:
            await asyncio.sleep(ASK_SECONDS)
            failure = await self._failure()

    async def _failure(self) -> NotUsableError | None:
        """Why the kind cannot be looked after; None if it can."""
        try:
            await wait_for_cluster(self._endpoint, self._availability, self._names, self._namespaces)
            await self._check_watch()
        except NotUsableError as error:
            return error
        return None

    async def _check_watch(self) -> None:
        """Check that the kind may be watched as well: otherwise the operator would never be ready.

        Raises:
            NotUsableError: the role lacks the verb.
        """
        for scope in self._namespaces or (None,):
            path = f"{collection_path(self._names, scope)}?{_WATCH_OF_NOTHING}"
            try:
                status, _ = await self._endpoint.get(path, seconds=REQUEST_TIMEOUT)
            except (aiohttp.ClientError, TimeoutError, OSError):
                # The watch itself tries again, and says so.
                continue
            if status == HTTPStatus.FORBIDDEN:
                raise NotUsableError(
                    f"the credentials may not watch {self._names.several}: apply the role in manifests/default"
                )
