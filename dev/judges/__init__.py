"""The tools whose judgement the status is made for, as they are: kstatus, Argo CD's Lua, CEL, promtool and others.

A test of a copy of their rules would prove that we can copy. They are built from pinned Go modules, once.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from dev.gobuild import GoPrograms

_ROOT: Final = Path(__file__).parent


@cache
def folder() -> Path:
    """The folder with judge, kube-state-metrics, promtool and prometheus.

    Raises:
        ToolchainError: they cannot be built.
    """
    return GoPrograms(
        name="judges",
        what="kstatus, kube-state-metrics, promtool and Prometheus, once; 10 to 13 minutes on 2 cores",
        modules=((_ROOT / "judge", "."), (_ROOT / "kubestatemetrics", "tool"), (_ROOT / "prometheus", "tool")),
        flags=("-trimpath", "-ldflags", "-s -w"),
        packages=1500,
    ).folder()


@dataclass(frozen=True)
class Verdict:
    """What a tool says of an object."""

    status: str
    message: str


def judged(objects: Sequence[Mapping[str, Any]], *tool: str) -> list[Verdict]:
    """Each object as a tool sees it: `kstatus`, `lua` with a file, or `cel` with an expression.

    Raises:
        CalledProcessError: the tool cannot judge one of them; its stderr says why.
    """
    lines = "".join(f"{json.dumps(each)}\n" for each in objects)
    ended = subprocess.run([folder() / "judge", *tool], input=lines, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(ended.stderr, file=sys.stderr)
    ended.check_returncode()
    return [Verdict(**json.loads(line)) for line in ended.stdout.splitlines()]
