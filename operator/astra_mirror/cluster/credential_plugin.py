"""Runs the credential plugin of a kubeconfig, as kubectl does, and ends it when it does not end by itself.

The client library waits for a plugin without a limit, reads its output without one, and to the end before it reads the
errors, so that a plugin with many of these waits as well, and leaves it running when nobody waits any longer.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from astra_mirror.cluster.kubeconfig_files import Entry, KubeconfigError

_MAX_OUTPUT: Final = 2**20
"""More than any credential has: a token must fit into a header, and a chain of certificates has some kilobytes."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[ Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[-+]\d\d:\d\d)?", re.ASCII)
"""RFC 3339; a time without an offset is in UTC."""


class _TooMuchOutputError(Exception):
    """A plugin has written more than a credential can have."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin has given.

    Attributes:
        fields: the same as fields of a kubeconfig's user: a token, a client certificate with its key, or both.
        expires_at: when they expire, in UTC; None when that is not known.
    """

    fields: dict[str, str] = field(repr=False)
    expires_at: datetime | None


async def run_plugin(user: Entry, seconds: float | None, *, for_person: bool = False) -> Credential:
    """Run the plugin of `user`.

    Args:
        user: the user, whose plugin has been checked.
        seconds: how long it may take; None for any time, because a person may have to log in.
        for_person: whether somebody started this process by hand: the plugin shows its errors, and may ask on the
            terminal where there is one.

    Raises:
        KubeconfigError: it has given no credential; the text quotes nothing of its output.
    """
    plugin = user.fields["exec"]
    program = shutil.which(plugin["command"])
    if program is None:
        # The command is not quoted: it may contain an argument, and that a password.
        raise KubeconfigError(
            f"the credential plugin of {user.where} is no program that is installed: arguments belong in args"
        )
    try:
        return _credential(await _output(plugin, seconds, for_person), plugin["apiVersion"])
    except TimeoutError:
        failure = f"has not ended within {seconds:g} seconds"
    except _TooMuchOutputError:
        failure = f"wrote more than {_MAX_OUTPUT >> 20} MiB to its standard output"
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        failure = "gave no credential"
    raise KubeconfigError(f"the credential plugin {program!r} {failure} for {user.where}: run it to see why")


async def _output(plugin: Mapping[str, Any], seconds: float | None, for_person: bool) -> bytes:
    """What the plugin writes to standard output."""
    may_ask = for_person and plugin.get("interactiveMode") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    information = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": may_ask}}
    variables = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    transport, protocol = await asyncio.get_running_loop().subprocess_exec(
        _Output,
        plugin["command"],
        *(plugin.get("args") or ()),
        env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(information)},
        stdin=None if may_ask else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        # Of an operator nobody looks at it, and its log must not have it: it may contain a credential.
        stderr=None if for_person else asyncio.subprocess.DEVNULL,
        # A process group of its own, so that what it has started ends with it; such a group may not read a terminal.
        process_group=None if may_ask else 0,
    )
    try:
        async with asyncio.timeout(seconds):
            output = await protocol.read()
    except BaseException:
        with suppress(ProcessLookupError):
            (os.kill if may_ask else os.killpg)(transport.get_pid(), signal.SIGKILL)
        # A program in another group may hold the output open, which is not waited for.
        if pipe := transport.get_pipe_transport(1):
            pipe.close()
        await protocol.ended.wait()
        raise
    finally:
        transport.close()
    if transport.get_returncode() != 0:
        raise ValueError("the plugin has failed")
    return output


class _Output(asyncio.SubprocessProtocol):
    """Collects what a process writes, until it has ended and its output is closed, or until that is too much."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._is_read = asyncio.Event()
        self.ended = asyncio.Event()

    async def read(self) -> bytes:
        """All that the process writes; may raise _TooMuchOutputError."""
        await self._is_read.wait()
        if len(self._content) > _MAX_OUTPUT:
            raise _TooMuchOutputError
        return bytes(self._content)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - asyncio's signature
        if not self._is_read.is_set():
            self._content += data
        if len(self._content) > _MAX_OUTPUT:
            self._is_read.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._is_read.set()
        self.ended.set()


def _credential(output: bytes, version: str) -> Credential:
    """What the output contains; it raises many errors for one that is not as it should be."""
    answer = json.loads(output)
    status = answer["status"]
    token, certificate, key = (status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData"))
    if answer["apiVersion"] != version or not (token or certificate) or bool(certificate) != bool(key):
        raise ValueError("not a credential")
    fields = {"token": token} if token else {}
    if not isinstance(token, str):
        raise TypeError("not a token")
    if certificate:
        fields["client-certificate-data"] = b64encode(certificate.encode()).decode()
        fields["client-key-data"] = b64encode(key.encode()).decode()
    return Credential(fields, _moment(status.get("expirationTimestamp")))


def _moment(expiry: Any) -> datetime | None:  # noqa: ANN401 - any JSON value
    if not expiry:
        return None
    if not _TIME.fullmatch(expiry.strip()):
        raise ValueError("not a time of RFC 3339")
    moment = datetime.fromisoformat(expiry.strip().upper().replace(",", "."))
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
