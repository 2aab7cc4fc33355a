"""How long each target is tried with pytest, and how much work a piece of bytes may cost.

Each run of pytest tries other inputs: a fault that one in ten thousand inputs has is found by somebody. What has been
found is kept in .hypothesis and tried first the next time.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Self

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

IN_SECONDS: Final = settings(
    max_examples=250,
    # Whatever profile is in force: hypothesis' own one for CI tries the same inputs in each run.
    derandomize=False,
    database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Steps:
    """Counts calls, of Python's functions and of those in C: the same number on a fast and on a slow machine."""

    def __init__(self) -> None:
        self.count = 0

    def _profile(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event in {"call", "c_call"}:
            self.count += 1

    @classmethod
    @contextmanager
    def counted(cls) -> Iterator[Self]:
        """Count for the time of a `with` block."""
        steps, before = cls(), sys.getprofile()
        sys.setprofile(steps._profile)
        try:
            yield steps
        finally:
            sys.setprofile(before)
