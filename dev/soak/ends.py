"""How operators have ended, and what they have left in logs, Events and metrics."""

import json
import re
import time
import urllib.request
from typing import Final

from dev.soak import contents
from dev.soak.findings import Finding
from dev.soak.process import Process
from dev.soak.stage import Stage

_BAD_LINES: Final = re.compile(
    r"Traceback|unexpected error|was never retrieved|never awaited|exception in callback", re.IGNORECASE
)
_PENDING: Final = re.compile(r"^astra_mirror_status_pending (\S+)$", re.MULTILINE)
_CORRECTION_SECONDS: Final = 75.0
"""Somebody who has lied often waits for a minute, and may have lied about what the truth does not look at."""
_LOOK_SECONDS: Final = 0.5
_TAIL: Final = 1500
_LINES: Final = 40


def tokens(stage: Stage) -> tuple[str, ...]:
    """What may occur nowhere."""
    return tuple(contents.token_of(number, stage.seed) for number in range(contents.TOKENS))


def ended(stage: Stage) -> list[Finding]:
    """Who has ended though nobody has ended it, or in another way than it should."""
    found = []
    for process in stage.processes:
        if process.code is not None and not process.is_meant_to_end:
            text = f"ended with {process.code}:\n{process.log[-_TAIL:]}"
            found.append(Finding("an operator ends when it is told to, and then only", process.name, text))
            process.is_meant_to_end = True
        if process.was_stopped and process.code != 0 and not process.has_given_up:
            text = f"ended with {process.code}:\n{process.log[-_TAIL:]}"
            found.append(Finding("the exit code is 0 after SIGTERM", process.name, text))
            process.was_stopped = False
    return found


def metrics(stage: Stage) -> list[Finding]:
    """What may be in no metric, and that nothing waits any more."""
    found = []
    for process in stage.running.values():
        deadline = time.monotonic() + _CORRECTION_SECONDS
        while (pending := _PENDING.search(text := _metrics(process))) and float(pending[1]):
            if time.monotonic() > deadline:
                found.append(Finding("no status waits when all are right", process.name, pending[0]))
                break
            time.sleep(_LOOK_SECONDS)
        if any(token in text for token in tokens(stage)):
            found.append(Finding("a token is in no metric", process.name, "has a token in its metrics"))
    return found


def _metrics(process: Process) -> str:
    with urllib.request.urlopen(f"http://{process.address()}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def texts(stage: Stage) -> list[Finding]:
    """What may be in no log and no Event."""
    found = []
    for process in stage.processes:
        found += _bad_lines(process)
        if any(token in process.log for token in tokens(stage)):
            found.append(Finding("a token is in no log", process.name, "has a token in its log"))
    events = json.dumps(stage.client.list("/apis/events.k8s.io/v1/events")[0])
    if any(token in events for token in tokens(stage)):
        found.append(Finding("a token is in no Event", "an Event", "has a token in it"))
    return found


def _bad_lines(process: Process) -> list[Finding]:
    lines = process.log.splitlines()
    bad = [number for number, line in enumerate(lines) if _BAD_LINES.search(line)]
    if not bad:
        return []
    text = "\n      ".join(lines[max(0, bad[0] - 2) : bad[0] + _LINES])
    return [Finding("no traceback is in a log", process.name, f"{len(bad)} bad lines, the first:\n      {text}")]
