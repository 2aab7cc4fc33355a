"""The user name and the password for a proxy are in no failure and in no status, whoever says them."""

import base64
import json
import traceback
from typing import Final

import aiohttp
import pytest

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.egress import Egress
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.astra.test_exchange import DOCUMENT, ID, TOKEN, serving

PASSWORD: Final = "open:sesame/42"
BASIC: Final = base64.b64encode(f"mirror:{PASSWORD}".encode()).decode()
ECHOES: Final = [PASSWORD, f"Basic {BASIC}", BASIC, "open%3Asesame%2F42", "OPEN:SESAME/42"]
SCHEMES: Final = pytest.mark.parametrize("scheme", ["http", "https"])


def _egress(proxy_url: str) -> Egress:
    return Egress.parse(proxy_url.replace("://", "://mirror:open%3Asesame%2F42@"), [], {})


def _response(code: int, document: object, *headers: str) -> bytes:
    body = json.dumps(document)
    head = "".join(f"{each}\r\n" for each in (*headers, "Content-Type: application/json"))
    return f"HTTP/1.1 {code} {BASIC}\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _ask(sent: bytes, scheme: str) -> Answer:
    url = BaseURL.parse(f"{scheme}://astra.example")
    async with serving(sent) as proxy:
        clients = ClientPool([AllowedURL.parse(str(url))], egress=_egress(proxy.url))
        outcome = await AstraClient(clients, 5.0).get_backup(Connection(url, TOKEN), DOCUMENT)
        await clients.close()
    return outcome


def _shows(text: str) -> list[str]:
    """What of the password is in a text."""
    lower = text.lower()
    return [each for each in ("sesame", "mirror:", BASIC.lower()[:12], "open%3a") if each in lower]


@SCHEMES
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("code", [400, 403, 404, 407, 500, 502])
async def test_a_proxy_that_echoes_it_in_an_error(code: int, echo: str, scheme: str) -> None:
    """In a body that counts as the server's, and in one that nobody reads; in the status line and in headers."""
    problem = {
        "type": "x",
        "title": f"Denied {echo}",
        "detail": f"for {echo}",
        "status": str(code),
        "correlationID": echo,
    }
    outcome = await _ask(_response(code, problem, f"Via: {echo}", f"Retry-After: {echo}"), scheme)
    assert _shows(repr(outcome)) == []
    if scheme == "http" and code != 407:
        assert "Denied" in repr(outcome)


@pytest.mark.parametrize("echo", ECHOES)
async def test_a_backup_that_has_it(echo: str) -> None:
    """Of plain http the proxy sees all, and may write anything."""
    document = {"id": ID, "state": "failed", "stateUnready": [f"why {echo}"], "name": f"mine {echo}"}
    outcome = await _ask(_response(200, document), "http")
    assert isinstance(outcome, Observed)
    assert _shows(repr(outcome)) == []
    assert "why" in repr(outcome)


async def test_a_list_that_has_it() -> None:
    """As a backup."""
    item = {"id": ID, "state": "failed", "stateUnready": [f"why {BASIC}"]}
    url = BaseURL.parse("http://astra.example")
    async with serving(_response(200, {"items": [item], "metadata": {}})) as proxy:
        clients = ClientPool([AllowedURL.parse(str(url))], egress=_egress(proxy.url))
        listed = await AstraClient(clients, 5.0).list_backups(
            Connection(url, TOKEN), Collection(ID, ID), Known({ID: None})
        )
        await clients.close()
    assert isinstance(listed, Listed)
    assert ID in listed.found
    assert _shows(repr(listed)) == []


@SCHEMES
@pytest.mark.parametrize(
    "sent",
    [
        f"HTTP/1.1 200 {BASIC}\r\n{PASSWORD}",
        f"{BASIC} {PASSWORD}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nX: {PASSWORD}\x00\r\n\r\n",
        f"HTTP/1.1 407 {PASSWORD}\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_no_error_has_it(sent: str, scheme: str) -> None:
    """Not even the exception, which no log has: aiohttp's quote headers, and bytes that they could not parse."""
    url = BaseURL.parse(f"{scheme}://astra.example")
    async with serving(sent.encode()) as proxy:
        clients = ClientPool([AllowedURL.parse(str(url))], egress=_egress(proxy.url))
        connection = Connection(url, TOKEN)
        outcome = await AstraClient(clients, 5.0).get_backup(connection, DOCUMENT)
        assert isinstance(outcome, Failed)
        assert _shows(repr(outcome)) == []
        if scheme == "https" or "407" in sent:
            async with clients.use(TLS()) as client:
                try:
                    await client.get(url, "/", TOKEN)
                except (aiohttp.ClientError, OSError) as error:
                    text = "".join(traceback.format_exception(error)) + repr(error)
                else:
                    text = ""
            assert _shows(text) == []
        await clients.close()
