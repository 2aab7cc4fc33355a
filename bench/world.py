"""Where it is measured: refs on a real API server, and a simulated Astra Control."""

import asyncio
import io
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp

from astra_mirror.api.meta import FIELD_MANAGER
from bench import raw
from dev.controlplane import ControlPlane

_GROUP: Final = "/apis/astra-mirror.io/v1"
AT_ONCE: Final = 20


class Remote:
    """The simulator in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        hello = self._read()
        self.url: str = hello["url"]
        self.token: str = hello["token"]

    @classmethod
    @contextmanager
    def start(cls) -> "Iterator[Remote]":
        """Start it, and end it."""
        command = [sys.executable, "-m", "bench.simulator"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield cls(process)
            if process.stdin is not None:
                process.stdin.close()

    def do(self, name: str, **options: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Run one of its commands."""
        if self._process.stdin is None:
            raise RuntimeError("the simulator has no stdin")
        print(json.dumps({"do": name, **options}), file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:  # noqa: ANN401 - any JSON value
        line = self._process.stdout.readline() if self._process.stdout else ""
        return json.loads(line)


class Cluster:
    """The API server, spoken to without a library: what a bare client costs is what it is measured against."""

    def __init__(self, control_plane: ControlPlane, session: aiohttp.ClientSession) -> None:
        self.control_plane = control_plane
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(cls, control_plane: ControlPlane) -> "AsyncIterator[Cluster]":
        """Connect."""
        async with raw.session(control_plane.kubeconfig) as session:
            yield cls(control_plane, session)

    async def create_refs(self, namespace: str, specs: list[dict[str, str]], remote: Remote) -> None:
        """A namespace with its Secret and a ref for each spec."""
        await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        secret = {"metadata": {"name": "astra-control"}, "stringData": {"url": remote.url, "token": remote.token}}
        await self.call("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
        await self.many(
            ("POST", f"{_GROUP}/namespaces/{namespace}/appbackuprefs", _ref(number, spec))
            for number, spec in enumerate(specs)
        )

    async def create_monitors(self, namespace: str, specs: list[dict[str, Any]]) -> None:
        """A monitor for each spec."""
        await self.many(
            ("POST", f"{_GROUP}/namespaces/{namespace}/appbackupmonitors", _monitor(number, spec))
            for number, spec in enumerate(specs)
        )

    async def patch_statuses(self, namespace: str, number: int, status: dict[str, Any]) -> float:
        """The bare loop: as many status PATCHes, `AT_ONCE` at once; the seconds that it took."""
        started = asyncio.get_running_loop().time()
        await self.many(
            ("PATCH", f"{_GROUP}/namespaces/{namespace}/appbackuprefs/ref-{each:05}/status", {"status": status})
            for each in range(number)
        )
        return asyncio.get_running_loop().time() - started

    async def patch_statuses_and_watch(self, namespace: str, status: dict[str, Any]) -> float:
        """The bare loop with the operator's own PATCHes, fences and field manager included, while it holds one watch.

        The seconds of the PATCHes alone; the list, which the operator's pass includes, comes before.
        """
        refs = f"{_GROUP}/namespaces/{namespace}/appbackuprefs"
        listed = [page async for page in self._pages(namespace)]
        metadata = [each["metadata"] for page in listed for each in page["items"]]
        revision = listed[-1]["metadata"]["resourceVersion"]
        async with self._session.get(f"{refs}?watch=1&resourceVersion={revision}") as watch:
            watch.raise_for_status()
            reading = asyncio.create_task(_read(watch.content))
            started = asyncio.get_running_loop().time()
            await self.many(
                (
                    "PATCH",
                    f"{refs}/{each['name']}/status?fieldManager={FIELD_MANAGER}",
                    {"metadata": {"uid": each["uid"], "resourceVersion": each["resourceVersion"]}, "status": status},
                )
                for each in metadata
            )
            seconds = asyncio.get_running_loop().time() - started
            reading.cancel()
            if not watch.content.total_bytes:
                raise RuntimeError("the watch has reported nothing")
        return seconds

    async def status(self, namespace: str, number: int) -> dict[str, Any]:
        """One ref's status."""
        path = f"{_GROUP}/namespaces/{namespace}/appbackuprefs/ref-{number:05}"
        found: dict[str, Any] = (await self.call("GET", path))["status"]
        return found

    async def revision(self) -> int:
        """The store's revision, which each write raises by one; cheap, and so no burden on what is being measured."""
        found = await self.call("GET", "/api/v1/namespaces?limit=1")
        return int(found["metadata"]["resourceVersion"])

    async def writes(self) -> tuple[int, int]:
        """How many writes of refs and monitors succeeded so far, and how many of them were of refs' statuses."""
        async with self._session.get("/metrics") as answer:
            text = await answer.text()
        lines = re.findall(
            r'^apiserver_request_total\{.*code="20[01]".*resource="appbackup(?:refs|monitors)".*\} .*$',
            text,
            re.MULTILINE,
        )
        writes = [line for line in lines if re.search('verb="(?:POST|PATCH|DELETE)"', line)]
        status = [line for line in writes if 'resource="appbackuprefs"' in line and 'subresource="status"' in line]
        return _sum(writes), _sum(status)

    async def not_observed(self, namespace: str) -> int:
        """How many refs have no state in their status yet, and how many monitors no backups."""
        refs = ["state" not in each.get("status", {}) async for each in self._objects(namespace, "appbackuprefs")]
        monitors = self._objects(namespace, "appbackupmonitors")
        return sum(refs) + sum(["backups" not in each.get("status", {}) async for each in monitors])

    async def refs_not_made(self, namespace: str, monitors: int, refs: int) -> int:
        """How many of so many monitors do not say RefsCurrent yet, and how many of so many refs have no state."""
        current = [_is_current(each) async for each in self._objects(namespace, "appbackupmonitors")]
        if missing := monitors - sum(current):
            return missing
        stated = ["state" in each.get("status", {}) async for each in self._objects(namespace, "appbackuprefs")]
        return refs - sum(stated)

    async def _objects(self, namespace: str, plural: str) -> AsyncIterator[dict[str, Any]]:
        """The objects of a namespace."""
        async for page in self._pages(namespace, plural):
            for each in page["items"]:
                yield each

    async def _pages(self, namespace: str, plural: str = "appbackuprefs") -> AsyncIterator[dict[str, Any]]:
        """The list of a namespace's objects, page by page."""
        token: str | None = ""
        while token is not None:
            path = f"{_GROUP}/namespaces/{namespace}/{plural}?limit=500&continue={token}"
            page = await self.call("GET", path)
            yield page
            token = page["metadata"].get("continue") or None

    async def until_watched(self) -> None:
        """Wait for the garbage collector's watch, which each cluster has: it has a part in what a PATCH costs."""
        while True:
            async with self._session.get("/metrics") as answer:
                text = await answer.text()
            watches = re.findall(
                r'^apiserver_longrunning_requests\{.*resource="appbackuprefs".*verb="WATCH".*\} (\S+)$',
                text,
                re.MULTILINE,
            )
            if sum(map(float, watches)) >= 1:
                return
            await asyncio.sleep(1)

    async def many(self, calls: Iterator[tuple[str, str, dict[str, Any]]]) -> None:
        """Make these calls, `AT_ONCE` at once: method, path and body of each."""

        async def work() -> None:
            for method, path, body in calls:
                await self.call(method, path, body)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make one call; what the API server answers.

        Raises:
            aiohttp.ClientResponseError: it refused.
        """
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        data = io.BytesIO(json.dumps(body).encode()) if body is not None else None
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found


def _ref(number: int, spec: dict[str, str]) -> dict[str, Any]:
    kind = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef"}
    return {**kind, "metadata": {"name": f"ref-{number:05}"}, "spec": spec}


def _monitor(number: int, spec: dict[str, Any]) -> dict[str, Any]:
    kind = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor"}
    return {**kind, "metadata": {"name": f"monitor-{number:04}"}, "spec": spec}


def _is_current(monitor: dict[str, Any]) -> bool:
    conditions = monitor.get("status", {}).get("conditions", [])
    return any(each["type"] == "RefsCurrent" and each["status"] == "True" for each in conditions)


async def _read(stream: aiohttp.StreamReader) -> None:
    async for _ in stream.iter_any():
        pass


def _sum(lines: list[str]) -> int:
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))
