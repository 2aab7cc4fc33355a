"""What the word that is being typed may become."""

import pytest

from astra_mirror.kubectl.core.completing import Wanted, question_of

WITH_VALUE = frozenset({"--namespace", "--context", "--output", "--monitor", "--selector", "--timeout"})


@pytest.mark.parametrize(
    ("words", "typing", "wanted"),
    [
        ("", "", Wanted.COMMANDS),
        ("-n shop", "w", Wanted.COMMANDS),
        ("wait", "", Wanted.NAMES),
        ("wait a", "b", Wanted.NAMES),
        ("why", "", Wanted.NAMES),
        ("why a", "", Wanted.NOTHING),
        ("list", "", Wanted.NOTHING),
        ("import", "", Wanted.NOTHING),
        ("import --monitor", "", Wanted.MONITORS),
        ("wait", "--t", Wanted.FLAGS),
        ("wait --timeout", "", Wanted.NOTHING),
        ("wait -n", "", Wanted.NAMESPACES),
        ("wait --namespace", "", Wanted.NAMESPACES),
        ("--context", "", Wanted.CONTEXTS),
        ("list -o", "", Wanted.FORMATS),
    ],
)
def test_what_may_stand_there(words: str, typing: str, wanted: Wanted) -> None:
    """A command, a flag, the value of one, a name, or nothing that could be guessed."""
    assert question_of(words.split(), typing, WITH_VALUE).wanted is wanted


def test_what_was_typed_before_counts() -> None:
    """In which namespace to look, and which names are there already."""
    question = question_of(["-n", "shop", "wait", "--context=c", "a", "-l", "x=y"], "", WITH_VALUE)
    assert (question.command, question.names) == ("wait", ("a",))
    assert question.options == {"--namespace": "shop", "--context": "c", "--selector": "x=y"}
