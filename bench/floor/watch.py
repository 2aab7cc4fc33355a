"""The libraries that the operator needs and one Kopf watch whose handler does nothing: an idle process's memory."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import click
import kopf
import kubernetes.aio
import prometheus_client
import pydantic
import pydantic_settings
import pythonjsonlogger

NEEDED = (
    aiohttp, click, kubernetes.aio, prometheus_client, pydantic, pydantic_settings, pythonjsonlogger,
)  # fmt: skip
"""Imported because the operator needs them; Kopf alone is used here."""


class _NoEssence(kopf.AnnotationsDiffBaseStorage):
    """Keeps Kopf from copying each object."""

    def build(self, **_: Any) -> Any:  # noqa: ANN401 - Kopf's type is private
        return None

    def fetch(self, **_: Any) -> Any:  # noqa: ANN401
        return None


async def watch(namespace: str, handler: Callable[..., Awaitable[None]]) -> None:
    """Call `handler` with each event, for ever."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    kopf.on.event("astra-mirror.io", "v1", "appbackuprefs", registry=registry)(handler)
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 50
    settings.queueing.idle_timeout = 0.02
    settings.persistence.diffbase_storage = _NoEssence()
    await kopf.operator(registry=registry, settings=settings, standalone=True, namespaces=[namespace])


def start(namespace: str, handler: Callable[..., Awaitable[None]], *others: Awaitable[None]) -> None:
    """Watch, and run `others` beside it."""
    gc.freeze()
    gc.set_threshold(2_500, 20, 2_000)
    print("started", flush=True)
    asyncio.run(_all(watch(namespace, handler), *others))


async def _all(*work: Awaitable[None]) -> None:
    await asyncio.gather(*work)


async def _nothing(**_: object) -> None:
    """Take an event, and do nothing with it."""


@click.command()
@click.option("--namespace", required=True)
def main(namespace: str) -> None:
    """Watch until killed."""
    start(namespace, _nothing)


if __name__ == "__main__":
    main()
