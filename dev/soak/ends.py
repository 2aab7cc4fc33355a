"""How operators have ended, and what they have left in logs and metrics."""

import http.client
import re
import time
import urllib.request
from http import HTTPStatus
from typing import Final

from dev.hostile import contents as hostile
from dev.soak import contents
from dev.soak.findings import Finding
from dev.soak.process import Process
from dev.soak.settled import wait_for
from dev.soak.stage import Stage

_BAD_LINES: Final = re.compile(
    r"Traceback|unexpected error|was never retrieved|never awaited|exception in callback|Task was destroyed"
    r"|Unclosed (client|connect|transport|socket)|Exception ignored|Fatal Python",
    re.IGNORECASE,
)
_PENDING: Final = re.compile(r"^astra_mirror_status_pending (\S+)$", re.MULTILINE)
_CORRECTION_SECONDS: Final = 75.0
"""After frequent tampering the operator waits up to a minute before the next correction (docs/reference.md, Writes).

The oracle may not look at what was tampered with.
"""
_READY_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.5
_TAIL: Final = 1500
_LINES: Final = 40


def tokens(stage: Stage) -> tuple[str, ...]:
    """Every token in a Secret of this soak; none may appear anywhere else."""
    return (*(contents.token_of(number, stage.seed) for number in range(contents.TOKENS)), hostile.TOKEN)


def ended(stage: Stage, reported: set[str]) -> list[Finding]:
    """Operators that have ended by themselves, or with another exit code than they should.

    Args:
        stage: with all that ever ran.
        reported: the names of those that were found before, which are left out; those that are found now are added.
    """
    found = []
    for process in stage.processes:
        if process.name in reported:
            continue
        invariants = []
        if process.code is not None and not process.is_meant_to_end:
            invariants.append("an operator ends when it is told to, and then only")
        if process.was_stopped and process.code != 0 and not process.has_given_up:
            invariants.append("the exit code is 0 after SIGTERM")
        if invariants:
            reported.add(process.name)
            text = f"ended with {process.code}:\n{process.log[-_TAIL:]}"
            found += [Finding(each, process.name, text) for each in invariants]
    return found


def ready(stage: Stage) -> list[Finding]:
    """Operators that are not ready though nothing is broken any more."""
    unready: list[str] = []

    def are_ready() -> bool:
        # Looked at anew each time: one that a restart may fix is replaced by another.
        unready[:] = [process.name for process in stage.now_running() if not _is_ready(process)]
        return not unready

    wait_for(are_ready, _READY_SECONDS)
    text = f"/readyz is not ok for {_READY_SECONDS:g}s"
    return [Finding("an operator is ready when nothing is broken", name, text) for name in unready]


def _is_ready(process: Process) -> bool:
    try:
        with urllib.request.urlopen(f"http://{process.address()}/readyz", timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def metrics(stage: Stage) -> list[Finding]:
    """What may be in no metric, and that nothing waits any more; of operators that are ready.

    Of two that write without election one may always wait to correct the other: see `quiet`.
    """
    found = []
    seconds = 0.0 if stage.topology == "pair" else _CORRECTION_SECONDS
    for process in stage.now_running():
        try:
            text = _settled_metrics(process, seconds)
        except (OSError, http.client.HTTPException) as error:
            found.append(Finding("an operator serves its metrics", process.name, str(error)))
            continue
        waits = pending(text)
        if waits and stage.topology != "pair":
            found.append(Finding("no status waits when all are right", process.name, waits))
        if any(token in text for token in tokens(stage)):
            found.append(Finding("a token is in no metric", process.name, "has a token in its metrics"))
    return found


def pending(text: str) -> str | None:
    """What metrics say of statuses that wait; None where they say that none does."""
    found = _PENDING.search(text)
    if found is None:
        return "has no metric of the statuses that wait"
    return found[0] if float(found[1]) else None


def _settled_metrics(process: Process, seconds: float) -> str:
    """Its metrics, once they say that no status waits, or when the time is over."""
    deadline = time.monotonic() + seconds
    while pending(text := _metrics(process)) is not None and time.monotonic() <= deadline:
        time.sleep(_LOOK_SECONDS)
    return text


def _metrics(process: Process) -> str:
    with urllib.request.urlopen(f"http://{process.address()}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def texts(stage: Stage) -> list[Finding]:
    """What may be in no log."""
    found = []
    for process in stage.processes:
        if text := bad_lines(process.log):
            found.append(Finding("no traceback is in a log", process.name, text))
        if any(token in process.log for token in tokens(stage)):
            found.append(Finding("a token is in no log", process.name, "has a token in its log"))
    return found


def bad_lines(log: str) -> str | None:
    """What a log says of a defect: how many lines, and the first with those around it; None where it says nothing."""
    lines = log.splitlines()
    bad = [number for number, line in enumerate(lines) if _BAD_LINES.search(line)]
    if not bad:
        return None
    text = "\n      ".join(lines[max(0, bad[0] - 2) : bad[0] + _LINES])
    return f"{len(bad)} bad lines, the first:\n      {text}"
