"""The probe that shows whether the API server is away, and the check of the cluster at the start."""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import METADATA_LIST, REQUEST_TIMEOUT, Reader, collection_path, error_text, failure_text
from astra_mirror.cluster.availability import Availability
from astra_mirror.core.loglines import FailureLog
from astra_mirror.core.write_results import suggests_outage

_PROBE_SECONDS: Final = 5.0
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NAME: Final = "astra-mirror-probe"
_RETRY_SECONDS: Final = 1.0
_REFUSED_SECONDS: Final = 10.0
"""How long a 401 or 403 has to last before it is an error: an API server that has just started sends some of them."""

logger = logging.getLogger(__name__)


class NotUsableError(Exception):
    """The operator cannot work with this cluster; the message says why and what to do.

    Args:
        text: the message.
        is_unknown: whether the cluster does not know the kind.
    """

    def __init__(self, text: str, *, is_unknown: bool = False) -> None:
        super().__init__(text)
        self.is_unknown = is_unknown


class Probe:
    """A GET of an object that does not exist: the smallest request for which the API server queries its storage."""

    def __init__(self, endpoint: Reader, names: Names, namespaces: Sequence[str]) -> None:
        self._endpoint = endpoint
        self._path = f"{collection_path(names, next(iter(namespaces), 'default'))}/{_NAME}"
        self._was_away = False
        self._refused_since: float | None = None

    async def __call__(self) -> str | None:
        """Why the API server is away; None when it is not.

        After an outage the API server refuses every request until it has loaded its RBAC rules. It counts as away until
        then.
        """
        failure, status = await self._request()
        if failure is None and self._was_away and status in _REFUSALS and self._has_just_returned():
            return f"{status} just after its return"
        self._refused_since = None
        self._was_away = failure is not None
        return failure

    def _has_just_returned(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._refused_since = now if self._refused_since is None else self._refused_since
        return now - self._refused_since < _REFUSED_SECONDS

    async def _request(self) -> tuple[str | None, int]:
        """Why the API server is away, None if it is not, and the status code of its response, 0 without one."""
        try:
            status, body = await self._endpoint.get(self._path, seconds=_PROBE_SECONDS)
        except TimeoutError:
            return f"no response within {_PROBE_SECONDS:g}s", 0
        except (aiohttp.ClientError, OSError) as error:
            return error_text(error), 0
        return (failure_text(status, None, body) if suggests_outage(status) else None), status


_ADVICE: Final = {
    HTTPStatus.UNAUTHORIZED: "the API server refuses the credentials",
    HTTPStatus.FORBIDDEN: "the credentials may not list {several}: apply the role in manifests/default",
    HTTPStatus.NOT_FOUND: "the cluster does not know {several}: apply {crd}",
}
_GRACE_SECONDS: Final = {HTTPStatus.UNAUTHORIZED: _REFUSED_SECONDS, HTTPStatus.FORBIDDEN: _REFUSED_SECONDS}


async def wait_for_cluster(
    endpoint: Reader, availability: Availability, names: Names, namespaces: Sequence[str]
) -> None:
    """Wait until a kind's objects can be listed in each namespace; an API server that is away is no failure.

    Raises:
        NotUsableError: the CRD is missing, or the operator may not list its objects.
    """
    for namespace in namespaces or (None,):
        await _wait_for_list(endpoint, availability, names, namespace)


async def _wait_for_list(endpoint: Reader, availability: Availability, names: Names, namespace: str | None) -> None:
    clock = asyncio.get_running_loop().time
    refused_since, failure_log = None, FailureLog()
    while True:
        await availability.wait_until_back()
        status, text = await _try_to_list(endpoint, names, namespace)
        if status == HTTPStatus.OK:
            return
        if status in _ADVICE:
            refused_since = clock() if refused_since is None else refused_since
            if clock() - refused_since >= _GRACE_SECONDS.get(HTTPStatus(status), 0.0):
                advice = _ADVICE[HTTPStatus(status)].format(several=names.several, crd=names.crd)
                raise NotUsableError(advice, is_unknown=status == HTTPStatus.NOT_FOUND)
        else:
            refused_since = None
            availability.request_probe()
        if failure_log.should_log(text) and not availability.is_away:
            logger.warning("%s cannot be listed, trying every second: %s", names.several, text)
        await asyncio.sleep(_RETRY_SECONDS)


async def _try_to_list(endpoint: Reader, names: Names, namespace: str | None) -> tuple[int, str]:
    """The status code, 0 without a response, and the text of the failure."""
    try:
        status, body = await endpoint.get(
            f"{collection_path(names, namespace)}?limit=1", accept=METADATA_LIST, seconds=REQUEST_TIMEOUT
        )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return 0, error_text(error)
    return status, failure_text(status, None, body)
