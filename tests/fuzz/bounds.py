"""How long each target is tried with pytest, and how much work a piece of bytes may cost.

Each run of pytest tries other inputs: a fault that one in ten thousand inputs has is found by somebody. What has been
found is kept in .hypothesis and tried first the next time. CI alone tries the same inputs each time: what no change has
caused must not stop it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Self

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

_IS_CI: Final = bool(os.environ.get("CI"))

IN_SECONDS: Final = settings(
    max_examples=400,
    derandomize=_IS_CI,
    database=None if _IS_CI else DirectoryBasedExampleDatabase(".hypothesis/examples"),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Steps:
    """Counts the lines of Python that are run: the same number on a fast and on a slow machine."""

    def __init__(self) -> None:
        self.count = 0

    def _trace(self, _frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "line":
            self.count += 1
        return self._trace

    @classmethod
    @contextmanager
    def counted(cls) -> Iterator[Self]:
        """Count for the time of a `with` block."""
        steps, before = cls(), sys.gettrace()
        sys.settrace(steps._trace)
        try:
            yield steps
        finally:
            sys.settrace(before)
