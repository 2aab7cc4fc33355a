"""Kopf's watch, and a raw client that patches the status of each object once: a first pass without our code."""

import asyncio
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from bench.floor.watch import start
from bench.raw import session

_AT_ONCE: Final = 20


class Patcher:
    """Patches each object that the watch reports, when it is reported for the first time.

    Args:
        status: what is written into each of them.
    """

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status
        self._reported: set[str] = set()
        self._waiting: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    async def take(self, body: Mapping[str, Any], **_: object) -> None:
        """Receive an event."""
        metadata = body["metadata"]
        if metadata["uid"] not in self._reported:
            self._reported.add(metadata["uid"])
            self._waiting.put_nowait(metadata)

    async def run(self) -> None:
        """Patch for ever, as many at once as the operator does."""
        async with session(Path(os.environ["KUBECONFIG"])) as client, asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work(client))

    async def _work(self, client: aiohttp.ClientSession) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        while True:
            metadata = await self._waiting.get()
            fences = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            body = json.dumps({"metadata": fences, "status": self._status}).encode()
            objects = f"/apis/astra-mirror.io/v1/namespaces/{metadata['namespace']}/appbackuprefs"
            path = f"{objects}/{metadata['name']}/status?fieldManager=astra-mirror"
            async with client.patch(path, data=io.BytesIO(body), headers=headers) as answer:
                answer.raise_for_status()
                await answer.json()


@click.command()
@click.option("--namespace", required=True)
@click.option("--status", required=True, help="as JSON")
def main(namespace: str, status: str) -> None:
    """Watch and patch until killed."""
    patcher = Patcher(json.loads(status))
    start(namespace, patcher.take, patcher.run())


if __name__ == "__main__":
    main()
