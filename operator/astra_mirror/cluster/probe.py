"""The operator's own small GET, by which it finds out whether the API server is away, and the check at its start."""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from astra_mirror.cluster.api import METADATA_LIST, REQUEST_TIMEOUT, Reader, collection_path, why, words_of
from astra_mirror.cluster.availability import Availability
from astra_mirror.core.loglines import Complaint
from astra_mirror.core.write_results import is_suspicious

_PROBE_SECONDS: Final = 5.0
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NAME: Final = "astra-mirror-probe"
_RETRY_SECONDS: Final = 1.0
_REFUSED_SECONDS: Final = 10.0
"""For how long a refusal has to last before it counts: an API server that has just started gives some as well."""

logger = logging.getLogger(__name__)


class NotUsableError(Exception):
    """The operator cannot work with this cluster; the message says why and what to do."""


class Probe:
    """A GET of an object that does not exist: the smallest answer for which the API server has to ask its storage."""

    def __init__(self, endpoint: Reader, namespaces: Sequence[str]) -> None:
        self._endpoint = endpoint
        self._path = f"{collection_path(next(iter(namespaces), 'default'))}/{_NAME}"
        self._was_away = False
        self._refused_at: float | None = None

    async def __call__(self) -> str | None:
        """Why the API server is away; None when it is there.

        One that comes back refuses all for a moment, until it has read who may do what: so long it is still away.
        """
        failure, status = await self._ask()
        if failure is None and self._was_away and status in _REFUSALS and self._is_young():
            return f"{status} just after its return"
        self._refused_at = None
        self._was_away = failure is not None
        return failure

    def _is_young(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._refused_at = now if self._refused_at is None else self._refused_at
        return now - self._refused_at < _REFUSED_SECONDS

    async def _ask(self) -> tuple[str | None, int]:
        """Why the API server is away, and the status code of its answer, 0 without one."""
        try:
            status, body = await self._endpoint.get(self._path, seconds=_PROBE_SECONDS)
        except TimeoutError:
            return f"no response within {_PROBE_SECONDS:g}s", 0
        except (aiohttp.ClientError, OSError) as error:
            return why(error), 0
        return (words_of(status, None, body) if is_suspicious(status) else None), status


_ADVICE: Final = {
    HTTPStatus.UNAUTHORIZED: "the API server refuses the credentials",
    HTTPStatus.FORBIDDEN: "the credentials may not list AppBackupRefs: apply the role in manifests/default",
    HTTPStatus.NOT_FOUND: "the cluster does not know AppBackupRefs: apply crds/appbackupref.yaml",
}
_PATIENCE: Final = {HTTPStatus.UNAUTHORIZED: _REFUSED_SECONDS, HTTPStatus.FORBIDDEN: _REFUSED_SECONDS}


async def wait_for_cluster(endpoint: Reader, availability: Availability, namespaces: Sequence[str]) -> None:
    """Return when AppBackupRefs can be listed in each namespace; an API server that is away is waited for.

    Raises:
        NotUsableError: they do not exist, or may not be listed.
    """
    for namespace in namespaces or (None,):
        await _wait_for_list(endpoint, availability, namespace)


async def _wait_for_list(endpoint: Reader, availability: Availability, namespace: str | None) -> None:
    clock = asyncio.get_running_loop().time
    refused_at, complaint = None, Complaint()
    while True:
        await availability.wait_until_back()
        status, words = await _try_to_list(endpoint, namespace)
        if status == HTTPStatus.OK:
            return
        if status in _ADVICE:
            refused_at = clock() if refused_at is None else refused_at
            if clock() - refused_at >= _PATIENCE.get(HTTPStatus(status), 0.0):
                raise NotUsableError(_ADVICE[HTTPStatus(status)])
        else:
            refused_at = None
            availability.suspect()
        if complaint.is_due(words) and not availability.is_away:
            logger.warning("AppBackupRefs cannot be listed, trying every second: %s", words)
        await asyncio.sleep(_RETRY_SECONDS)


async def _try_to_list(endpoint: Reader, namespace: str | None) -> tuple[int, str]:
    """The status code, 0 for no answer, and what was said."""
    try:
        status, body = await endpoint.get(
            f"{collection_path(namespace)}?limit=1", accept=METADATA_LIST, seconds=REQUEST_TIMEOUT
        )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return 0, why(error)
    return status, words_of(status, None, body)
