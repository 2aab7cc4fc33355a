"""What the engine asks, writes and reports in thirty storms, and when: rebuilding the code changes none of it.

UPDATE_GOLDEN=1 writes the file anew. Where a trace differs, run the test at both commits, and compare the two files of
that seed.
"""

import hashlib
import json
import os
from pathlib import Path

from tests.engine.storm import Storm
from tests.virtual_time import run

GOLDEN = Path(__file__).parent / "golden" / "traces.json"


def test_the_traces_are_those_on_file(tmp_path: Path) -> None:
    """The same requests, patches and Events at the same times."""
    traces = {str(seed): _trace(seed, tmp_path / f"{seed}.txt") for seed in range(30)}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(traces, indent=1) + "\n")
    known = json.loads(GOLDEN.read_text())
    assert {seed: trace for seed, trace in traces.items() if trace != known.get(seed)} == {}, f"see {tmp_path}"


def _trace(seed: int, file: Path) -> dict[str, int | str]:
    """The numbers of what has happened, and a hash of all of it; `file` gets it in full."""

    async def story() -> None:
        storm = Storm(seed)
        storms.append(storm)
        await storm.run()

    storms: list[Storm] = []
    run(story())
    trace = storms[0].trace
    file.write_text("\n".join(trace.lines()) + "\n")
    return {
        **{each: trace.count(each) for each in ("request", "patch", "get", "event")},
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
