"""Mirrors NetApp Astra Control backups into the status of Kubernetes objects."""

from importlib.metadata import version
from typing import Final

__version__: Final = version("astra-mirror")
USER_AGENT: Final = f"astra-mirror/{__version__}"
"""The User-Agent header of every request."""
