"""What `make fuzz` runs: every module of tests/fuzz is a target, and each of its checks takes any bytes."""

import importlib
import random

import pytest

from dev.fuzz.__main__ import checks_of, finding, names, tried


def test_targets_have_the_names_that_the_manual_has() -> None:
    """CONTRIBUTING.md names one of them."""
    assert {"answer", "apiserver", "duration", "kubeconfig", "list", "secret", "status", "url"} == set(names())


@pytest.mark.parametrize("name", names())
def test_a_target_makes_inputs_of_bytes(name: str) -> None:
    """Of some it makes none: they are too short; what it makes of the others is tried."""
    checks = checks_of(importlib.import_module(f"tests.fuzz.test_{name}"))
    assert checks
    chance = random.Random()  # noqa: S311 - bytes to be tried, others in each run
    for check in checks:
        check(b"")
        # One in a few is enough for an input; that none of a hundred is has no chance.
        made = (check(chance.randbytes(size)) for size in [64, 1024, 4096] * 33)
        assert any(each is not None for each in made)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("", 0),
        ("Traceback: no end of its own\n", 0),
        ("Done 12 in 3 s\nstat::number_of_executed_units: 12\nstat::average_exec_per_sec:     4\n", 12),
    ],
)
def test_what_was_tried_is_counted(said: str, number: int) -> None:
    """A fuzzer that ends well without having tried anything has found nothing, which says nothing."""
    assert tried(said) == number


_LOG = """\
artifact_prefix='/a b/fuzz/url-'; Test unit written to /a b/fuzz/url-{}-93a9acb520e662da33a55b6d8d9c73b15af4f5e2
Base64: ABMx
"""


@pytest.mark.parametrize("kind", ["crash", "oom", "timeout"])
def test_an_input_that_ends_the_fuzzer_is_a_finding(kind: str) -> None:
    """The log says where it is and what was wrong."""
    assert finding(_LOG.format(kind)) == (f"/a b/fuzz/url-{kind}-93a9acb520e662da33a55b6d8d9c73b15af4f5e2", kind)


@pytest.mark.parametrize("said", ["", "ModuleNotFoundError: No module named 'x'\n", _LOG.format("slow-unit")])
def test_a_fuzzer_that_fails_itself_has_found_nothing(said: str) -> None:
    """Nor has one that only reported a slow input before it was killed."""
    assert finding(said) is None
