"""Takes mends back, one at a time, and sees whether the soak finds it: `python -m dev.takeback [NAME...]`.

A machine that guards against what was found once has to find it when it comes back. What is taken back is in
tests/soak/mutations.py: texts of the operator's source and what they become. Each is put into a copy of the source and
run with up to three seeds. A seed counts only when the soak is clean with the source as it is, which is tried first and
once for all mutations. Several of these commands may run at the same time where there are processors for them.
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dev.soak.findings import Finding
from dev.soak.plan import plan
from dev.soak.process import Build, NotReadyError
from dev.soak.run import soak
from tests.soak.mutations import MUTATIONS, UNREACHABLE, Edit

_SOURCE: Final = Path(__file__).parents[1] / "operator"
_SHOWN: Final = 300
Soak = Callable[[int, Build], Finding | None]
"""A soak of a seed: its first finding; None when it is clean."""


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


@dataclass
class Takeback:
    """Tries builds of the operator.

    Attributes:
        soak: how one is put to a seed.
        seeds: which, in this order.
        is_controlled: whether each seed is tried with the source as it is before it counts.
    """

    soak: Soak
    seeds: Sequence[int]
    is_controlled: bool = True
    _counts: dict[int, bool] = field(default_factory=dict)

    def found_by(self, build: Build) -> tuple[int, Finding] | None:
        """The first seed that finds something, and what; None when none does.

        A soak that fails itself finds nothing, and is no reason not to try the next.
        """
        for seed in self.seeds:
            if self.is_controlled and not self._is_clean(seed):
                continue
            try:
                finding = self.soak(seed, build)
            except Exception:  # noqa: BLE001 - whatever fails in one of many soaks of ten minutes, the others go on
                print(f"seed {seed}: the soak itself has failed\n{traceback.format_exc()}", flush=True)
                continue
            if finding is not None:
                return seed, finding
        return None

    def _is_clean(self, seed: int) -> bool:
        """Whether a seed counts: it finds nothing where nothing was taken back."""
        if seed not in self._counts:
            try:
                finding = self.soak(seed, Build())
                why = None if finding is None else _text(finding)
            except Exception:  # noqa: BLE001 - as above
                why = f"the soak itself has failed\n{traceback.format_exc()}"
            self._counts[seed] = why is None
            print(f"control: seed {seed}: {'clean' if why is None else f'does not count: {why}'}", flush=True)
        return self._counts[seed]


def first_finding(seconds: float) -> Soak:
    """Soaks of so many seconds; an operator that does not become ready is found by that."""

    def run(seed: int, build: Build) -> Finding | None:
        try:
            report = soak(plan(seed, seconds), build)
        except NotReadyError as error:
            return Finding("an operator becomes ready", "the operator", str(error))
        shutil.rmtree(report.folder, ignore_errors=True)
        return report.findings[0] if report.findings else None

    return run


def _text(finding: Finding) -> str:
    return f"{finding.invariant}: {finding.subject}: {finding.text[:_SHOWN]}"


def main() -> None:
    """Try them; the exit code is 1 when fewer than nine of ten are found."""
    parser = argparse.ArgumentParser(prog="python -m dev.takeback", description=__doc__)
    parser.add_argument("names", nargs="*", help="which; all when left out")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each soak (default: 600)")
    parser.add_argument("--seed", type=int, action="append", help="repeatable (default: 1, 2, 3)")
    parser.add_argument("--no-control", action="store_true", help="the seeds are known to be clean")
    options = parser.parse_args()
    names = options.names or list(MUTATIONS)
    takeback = Takeback(first_finding(options.seconds), options.seed or [1, 2, 3], not options.no_control)
    invariants: Counter[str] = Counter()
    for name in names:
        with mutated(MUTATIONS[name]) as source:
            found = takeback.found_by(Build(source=source))
        if found is not None:
            invariants[found[1].invariant] += 1
        print(f"{name}: {'NOT FOUND' if found is None else f'seed {found[0]}: {_text(found[1])}'}", flush=True)
    for invariant, number in invariants.most_common():
        print(f"takeback: {number} by: {invariant}")
    print(f"takeback: {invariants.total()} of {len(names)} found; not reachable: {', '.join(UNREACHABLE)}")
    if (len(names) - invariants.total()) * 10 > len(names):
        sys.exit(1)


if __name__ == "__main__":
    main()
