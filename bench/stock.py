"""The baseline: what one writes in an afternoon with Kopf's timer and one httpx GET a tick.

It is a fair one: a shared HTTP client, and a status that is written only when it has changed.
"""

import asyncio
import base64
from typing import Any

import httpx
import kopf
from kubernetes.aio import client, config

INTERVAL = 15.0
_AT_ONCE = 50
_state: dict[str | None, Any] = {}


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:  # noqa: ANN401 - Kopf passes much more
    """One client for all, and no queue in its pool, where waiting is dear."""
    settings.posting.enabled = False
    _state["http"] = httpx.AsyncClient(timeout=10.0, limits=httpx.Limits(max_connections=_AT_ONCE))
    _state["room"], _state["lock"] = asyncio.Semaphore(_AT_ONCE), asyncio.Lock()


@kopf.timer("appbackuprefs", interval=INTERVAL)
async def poll(spec: Any, status: Any, patch: Any, namespace: str | None, **_: Any) -> None:  # noqa: ANN401
    """Ask, and note what came back."""
    url, token = await _connection(namespace)
    path = f"/accounts/{spec['accountID']}/k8s/v1/apps/{spec['appID']}/appBackups/{spec['backupID']}"
    async with _state["room"]:
        answer = await _state["http"].get(url + path, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    document = answer.json()
    seen = {"state": document["state"], "progress": {"percentDone": int(document.get("percentDone", 0))}}
    if any(status.get(name) != value for name, value in seen.items()):
        patch.status.update(seen)


async def _connection(namespace: str | None) -> tuple[str, str]:
    async with _state["lock"]:
        if namespace not in _state:
            await config.load_kube_config()  # type: ignore[no-untyped-call]
            async with client.ApiClient() as api:
                secret = await client.CoreV1Api(api).read_namespaced_secret("astra-control", namespace or "default")
            data: Any = secret.data
            _state[namespace] = tuple(base64.b64decode(data[key]).decode() for key in ("url", "token"))
    found: tuple[str, str] = _state[namespace]
    return found
