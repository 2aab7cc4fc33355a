"""Lists the metadata of all objects of a kind in pages, and checks that each response is such a list.

Only metadata is requested, because nothing else is compared. Pages are small, because the annotations of one object
may have 256 KiB.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import METADATA_LIST, PAGE, REQUEST_TIMEOUT, Reader, collection_path, error_text
from astra_mirror.core.inventory import ListNotUsableError, Page, page_of

_VERSION_SECONDS: Final = 5.0


async def list_pages(api: Reader, names: Names, namespace: str | None) -> AsyncIterator[Page]:
    """The pages of the list of a namespace or, for None, of all namespaces.

    Raises:
        ListNotUsableError: there was no response, or it is not a list.
    """
    token = ""
    while True:
        more = f"&continue={quote(token, safe='')}" if token else ""
        page = await _page(api, f"{collection_path(names, namespace)}?limit={PAGE}{more}", REQUEST_TIMEOUT)
        yield page
        token = page.token
        if not token:
            return


async def latest_version(api: Reader, names: Names, namespace: str | None) -> str | None:
    """The list's resourceVersion at present: no object in it has a newer one. None if it cannot be read.

    The API server answers a list without a resourceVersion consistently, not from a cache that may be behind.
    """
    with suppress(ListNotUsableError):
        return (await _page(api, f"{collection_path(names, namespace)}?limit=1", _VERSION_SECONDS)).version
    return None


async def _page(api: Reader, path: str, seconds: float) -> Page:
    try:
        status, body = await api.get(path, accept=METADATA_LIST, seconds=seconds)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ListNotUsableError(error_text(error)) from error
    if status != HTTPStatus.OK:
        raise ListNotUsableError(f"the API server answers {status}")
    try:
        return page_of(from_json(body))
    except ValueError as error:
        raise ListNotUsableError(str(error)) from error
