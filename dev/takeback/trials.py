"""A build of the operator with an old fix undone, and the soaks that are to find it."""

import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dev.soak.findings import Finding
from dev.soak.plan import plan
from dev.soak.process import Build
from dev.soak.run import soak
from dev.takeback.mutations import Edit

_SOURCE: Final = Path(__file__).parents[2] / "operator"
_SHOWN: Final = 300
Soak = Callable[[int, Build], Finding | None]
"""A soak of a seed: its first finding; None when it is clean."""


class NotTriedError(Exception):
    """No soak of a build counts, so that nothing is known of it."""


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
class Trials:
    """Soaks of builds of the operator, with the same seeds for each.

    Attributes:
        soak: runs one.
        seeds: which, in this order.
        is_controlled: whether a seed counts only if its soak is clean with the source as it is.
    """

    soak: Soak
    seeds: Sequence[int]
    is_controlled: bool = True
    _counts: dict[int, bool] = field(default_factory=dict)

    def found_by(self, build: Build) -> tuple[int, Finding] | None:
        """The first seed that finds something, and what; None when none does.

        A soak that fails itself finds nothing; the next seed is tried all the same.

        Raises:
            NotTriedError: each seed finds something with the source as it is, or its soak fails itself.
        """
        counted = False
        for seed in self.seeds:
            if self.is_controlled and not self._is_clean(seed):
                continue
            try:
                finding = self.soak(seed, build)
            except Exception:  # noqa: BLE001 - whatever fails in one of many soaks of ten minutes, the others go on
                print(f"seed {seed}: the soak itself has failed\n{traceback.format_exc()}", flush=True)
                continue
            counted = True
            if finding is not None:
                return seed, finding
        if not counted:
            raise NotTriedError("no seed counts")
        return None

    def _is_clean(self, seed: int) -> bool:
        """Whether a seed counts: it finds nothing with the source as it is."""
        if seed not in self._counts:
            try:
                finding = self.soak(seed, Build())
                why = None if finding is None else text_of(finding)
            except Exception:  # noqa: BLE001 - as above
                why = f"the soak itself has failed\n{traceback.format_exc()}"
            self._counts[seed] = why is None
            print(f"control: seed {seed}: {'clean' if why is None else f'does not count: {why}'}", flush=True)
        return self._counts[seed]


def first_finding(seconds: float) -> Soak:
    """Soaks of so many seconds."""

    def run(seed: int, build: Build) -> Finding | None:
        report = soak(plan(seed, seconds), build)
        shutil.rmtree(report.folder, ignore_errors=True)
        return report.findings[0] if report.findings else None

    return run


def text_of(finding: Finding) -> str:
    """A finding in a line."""
    return f"{finding.invariant}: {finding.subject}: {finding.text[:_SHOWN]}"
