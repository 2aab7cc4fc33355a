"""A proxy as a process of its own, as an administrator's is: proxy.py, which forwards, tunnels, wants a password."""

import base64
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.proxy_plugin import MARK

_SECONDS: Final = 30.0
USER: Final = "mirror"
PASSWORD: Final = "open:sesame/42"


class ProxyProcess:
    """A running proxy. Its output is read as it comes.

    Args:
        example: the address that it connects to for names that end in `.example`, which only it knows.
        password: what it asks for, with the name `USER`; empty for nothing.
    """

    def __init__(self, example: str = "127.0.0.1", password: str = "") -> None:
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._mark = 0
        self._credentials: dict[str, str] = {}
        self._folder = tempfile.TemporaryDirectory()
        options = ["--hostname", "127.0.0.1", "--port", "0", "--data-dir", self._folder.name]
        options += ["--num-acceptors", "1", "--num-workers", "1"]
        if password:
            options += ["--basic-auth", f"{USER}:{password}"]
            encoded = base64.b64encode(f"{USER}:{password}".encode()).decode()
            self._credentials = {"Proxy-Authorization": f"Basic {encoded}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxy_plugin", *options],
            env=os.environ | {"EXAMPLE": example, "PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # It forks: signals are for the group.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.port = int(self.wait_for(r"Listening on (\d+)")[1])
        except TimeoutError:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Its URL, without a user name."""
        return f"http://127.0.0.1:{self.port}"

    def url_with(self, password: str) -> str:
        """Its URL with the user name and a password."""
        return f"http://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[str]:
        """What was forwarded so far: method, target and the names of the headers with credentials."""
        self._mark += 1
        path = f"/{self._mark}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        connection.request("GET", f"http://{MARK}{path}", headers=self._credentials)
        connection.getresponse().read()
        connection.close()
        self.wait_for(f"refused {re.escape(MARK + path)}\n")
        with self._changed:
            return [line.split(" ", 1)[1].strip() for line in self._lines if line.startswith("request ")]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output has a match."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            match = re.search(pattern, "".join(self._lines))
            if match:
                found.append(match)
            return bool(match)

        with self._changed:
            if not self._changed.wait_for(matches, _SECONDS):
                raise TimeoutError(f"no {pattern!r} in the proxy's output:\n{''.join(self._lines)}")
        return found[0]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections, and does nothing more."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, all of its processes at once; does nothing to one that has ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS)
        self._reader.join(_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()


@contextmanager
def running_proxy(example: str = "127.0.0.1", password: str = "") -> Iterator[ProxyProcess]:
    """A proxy during a `with` block."""
    proxy = ProxyProcess(example, password)
    try:
        yield proxy
    finally:
        proxy.stop()
