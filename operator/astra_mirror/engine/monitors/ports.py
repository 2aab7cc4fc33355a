"""What the refs of monitors need from outside, beside `engine/ports.py`."""

from collections.abc import Mapping
from typing import Any, Protocol

from astra_mirror.core.monitor.ref_results import RefResult


class RefAPI(Protocol):
    """The refs on the API server."""

    async def get(self, namespace: str, name: str) -> RefResult:
        """Read a ref, whatever its uid."""

    async def create(self, namespace: str, body: Mapping[str, Any]) -> RefResult:
        """Create a ref. It never becomes a part of an object that exists."""

    async def patch(self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]) -> RefResult:
        """Send a merge patch to one version of a ref."""

    async def delete(self, namespace: str, name: str, *, uid: str, version: str) -> RefResult:
        """Delete one version of a ref."""


class RefInformer(Protocol):
    """What tells the engine of refs."""

    @property
    def not_ready_reason(self) -> str | None:
        """What has not been listed or is not watched yet; None when all refs are known."""
