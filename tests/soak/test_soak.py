"""A minute of the soak, with another seed each time, and the logs of runs that once found something.

What is judged is what must always hold, and what has to be there in the end; how long it takes is `make soak`'s part.
"""

import os
import secrets
from pathlib import Path

import pytest

from dev.soak.actions import Script, last_topology
from dev.soak.plan import plan
from dev.soak.run import soak

_LOGS = sorted((Path(__file__).parent / "logs").glob("*.jsonl"))
_SECONDS = 60.0


def _script(log: Path | None) -> Script:
    """SEED in the environment repeats one; a failure's first line names the seed and the log to replay."""
    if log is not None:
        return Script.read(log)
    if "SEED" in os.environ:
        return plan(int(os.environ["SEED"]), _SECONDS)
    while True:
        script = plan(secrets.randbelow(10**6), _SECONDS)
        # Two operators without election may take four minutes to agree: they are left to `make soak`.
        if last_topology(script.topology, script.actions) != "pair":
            return script


@pytest.mark.parametrize("log", [None, *_LOGS], ids=["another-seed", *(each.stem for each in _LOGS)])
def test_a_soak(log: Path | None) -> None:
    """Nothing is found."""
    report = soak(_script(log), judges_times=False)
    assert not report.findings, "\n".join(report.lines())
