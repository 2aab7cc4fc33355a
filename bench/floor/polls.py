"""aiohttp and nothing else: GETs at even distances, so that each finds the process asleep."""

import asyncio
import json
import time
from itertools import cycle
from pathlib import Path

import aiohttp
import click


async def _poll(urls: list[str], token: str, interval: float) -> None:
    """GET each of `urls` every `interval` seconds."""
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            headers={"Accept-Encoding": "gzip"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        due = time.monotonic()
        for url in cycle(urls):
            due += interval / len(urls)
            await asyncio.sleep(due - time.monotonic())
            tasks.create_task(_get(session, url, token))


async def _get(session: aiohttp.ClientSession, url: str, token: str) -> None:
    async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        answer.raise_for_status()
        await answer.read()


@click.command()
@click.option("--namespace", help="of no use here: there are no objects")
@click.option("--backups", required=True, type=Path, help="a JSON file: urls, token, interval")
def main(namespace: str, backups: Path) -> None:
    """Poll until killed."""
    print(f"polling for {namespace}", flush=True)
    asyncio.run(_poll(**json.loads(backups.read_text())))


if __name__ == "__main__":
    main()
