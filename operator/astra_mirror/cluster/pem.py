"""Certificates and keys that a kubeconfig contains: OpenSSL reads them from a file, and this one is on no disk.

The root file system of a pod may be read-only, and a key need not outlast the process.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_file(path: str | None, content: bytes | None) -> Iterator[str | None]:
    """The path of a file that has `content` for the time of a `with` block; `path` where there is no content."""
    if content is None:
        yield path
    elif hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pem", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        # Only Linux has files in memory, and only there is the operator in a pod.
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name
