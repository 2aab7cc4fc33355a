"""Takes mends back, one at a time, and sees whether the soak finds it: `python -m dev.takeback [NAME...]`.

A machine that guards against what was found once has to find it when it comes back. What is taken back is in
tests/soak/mutations.py: texts of the operator's source and what they become. Each is put into a copy of the source and
run with up to three seeds.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.soak.plan import plan
from dev.soak.process import Build
from dev.soak.run import soak
from tests.soak.mutations import MUTATIONS, UNREACHABLE, Edit

_SOURCE: Final = Path(__file__).parents[1] / "operator"
_SHOWN: Final = 300


@contextmanager
def mutated(edits: Sequence[Edit]) -> Iterator[Path]:
    """A copy of the operator's source with these edits.

    Raises:
        ValueError: a text does not occur exactly once.
    """
    with tempfile.TemporaryDirectory(prefix="astra-mirror-takeback-") as folder:
        copy = Path(folder) / "operator"
        shutil.copytree(_SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            path = copy / "astra_mirror" / edit.file
            text = path.read_text()
            if text.count(edit.old) != 1:
                raise ValueError(f"{edit.file}: {text.count(edit.old)} times: {edit.old!r}")
            path.write_text(text.replace(edit.old, edit.new))
        yield copy


def found_by(name: str, seeds: Sequence[int], seconds: float) -> str | None:
    """What the soak finds of a mutation, with the seed; None when no seed finds any."""
    with mutated(MUTATIONS[name]) as source:
        for seed in seeds:
            report = soak(plan(seed, seconds), Build(source=source))
            shutil.rmtree(report.folder, ignore_errors=True)
            if report.findings:
                first = report.findings[0]
                return f"seed {seed}: {first.invariant}: {first.subject}: {first.text[:_SHOWN]}"
    return None


def main() -> None:
    """Try them; the exit code is 1 when fewer than nine of ten are found."""
    parser = argparse.ArgumentParser(prog="python -m dev.takeback", description=__doc__)
    parser.add_argument("names", nargs="*", help="which; all when left out")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each soak (default: 600)")
    parser.add_argument("--seed", type=int, action="append", help="repeatable (default: 1, 2, 3)")
    options = parser.parse_args()
    names = options.names or list(MUTATIONS)
    missed = []
    for name in names:
        found = found_by(name, options.seed or [1, 2, 3], options.seconds)
        print(f"{name}: {found or 'NOT FOUND'}", flush=True)
        if found is None:
            missed.append(name)
    print(f"takeback: {len(names) - len(missed)} of {len(names)} found; not reachable: {', '.join(UNREACHABLE)}")
    if len(missed) * 10 > len(names):
        sys.exit(1)


if __name__ == "__main__":
    main()
