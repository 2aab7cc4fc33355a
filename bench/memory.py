"""What an idle operator takes: VmRSS a minute after it is ready and holds its Lease, without refs and with a thousand.

Beside each a process that has the libraries and one Kopf watch of the same objects, and nothing else: the floor.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from bench.process import Process, run
from bench.world import Cluster, Remote

_REST_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Memory:
    """MiB of the operator, and of the floor."""

    refs: int
    mirror: float
    floor: float


async def idle(cluster: Cluster, remote: Remote, namespaces: dict[int, str]) -> tuple[Memory, ...]:
    """One operator for each of these namespaces, by the number of their refs; all at once, as they only rest."""
    measured = (_idle(cluster, remote, refs, namespace) for refs, namespace in namespaces.items())
    return tuple(await asyncio.gather(*measured))


async def _idle(cluster: Cluster, remote: Remote, refs: int, namespace: str) -> Memory:
    plane = cluster.control_plane
    options = ("--leader-elect", f"--lease-namespace={namespace}")
    with (
        run("mirror", plane, remote, namespace, *options) as mirror,
        run("floor.watch", plane, remote, namespace) as floor,
    ):
        await _until_ready(mirror)
        await asyncio.sleep(_REST_SECONDS)
        if "astra_mirror_leader 1.0" not in await mirror.metrics():
            raise RuntimeError("the operator does not hold its Lease")
        return Memory(refs, mirror.usage().memory, floor.usage().memory)


async def _until_ready(operator: Process) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if await operator.is_ready():
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"the operator was not ready within {_READY_SECONDS:g} s:\n{operator.log.read_text()}")
