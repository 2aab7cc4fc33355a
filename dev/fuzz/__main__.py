"""`python -m dev.fuzz [--seconds 600] [--target NAME]...`: fuzzes each target until its time is over.

A target is a module of tests/fuzz, and what it checks are its hypothesis tests. Here atheris, which is libFuzzer for
Python, chooses the inputs by the branches that they reach. Each target is a process of its own: libFuzzer ends it at
the first finding. Then pytest tries that input again, makes it as small as it can, shows what is wrong with it, and
prints the line with which anybody can try it. An input that takes too long or needs too much memory is only in the
file that libFuzzer writes, because the process ends before hypothesis can store it.
"""

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_TARGETS: Final = _ROOT / "tests" / "fuzz"
_KEPT: Final = _ROOT / "build" / "fuzz"
"""What has led to a new branch, kept from one run to the next, and what was found."""
_MOST_BYTES: Final = 8192
"""Bytes of which hypothesis makes an input, at most."""
_SLOW_SECONDS: Final = 20
"""An input that takes so much CPU time is a finding as well: nothing that is read here may take a second."""
_STUCK_SECONDS: Final = 300
"""One that has not ended after so long is one whatever the machine does besides: it may have no end."""
_MOST_MEMORY: Final = 2048
"""MiB of the process beyond which an input is a finding."""
_ALSO_GUIDED_BY: Final = {"secret": ["yaml"], "kubeconfig": ["yaml"]}
"""Libraries whose branches count beside our own, where a tenant's bytes get as far as there. It makes them slower."""
_LEAST: Final = 1000
"""With fewer inputs, finding nothing means nothing."""
_STATISTICS: Final = re.compile(r"^stat::(number_of_executed_units|average_exec_per_sec): +(\d+)$", re.MULTILINE)
_FOUND: Final = re.compile(r"Test unit written to (.+-(crash|oom|timeout)-[0-9a-f]+)$", re.MULTILINE)
"""What libFuzzer says of a finding. It writes a `slow-unit` in the same words, and goes on: that is none."""


def names() -> list[str]:
    """All targets."""
    return sorted(path.stem.removeprefix("test_") for path in _TARGETS.glob("test_*.py"))


def checks_of(module: ModuleType) -> list[Callable[[bytes], object]]:
    """What the module's hypothesis tests make of bytes."""
    tests = [value for name, value in sorted(vars(module).items()) if name.startswith("test_")]
    return [test.hypothesis.fuzz_one_input for test in tests if hasattr(test, "hypothesis")]


def _fuzz(name: str, seconds: int) -> None:
    """Fuzz one target; does not return."""
    import atheris  # noqa: PLC0415 - it has no wheel for every machine, and the rest of this module needs none

    with atheris.instrument_imports(include=["astra_mirror", *_ALSO_GUIDED_BY.get(name, [])]):
        module = importlib.import_module(f"tests.fuzz.test_{name}")
    checks = checks_of(module)

    def check(data: bytes) -> None:
        # The first byte chooses, so that one run serves all of them.
        if data:
            begun = time.process_time()
            checks[data[0] % len(checks)](data[1:])
            used = time.process_time() - begun
            if used > _SLOW_SECONDS:
                raise TimeoutError(f"this input takes {used:.0f}s of CPU time; more than {_SLOW_SECONDS}s is too much")

    corpus = _KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={_MOST_BYTES}",
        f"-timeout={_STUCK_SECONDS}",
        f"-rss_limit_mb={_MOST_MEMORY}",
        f"-artifact_prefix={corpus}-",
        # Large inputs from the beginning: small ones are the plainest of each strategy.
        "-len_control=0",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], *options, str(corpus)], check)
    atheris.Fuzz()


def _finds_nothing(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own; it has to try enough to say so."""
    print(f"== {name}: {seconds}s", flush=True)
    _KEPT.mkdir(parents=True, exist_ok=True)
    log = _KEPT / f"{name}.log"
    command = [sys.executable, "-m", "dev.fuzz", "--seconds", str(seconds), "--run", name]
    with log.open("w") as output:
        code = subprocess.run(command, cwd=_ROOT, stdout=output, stderr=output, check=False).returncode
    said = log.read_text(errors="replace")
    print("   " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in _STATISTICS.findall(said)), flush=True)
    if code == 0:
        number = tried(said)
        if number >= _LEAST:
            return True
        print(f"== {name}: {number} inputs were tried, which says nothing: at least {_LEAST} are needed ({log})")
        return False
    print("\n".join(said.splitlines()[-40:]), flush=True)
    found = finding(said)
    if found is None:
        print(f"== {name}: the fuzzer itself failed, with exit code {code} ({log})", flush=True)
        return False
    path, kind = found
    print(f"== {name}: found: {path} ({log})", flush=True)
    if kind != "crash":
        why = f"has not ended after {_STUCK_SECONDS}s" if kind == "timeout" else f"needs more than {_MOST_MEMORY} MiB"
        print(f"== {name}: this input {why}", flush=True)
        return False
    print(f"== {name}: pytest tries it again, and makes it smaller", flush=True)
    subprocess.run([sys.executable, "-m", "pytest", "-q", f"tests/fuzz/test_{name}.py"], cwd=_ROOT, check=False)
    print(f"== {name}: make it an @example of tests/fuzz/test_{name}.py", flush=True)
    return False


def finding(said: str) -> tuple[str, str] | None:
    """The file with the input that ended the fuzzer, and crash, oom or timeout; None when no input did."""
    found = _FOUND.search(said)
    return None if found is None else (found[1], found[2])


def tried(said: str) -> int:
    """How many inputs were tried, as libFuzzer says it at its end; 0 where it does not."""
    return int(dict(_STATISTICS.findall(said)).get("number_of_executed_units", 0))


def main() -> int:
    """Fuzz the targets one after the other; 1 when something was found, too little was tried, or a fuzzer failed."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument("--target", action="append", choices=names(), help="repeatable; all when left out")
    parser.add_argument("--run", choices=names(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.seconds < 1:
        parser.error("--seconds must be at least 1")
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzz: atheris is missing; `make fuzz` installs it (Linux on x86-64 only)")
    if arguments.run:
        _fuzz(arguments.run, arguments.seconds)
    found = [name for name in arguments.target or names() if not _finds_nothing(name, arguments.seconds)]
    print(f"fuzz: not clean: {', '.join(found)}" if found else "fuzz: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
