"""A terminal for programs: what they draw is interpreted as by a terminal, and can be read, or made a picture.

with Terminal.run(["kubectl", "abr", "watch"], environment) as terminal:
    terminal.wait_for("42%")
    print(terminal.text)
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Self

import pyte
from rich.style import Style
from rich.text import Text

_SECONDS: Final = 60.0
_CHUNK: Final = 65_536
_BRIGHT: Final = "bright_"
_NAMES: Final = {"brown": "yellow", "default": None}
"""The names of colors that differ between pyte and rich."""


class Terminal:
    """A running program, and the screen before it. Made by `run`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int, lines: int) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._sent = bytearray()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    @contextmanager
    def run(
        cls, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 100, lines: int = 24
    ) -> Iterator[Self]:
        """A terminal of this size, in which the program runs until it ends, or until the block does."""
        terminal = cls(command, environment, columns, lines)
        try:
            yield terminal
        finally:
            terminal.close()

    @property
    def text(self) -> str:
        """What is on the screen, without the blanks at the ends of lines."""
        with self._changed:
            return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def sent(self) -> bytes:
        """All that the program has sent, escape sequences included."""
        with self._changed:
            return bytes(self._sent)

    @property
    def shows_cursor(self) -> bool:
        """Whether the cursor is visible."""
        with self._changed:
            return not self._screen.cursor.hidden

    def wait_for(self, text: str, *, seconds: float = _SECONDS) -> None:
        """Wait until the screen shows this text.

        Raises:
            TimeoutError: it does not within `seconds`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: any(text in line for line in self._screen.display), seconds):
                raise TimeoutError(f"no {text!r} within {seconds:g} seconds on the screen:\n{self.text}")

    def type(self, keys: str) -> None:
        """Type something."""
        os.write(self._master, keys.encode())

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def end(self, *, seconds: float = _SECONDS) -> int:
        """Wait until the program has ended and all that it has drawn is on the screen; its exit code."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def picture(self, lines: int) -> Text:
        """The first lines of the screen, with their colors."""
        with self._changed:
            rows = [self._line(number) for number in range(lines)]
        return Text("\n").join(rows)

    def close(self) -> None:
        """End the program, if it has not."""
        if self._process.poll() is None:
            self._process.kill()
        self.end()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, _CHUNK)
            except OSError:
                # As Linux says that nobody has the other side open any more.
                data = b""
            with self._changed:
                if data:
                    self._sent += data
                    self._stream.feed(data)
                self._changed.notify_all()
            if not data:
                return

    def _line(self, number: int) -> Text:
        line = Text()
        for column in range(self._screen.columns):
            cell = self._screen.buffer[number][column]
            line.append(cell.data, Style(color=_color(cell.fg), bgcolor=_color(cell.bg), bold=cell.bold))
        line.rstrip()
        return line


def _color(name: str) -> str | None:
    """A color of pyte's in rich's words: six hexadecimal digits, or a name."""
    if name in _NAMES:
        return _NAMES[name]
    is_number = len(name) == 6 and all(each in "0123456789abcdef" for each in name)
    return f"#{name}" if is_number else name.replace("bright", _BRIGHT)
