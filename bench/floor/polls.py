"""httpx over the aiohttp transport and nothing else: GETs at even distances, so that each finds the process asleep."""

import asyncio
import json
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import cycle
from pathlib import Path

import aiohttp
import click
import httpx
from httpx_aiohttp import AiohttpTransport


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def _poll(urls: list[str], token: str, interval: float) -> None:
    """GET each of `urls` every `interval` seconds."""
    async with (
        httpx.AsyncClient(
            transport=AiohttpTransport(client=_session),
            headers={"Accept-Encoding": "gzip"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(None, connect=5.0),
            trust_env=False,
        ) as client,
        asyncio.TaskGroup() as tasks,
    ):
        due = time.monotonic()
        for url in cycle(urls):
            due += interval / len(urls)
            await asyncio.sleep(due - time.monotonic())
            tasks.create_task(_get(client, url, token))


async def _get(client: httpx.AsyncClient, url: str, token: str) -> None:
    answer = await client.get(url, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()


@click.command()
@click.option("--namespace", help="of no use here: there are no objects")
@click.option("--backups", required=True, type=Path, help="a JSON file: urls, token, interval")
def main(namespace: str, backups: Path) -> None:
    """Poll until killed."""
    print(f"polling for {namespace}", flush=True)
    asyncio.run(_poll(**json.loads(backups.read_text())))


if __name__ == "__main__":
    main()
