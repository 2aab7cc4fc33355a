"""What is taken back can be taken back: the texts are where they were, and what is left is Python."""

import pytest

from dev.takeback import mutated
from tests.soak.mutations import MUTATIONS


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_applies(name: str) -> None:
    """Each text occurs once, and the file compiles with the other in its place."""
    with mutated(MUTATIONS[name]) as source:
        for edit in MUTATIONS[name]:
            path = source / "astra_mirror" / edit.file
            compile(path.read_text(), str(path), "exec")
