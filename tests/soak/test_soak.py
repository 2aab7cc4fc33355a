"""A minute of the soak, with another seed each time, and the logs of runs that once found something.

What is judged is what must always hold, and what has to be there in the end; how long it takes is `make soak`'s part.
"""

import os
import secrets
from pathlib import Path

import pytest

from dev.soak.actions import Script
from dev.soak.plan import plan
from dev.soak.run import soak

_LOGS = sorted((Path(__file__).parent / "logs").glob("*.jsonl"))
_SECONDS = 60.0


def _run(script: Script) -> None:
    report = soak(script, judges_times=False)
    assert not report.findings, "\n".join(report.lines())


def test_a_minute() -> None:
    """SEED in the environment repeats one; the seed and the log to replay are in the failure's first lines."""
    _run(plan(int(os.environ.get("SEED") or secrets.randbelow(10**6)), _SECONDS))


@pytest.mark.parametrize("log", _LOGS, ids=[each.stem for each in _LOGS])
def test_what_was_found_once(log: Path) -> None:
    """Each log is a run that failed."""
    _run(Script.read(log))
