"""All AppBackupRefs as the API server lists them: their metadata, a page at a time, each page checked for what it is.

Metadata alone, because nothing else is compared; and small pages, because an object's annotations may have 256 KiB.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json

from astra_mirror.cluster.api import METADATA_LIST, PAGE, REQUEST_TIMEOUT, Reader, collection_path, why
from astra_mirror.core.inventory import ListNotUsableError, Page, page_of


async def listed(api: Reader, namespace: str | None) -> AsyncIterator[Page]:
    """The objects of a namespace, or all of them.

    Raises:
        ListNotUsableError: there was no answer, or it is no list.
    """
    token = ""
    while True:
        path = f"{collection_path(namespace)}?limit={PAGE}" + (f"&continue={quote(token, safe='')}" if token else "")
        try:
            status, body = await api.get(path, accept=METADATA_LIST, seconds=REQUEST_TIMEOUT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ListNotUsableError(why(error)) from error
        if status != HTTPStatus.OK:
            raise ListNotUsableError(f"the API server answers {status}")
        page = _parsed(body)
        del body
        yield page
        token = page.token
        if not token:
            return


def _parsed(body: bytes) -> Page:
    try:
        return page_of(from_json(body))
    except ValueError as error:
        raise ListNotUsableError(str(error)) from error
