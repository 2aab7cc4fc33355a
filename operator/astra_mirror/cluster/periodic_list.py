"""All AppBackupRefs as the API server lists them: their metadata, a page at a time, each page checked for what it is.

Metadata alone, because nothing else is compared; and small pages, because an object's annotations may have 256 KiB.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.cluster.probe import Reader, collection_path
from astra_mirror.core.inventory import LIST_KIND, ListNotUsableError, Page, page_of

PAGE: Final = 50
"""Objects a page: 13 MiB of the largest annotations, three times that while a page is parsed."""
_ACCEPT: Final = f"application/json;as={LIST_KIND};g=meta.k8s.io;v=v1"


async def listed(api: Reader, namespace: str | None) -> AsyncIterator[Page]:
    """The objects of a namespace, or all of them.

    Raises:
        ListNotUsableError: there was no answer, or it is no list.
    """
    token = ""
    while True:
        path = f"{collection_path(namespace)}?limit={PAGE}" + (f"&continue={quote(token, safe='')}" if token else "")
        try:
            status, body = await api.get(path, accept=_ACCEPT, seconds=REQUEST_TIMEOUT)
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
