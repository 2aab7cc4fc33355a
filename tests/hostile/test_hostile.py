"""One namespace does its worst, on a small scale: another's statuses are right, and the operator lives.

Times are judged in bench.hostile, on a machine with nothing else to do; here is only what no load may change.
"""

import asyncio
import time
from typing import Final

import pytest

from bench.attack import Load
from bench.stage import memory_limit, under_attack

_LOAD: Final = Load(refs=200, apps=10, held=80, large=10, lies=10.0, hangs=8.0)
_SECONDS: Final = 25.0


@pytest.mark.parametrize("equal", [True, False], ids=["equal-secret", "different-secret"])
async def test_another_tenant_is_served(equal: bool) -> None:
    """Each look finds all of the victim's refs Synced; no exit, no lost Lease, memory under the pod's limit."""
    async with under_attack(equal=equal, load=_LOAD) as scene:
        end = time.monotonic() + _SECONDS
        number = 1
        while time.monotonic() < end:
            assert await scene.victim.unsynced() == 0
            # How long it takes is the bench's to judge; that it happens is judged here.
            assert await scene.victim.repair(number) < 30
            await scene.victim.delete(number - 1)
            number += 2
            await asyncio.sleep(3)
        assert scene.attack.done["secret edits"]
        assert scene.attack.done["status edits"]
        assert await scene.lease_kept()
        assert scene.operator.usage().peak < memory_limit()
        assert "Traceback" not in scene.operator.log.read_text()
