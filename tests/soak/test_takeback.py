"""What is taken back can be taken back: the texts are where they were, and what is left is Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from dev.soak.findings import Finding
from dev.soak.process import Build
from dev.takeback import Takeback, mutated
from tests.soak.mutations import MUTATIONS

_MUTATED: Final = Build(source=Path("mutated"))
_WRONG: Final = Finding("each status is right", "soak-a/ref-1", "Synced is False")


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_applies(name: str) -> None:
    """Each text occurs once, and the file compiles with the other in its place."""
    with mutated(MUTATIONS[name]) as source:
        for edit in MUTATIONS[name]:
            path = source / "astra_mirror" / edit.file
            compile(path.read_text(), str(path), "exec")


def _soaks(outcomes: Mapping[tuple[int, bool], Finding | Exception]) -> Callable[[int, Build], Finding | None]:
    """What comes of a seed, with and without a mutation; what is not named is clean."""

    def soak(seed: int, build: Build) -> Finding | None:
        outcome = outcomes.get((seed, build == _MUTATED))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return soak


def test_the_first_seed_that_finds_something_is_said() -> None:
    """With what it has found."""
    takeback = Takeback(_soaks({(2, True): _WRONG, (3, True): _WRONG}), [1, 2, 3])
    assert takeback.found_by(_MUTATED) == (2, _WRONG)


@pytest.mark.parametrize("control", [_WRONG, ValueError("a fault of the soak's own")])
def test_a_seed_that_is_not_clean_without_a_mutation_does_not_count(control: Finding | Exception) -> None:
    """What it finds says nothing of the mutation."""
    takeback = Takeback(_soaks({(1, False): control, (1, True): _WRONG}), [1, 2])
    assert takeback.found_by(_MUTATED) is None


def test_a_soak_that_fails_itself_finds_nothing() -> None:
    """The next seed is tried all the same."""
    takeback = Takeback(_soaks({(1, True): ValueError("a fault of the soak's own"), (2, True): _WRONG}), [1, 2])
    assert takeback.found_by(_MUTATED) == (2, _WRONG)
