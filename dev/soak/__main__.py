"""A soak by hand: `python -m dev.soak --seconds 600 --seed 7`, or `make soak SECONDS=600 SEED=7`."""

import argparse
import secrets
import sys
from pathlib import Path

from dev.controlplane.cluster import StartError
from dev.gobuild import ToolchainError
from dev.soak.actions import Script
from dev.soak.plan import plan
from dev.soak.process import Build
from dev.soak.run import LOG, say, soak


def main() -> None:
    """Run one; the exit code is 1 when it has found something."""
    parser = argparse.ArgumentParser(prog="python -m dev.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long actions go on (default: 600)")
    parser.add_argument("--seed", type=int, help="what they are made from; any when left out")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="the log of another run, instead of a seed")
    parser.add_argument("--operator", type=Path, metavar="PATH", help="another astra-mirror than this environment's")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where to copy the actions' log")
    options = parser.parse_args()
    if options.replay:
        script = Script.read(options.replay)
    else:
        seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
        script = plan(seed, options.seconds)
    print(f"soak: seed {script.seed}, {len(script.actions)} actions in {script.seconds:g}s", flush=True)
    if options.log:
        # Before anything can go wrong.
        options.log.write_text("".join(f"{line}\n" for line in script.lines()))
    try:
        report = soak(script, Build(options.operator))
    except (ToolchainError, StartError) as error:
        sys.exit(f"soak: {error}")
    say(report)
    if report.findings:
        log: Path = options.log or report.folder / LOG
        sys.exit(f"soak: failed; again with: python -m dev.soak --replay {log}")


if __name__ == "__main__":
    main()
