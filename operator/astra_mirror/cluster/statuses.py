"""Reads and writes AppBackupRefs. Each write is fenced: it holds for the very version of the object it was made for."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.core.resource import GROUP, PLURAL, VERSION

_MERGE_PATCH: Final = "application/merge-patch+json"
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """The API server has this object."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist any more."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object is not the version that the write was made for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed. `final`: repeating the same call cannot help."""

    reason: str
    final: bool


class Statuses:
    """AppBackupRefs on the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = client.CustomObjectsApi(api)

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """Send a merge patch of the status to the object `uid` at resourceVersion `version`."""
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": patch}
        try:
            stored: Any = await self._api.patch_namespaced_custom_object_status(
                GROUP, VERSION, namespace, PLURAL, name, body, _content_type=_MERGE_PATCH,
                _request_timeout=REQUEST_TIMEOUT,
            )  # fmt: skip
        except client.ApiException as error:
            return _failure(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Refused(why(error), final=False)
        return Stored(stored)

    async def get(self, namespace: str, name: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is now."""
        try:
            found: Any = await self._api.get_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, name, _request_timeout=REQUEST_TIMEOUT
            )
        except client.ApiException as error:
            return _failure(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Refused(why(error), final=False)
        return Stored(found)

    async def uids(self, namespace: str | None) -> AsyncIterator[str]:
        """The uids of all objects, in pages.

        Raises:
            client.ApiException, aiohttp.ClientError, TimeoutError: a page could not be had.
        """
        token: str | None = None
        while True:
            options: dict[str, Any] = {"limit": _PAGE, "_continue": token, "_request_timeout": REQUEST_TIMEOUT}
            if namespace is None:
                page: Any = await self._api.list_cluster_custom_object(GROUP, VERSION, PLURAL, **options)
            else:
                page = await self._api.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, **options)
            for item in page["items"]:
                yield item["metadata"]["uid"]
            # Kopf's handlers must not wait for the parsing of many pages.
            await asyncio.sleep(0)
            token = page["metadata"].get("continue")
            if not token:
                return


def _failure(error: client.ApiException) -> Gone | Conflict | Refused:
    if error.status == 404:
        return Gone()
    if error.status == 409:
        return Conflict()
    return Refused(why(error), final=error.status in {400, 413, 422})
