"""Runs one command for as long as its parent lives: `python -m dev.controlplane.guard FD FOLDER COMMAND...`.

A process that is killed cannot stop its children. So each of them has this guard, which holds the reading end of a pipe
from the parent: when the pipe closes, by whatever end of the parent, the guard ends the command and removes FOLDER.
"""

import os
import select
import shutil
import signal
import subprocess
import sys


def main() -> int:
    """Run the command; return its exit code."""
    pipe, folder, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    # The terminal's Ctrl-C is the parent's to handle, in its order.
    os.setpgrp()
    # The parent may wait for its signals with these blocked, and a mask is inherited.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Before the child is there: it may end at once.
    wake = _signals(signal.SIGCHLD, signal.SIGTERM)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while child.poll() is None:
        readable, _, _ = select.select([pipe, wake], [], [])
        if pipe in readable:
            _end(child)
            shutil.rmtree(folder, ignore_errors=True)
        elif signal.SIGTERM in os.read(wake, 4096):
            _end(child)
    return child.returncode


def _signals(*numbers: signal.Signals) -> int:
    """A descriptor that can be read when one of the signals has come; what is read are their numbers."""
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(write)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return read


def _end(child: subprocess.Popen[bytes]) -> None:
    # Not SIGTERM: the API server would wait for its watches to end, and there is nothing worth saving.
    child.kill()
    child.wait()


if __name__ == "__main__":
    sys.exit(main())
