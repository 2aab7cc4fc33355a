"""How a soak's operator has ended is told apart, and none outlives its soak."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dev.soak.process import Build, Process
from dev.soak.resources import Sampler

_WAIT_SECONDS: Final = 30.0
_GIVES_UP: Final = "echo 'astra-mirror: the API server refuses the watch'; exit 1"
_STARTS_AND_DIES: Final = """
import signal, sys, threading
from pathlib import Path
from dev.soak.process import Build, Process
folder = Path(sys.argv[1])
process = Process(Build(folder / "operator"), folder / "kubeconfig", 0, [], folder / "operator-0.log")
process.freeze()
print(process.pid, flush=True)
threading.Event().wait()
"""


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _command(folder: Path, script: str) -> Path:
    command = folder / "operator"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command


Start = Callable[[str], Process]


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Iterator[Start]:
    """Starts a shell script in the place of an operator, and kills it in the end."""
    started: list[Process] = []

    def start(script: str) -> Process:
        build = Build(_command(tmp_path, script))
        started.append(Process(build, tmp_path / "kubeconfig", 0, [], tmp_path / f"operator-{len(started)}.log"))
        return started[-1]

    yield start
    for process in started:
        process.end(signal.SIGKILL)


def _ended(process: Process) -> Process:
    _until(lambda: process.code is not None)
    return process


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("exit 0", 0), ("kill -9 $$", -9)])
def test_the_code_is_the_operators(start: Start, script: str, code: int) -> None:
    """A signal's is negative, as subprocess has it."""
    assert _ended(start(script)).code == code


def test_the_process_is_the_operators(start: Start) -> None:
    """What is measured and signalled is not the guard."""
    process = start("exec sleep 600")
    _until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")


def test_one_that_is_killed_was_meant_to_end(start: Start) -> None:
    """Also one that is frozen."""
    process = start("exec sleep 600")
    process.freeze()
    process.end(signal.SIGKILL)
    assert (process.is_meant_to_end, process.code) == (True, -9)


@pytest.mark.parametrize(("script", "is_excused"), [("exit 1", False), ("kill -11 $$", False), (_GIVES_UP, True)])
def test_a_later_kill_excuses_no_crash(start: Start, script: str, *, is_excused: bool) -> None:
    """What gives up in words may; whatever else has ended by itself is found."""
    process = _ended(start(script))
    process.end(signal.SIGKILL)
    assert process.is_meant_to_end is is_excused


def test_none_outlives_its_soak(tmp_path: Path) -> None:
    """Not even one that is stopped for ever, when whoever has started it is killed."""
    _command(tmp_path, "exec sleep 600")
    command = [sys.executable, "-c", _STARTS_AND_DIES, str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as soak:
        assert soak.stdout is not None
        process = Path(f"/proc/{soak.stdout.readline().strip()}")
        assert process.is_dir()
        soak.kill()
    _until(lambda: not process.exists())


class _BrokenStage:
    """Stands for a stage that cannot be looked at."""

    def revive(self) -> None:
        """Fail."""
        raise KeyError(0)


def test_a_sampler_that_dies_says_so() -> None:
    """Otherwise nobody would be started anew or measured, and the soak would be clean."""
    stage: Any = _BrokenStage()
    sampler = Sampler(stage)
    _until(lambda: bool(sampler.failures))
    sampler.stop()
    with pytest.raises(BaseExceptionGroup, match="the soak itself has failed"):
        sampler.check()


def test_what_it_has_worked_is_counted(start: Start) -> None:
    """The operator's own, not its guard's; none any more when it has ended."""
    process = start("while :; do :; done")
    _until(lambda: process.processor_seconds() > 0.1)
    process.end(signal.SIGKILL)
    assert process.processor_seconds() == 0
