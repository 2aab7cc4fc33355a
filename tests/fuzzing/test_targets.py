"""What `make fuzz` runs: every module of tests/fuzz is a target, and each of its checks takes any bytes."""

import importlib
import random

import pytest

from dev.fuzz.__main__ import checks_of, names


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
        made = [check(chance.randbytes(size)) for size in (0, 64, 1024, 4096)]
        assert any(each is not None for each in made)
