"""A soak by hand: `python -m dev.soak --seconds 600 --seed 7`, or `make soak SECONDS=600 SEED=7`.

The exit code is 1 when it has found something, or has failed itself with a traceback; 2 when it could not begin.
"""

import argparse
import math
import secrets
import sys
from pathlib import Path

from dev.controlplane.kubectl import KubectlError
from dev.controlplane.processes import StartError
from dev.gobuild import ToolchainError
from dev.soak.actions import Script, ScriptError
from dev.soak.doing import ACTIONS
from dev.soak.plan import plan
from dev.soak.process import Build
from dev.soak.run import LOG, say, soak
from dev.soak.topology import TOPOLOGIES

_MIN_SECONDS, _MAX_SECONDS = 10, 86_400


def main() -> None:
    """Run one."""
    parser = argparse.ArgumentParser(prog="python -m dev.soak", description=__doc__)
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=600.0,
        help="how long it acts; judging takes minutes more (default: 600)",
    )
    parser.add_argument("--seed", type=int, help="what the actions are made from (default: a random one)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the actions.jsonl of an earlier run instead")
    parser.add_argument("--operator", type=Path, metavar="PATH", help="another astra-mirror than this environment's")
    options = parser.parse_args()
    if options.operator and not options.operator.is_file():
        parser.error(f"--operator: there is no file {options.operator}")
    try:
        script = _script(options)
        print(f"soak: seed {script.seed}, {len(script.actions)} actions in {script.seconds:g}s", flush=True)
        report = soak(script, Build(options.operator))
    except (ToolchainError, StartError, KubectlError, ScriptError) as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(2)
    say(report)
    if report.findings:
        operator = f" OPERATOR={options.operator}" if options.operator else ""
        sys.exit(f"soak: failed; replay it with: make soak REPLAY={report.folder / LOG}{operator}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {_MIN_SECONDS} to {_MAX_SECONDS}")
    return seconds


def _script(options: argparse.Namespace) -> Script:
    """The one to replay, or the plan of a seed.

    Raises:
        ScriptError: what is to be replayed is none, or of another version.
    """
    if not options.replay:
        return plan(secrets.randbelow(10**6) if options.seed is None else options.seed, options.seconds)
    script = Script.read(options.replay)
    used = {each.do for each in script.actions} | {script.topology}
    if unknown := sorted(used - ACTIONS.keys() - TOPOLOGIES.keys()):
        raise ScriptError(f"{options.replay}: this version has no {', '.join(unknown)}")
    return script


if __name__ == "__main__":
    main()
