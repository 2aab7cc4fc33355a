"""Reverts old fixes, one at a time, and checks that the soak finds each: `python -m dev.takeback [NAME...]`.

A fault that was found once must be found again when it returns. The fixes are in dev/takeback/mutations.py, as the
texts of the operator's source that undo them. Each is undone in a copy of the source, which is run with up to three
seeds. A seed counts only if the soak is clean with the source as it is; that is tried first, and once for all
mutations. Several of these commands may run at the same time on a machine with enough processors.
"""

import argparse
import sys
from collections import Counter

from dev.soak.process import Build
from dev.takeback.mutations import MUTATIONS, UNREACHABLE
from dev.takeback.trials import NotTriedError, Trials, first_finding, mutated, text_of


def main() -> None:
    """Try them; the exit code is 1 when fewer than nine of ten are found."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.takeback", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a mutation; all when left out")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each soak (default: 600)")
    parser.add_argument("--seed", type=int, action="append", help="repeatable (default: 1, 2, 3)")
    parser.add_argument("--no-control", action="store_true", help="the seeds are known to be clean")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - MUTATIONS.keys()):
        parser.error(f"no mutation {', '.join(unknown)}; there are: {', '.join(MUTATIONS)}")
    names = options.names or list(MUTATIONS)
    trials = Trials(first_finding(options.seconds), options.seed or [1, 2, 3], not options.no_control)
    invariants: Counter[str] = Counter()
    not_tried = 0
    for name in names:
        try:
            with mutated(MUTATIONS[name]) as source:
                found = trials.found_by(Build(source=source))
        except NotTriedError as error:
            not_tried += 1
            print(f"{name}: NOT TRIED: {error}", flush=True)
            continue
        if found is not None:
            invariants[found[1].invariant] += 1
        print(f"{name}: {'NOT FOUND' if found is None else f'seed {found[0]}: {text_of(found[1])}'}", flush=True)
    for invariant, number in invariants.most_common():
        print(f"takeback: {number} by: {invariant}")
    print(
        f"takeback: {invariants.total()} of {len(names)} found, {not_tried} not tried;"
        f" not reachable: {', '.join(UNREACHABLE)}"
    )
    if (len(names) - invariants.total()) * 10 > len(names):
        sys.exit(1)


if __name__ == "__main__":
    main()
