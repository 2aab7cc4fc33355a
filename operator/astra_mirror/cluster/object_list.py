"""Lists the metadata of all objects of a kind in pages, and checks that each response is such a list.

Only metadata is requested, because nothing else is compared. Pages are small, because the annotations of one object
may have 256 KiB.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import METADATA_LIST, PAGE, REQUEST_TIMEOUT, Reader, collection_path, error_text
from astra_mirror.core.inventory import ListNotUsableError, Page, page_of


async def list_pages(api: Reader, names: Names, namespace: str | None) -> AsyncIterator[Page]:
    """The pages of the list of a namespace or, for None, of all namespaces.

    Raises:
        ListNotUsableError: there was no response, or it is not a list.
    """
    token = ""
    while True:
        more = f"&continue={quote(token, safe='')}" if token else ""
        path = f"{collection_path(names, namespace)}?limit={PAGE}{more}"
        try:
            status, body = await api.get(path, accept=METADATA_LIST, seconds=REQUEST_TIMEOUT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ListNotUsableError(error_text(error)) from error
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
