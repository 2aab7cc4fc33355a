"""The file of --ca-file: certificate authorities that are trusted in addition to the public ones.

A ConfigMap that is mounted changes while the process runs, and so does a bundle that a package manager keeps. Nothing
reports that, so the file is read from time to time and compared.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Sequence
from typing import Final

from astra_mirror.core.certificates import BundleError, readable_certificates

MAX_BYTES: Final = 1024 * 1024
"""Three times as much as the largest bundle of an operating system. It is part of each TLS context."""

logger = logging.getLogger(__name__)


class CAFileError(ValueError):
    """The file is of no use; the text names it and says why."""


class CAFile:
    """The certificates in the file, as of the last time at which it could be used.

    Args:
        path: the path of the file.

    Raises:
        CAFileError: it is of no use.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reported = ""
        self.certificates = read_ca_file(path)

    async def has_changed(self) -> bool:
        """Read the file again; return whether it has other certificates.

        While it cannot be used, the certificates stay as they were, because a file may be seen half written. One line
        of the log says so.
        """
        try:
            found = await asyncio.to_thread(read_ca_file, self._path)
        except CAFileError as error:
            if str(error) != self._reported:
                logger.warning("--ca-file: %s. The certificates that it had stay in use", error)
            self._reported = str(error)
            return False
        self._reported = ""
        if found == self.certificates:
            return False
        self.certificates = found
        logger.info("--ca-file: %s has changed; the number of certificates in it is %d", self._path, len(found))
        return True


def read_ca_file(path: str) -> Sequence[str]:
    """The certificates in the file, each in PEM; comments and all else are left out.

    Raises:
        CAFileError: it cannot be read, or has no certificate, or one that cannot be read.
    """
    if not path:
        raise CAFileError("it is empty: name a file")
    try:
        content = _content(path)
    except ValueError:
        raise CAFileError("the path has a character that no path may have") from None
    except OSError as error:
        raise CAFileError(f"{path} cannot be read: {error.strerror}") from None
    if content is None:
        raise CAFileError(f"{path} is a directory, pipe or device: name a regular file, because it is read repeatedly")
    if len(content) > MAX_BYTES:
        raise CAFileError(f"{path} has more than {MAX_BYTES // 1024} KiB: keep only the authorities that are needed")
    try:
        # Comments may be in any character set; certificates are ASCII.
        return tuple(readable_certificates(content.decode("latin-1")))
    except BundleError as error:
        if error.number is None:
            raise CAFileError(f"{path} has no certificate in PEM format") from None
        raise CAFileError(f"certificate {error.number} in {path} cannot be read: copy it there anew, as PEM") from None


def _content(path: str) -> bytes | None:
    """What the file has, and one byte more than allowed at most; None if it is no regular file."""
    # Without O_NONBLOCK, opening a pipe would block until another process writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
