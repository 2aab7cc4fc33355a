"""The API server comes and goes when a test says so, and whoever waits for that is told."""

import asyncio

from astra_mirror.cluster.availability import Availability


class _There(asyncio.Event):
    """Set while the API server is there; `lost` while it is not."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = asyncio.Event()
        self.set()

    def set(self) -> None:
        """It comes back."""
        super().set()
        self.lost.clear()

    def clear(self) -> None:
        """It goes away."""
        super().clear()
        self.lost.set()


class Away(Availability):
    """Whether the API server is away: as the test says."""

    def __init__(self) -> None:
        self.suspicions = 0
        self.changed = _There()

    @property
    def is_away(self) -> bool:
        """As the test says."""
        return not self.changed.is_set()

    def request_probe(self) -> None:
        """Count."""
        self.suspicions += 1

    async def wait_until_back(self) -> None:
        """Until the test says so."""
        await self.changed.wait()

    async def wait_until_away(self) -> None:
        """Until the test says so."""
        await self.changed.lost.wait()
