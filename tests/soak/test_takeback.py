"""Each mutation applies to the source as it is, and one that could not be tried does not count as missed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from dev.soak.findings import Finding
from dev.soak.process import Build
from dev.takeback.__main__ import main
from dev.takeback.mutations import MUTATIONS
from dev.takeback.trials import NotTriedError, Trials, mutated

_MUTATED: Final = Build(source=Path("mutated"))
_WRONG: Final = Finding("each status is right", "soak-a/ref-1", "Synced is False")


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_applies(name: str) -> None:
    """Each text occurs once and changes, and the file compiles afterwards."""
    with mutated(MUTATIONS[name]) as source:
        for edit in MUTATIONS[name]:
            assert edit.old != edit.new
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
    trials = Trials(_soaks({(2, True): _WRONG, (3, True): _WRONG}), [1, 2, 3])
    assert trials.found_by(_MUTATED) == (2, _WRONG)


def test_a_mutation_that_nothing_finds() -> None:
    """It is missed only if a soak with it has ended."""
    assert Trials(_soaks({(1, True): ValueError("a fault of the soak's own")}), [1, 2]).found_by(_MUTATED) is None


@pytest.mark.parametrize("control", [_WRONG, ValueError("a fault of the soak's own")])
def test_a_seed_that_is_not_clean_without_a_mutation_does_not_count(control: Finding | Exception) -> None:
    """What it finds says nothing of the mutation."""
    trials = Trials(_soaks({(1, False): control, (1, True): _WRONG}), [1, 2])
    assert trials.found_by(_MUTATED) is None


def test_a_soak_that_fails_itself_finds_nothing() -> None:
    """The next seed is tried all the same."""
    trials = Trials(_soaks({(1, True): ValueError("a fault of the soak's own"), (2, True): _WRONG}), [1, 2])
    assert trials.found_by(_MUTATED) == (2, _WRONG)


@pytest.mark.parametrize("is_mutated", [False, True])
def test_a_mutation_that_was_not_tried(is_mutated: bool) -> None:
    """Where no soak counts, with the source as it is or with the mutation, the mutation is not missed."""
    failure = ValueError("a fault of the soak's own")
    trials = Trials(_soaks({(1, is_mutated): failure, (2, is_mutated): failure}), [1, 2])
    with pytest.raises(NotTriedError, match="no seed counts"):
        trials.found_by(_MUTATED)


def test_a_name_that_no_mutation_has(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says so, and which there are."""
    monkeypatch.setattr("sys.argv", ["takeback", "yaml-escape", "yaml-escapes"])
    with pytest.raises(SystemExit):
        main()
    assert "no mutation yaml-escapes; there are: yaml-escape, large-secret," in capsys.readouterr().err
