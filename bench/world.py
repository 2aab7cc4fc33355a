"""What is measured: refs on a real API server, a simulated Astra Control, and operators as processes."""

import asyncio
import base64
import io
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from dev.controlplane import ControlPlane

_BIN: Final = Path(sys.executable).parent
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") / 1024
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
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        session = aiohttp.ClientSession(
            control_plane.url,
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority), limit=0),
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
        )
        async with session:
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

    async def patch_statuses(self, namespace: str, number: int, status: dict[str, Any]) -> float:
        """The bare loop: as many status PATCHes, `AT_ONCE` at once; the seconds that it took."""
        started = asyncio.get_running_loop().time()
        await self.many(
            ("PATCH", f"{_GROUP}/namespaces/{namespace}/appbackuprefs/ref-{each:05}/status", {"status": status})
            for each in range(number)
        )
        return asyncio.get_running_loop().time() - started

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
        """How many PATCHes of AppBackupRefs succeeded so far: all, and those of statuses."""
        async with self._session.get("/metrics") as answer:
            text = await answer.text()
        lines = re.findall(
            r'^apiserver_request_total\{.*code="200".*resource="appbackuprefs".*\} .*$', text, re.MULTILINE
        )
        patches = [line for line in lines if 'verb="PATCH"' in line]
        status = [line for line in patches if 'subresource="status"' in line]
        return _sum(patches), _sum(status)

    async def without_state(self, namespace: str) -> int:
        """How many refs have no state in their status yet."""
        missing, token = 0, ""
        while True:
            path = f"{_GROUP}/namespaces/{namespace}/appbackuprefs?limit=500&continue={token}"
            page = await self.call("GET", path)
            missing += sum("state" not in each.get("status", {}) for each in page["items"])
            token = page["metadata"].get("continue", "")
            if not token:
                return missing

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


def _sum(lines: list[str]) -> int:
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


@dataclass(frozen=True)
class Usage:
    """What a process has used: CPU seconds, and its memory in MiB, now and at the most."""

    cpu: float
    memory: float
    peak: float


class Operator:
    """An operator as a process."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self.log = log

    def usage(self) -> Usage:
        """What it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        cpu, memory = (int(fields[11]) + int(fields[12])) * TICK, int(fields[21]) * _PAGE_KIB / 1024
        return Usage(cpu, memory, int(peak[1]) / 1024 if peak else memory)

    @property
    def is_starting(self) -> bool:
        """Whether it has not yet logged anything."""
        return self.log.stat().st_size == 0

    async def metrics(self) -> str:
        """Its /metrics; empty for an operator that serves none."""
        found = re.search(r"Serving HTTP on ([\d.:]+)", self.log.read_text())
        if found is None:
            return ""
        async with aiohttp.ClientSession() as session, session.get(f"http://{found[1]}/metrics") as answer:
            return await answer.text()


@contextmanager
def run(name: str, control_plane: ControlPlane, remote: Remote, namespace: str) -> Iterator[Operator]:
    """One of the two operators, `mirror` or `stock`, for one namespace."""
    mirror = [str(_BIN / "astra-mirror"), "run", "--http-address=127.0.0.1:0", f"--allowed-url={remote.url}"]
    stock = [str(_BIN / "kopf"), "run", "--standalone", str(Path(__file__).parent / "stock.py")]
    log = control_plane.folder / f"{name}-{namespace}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*(mirror if name == "mirror" else stock), f"--namespace={namespace}"],
            env=os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)},
            stdout=out,
            stderr=out,
        )
        try:
            yield Operator(process, log)
        finally:
            # The stock operator's finalizers would need it for the removal; nothing is removed, so it may just go.
            process.kill() if name == "stock" else process.terminate()
            process.wait()
