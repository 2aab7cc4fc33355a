"""What is said of namespaces that do not exist, or end."""

from astra_mirror.core.journal.namespaces import AGAIN_SECONDS, Found, NamespaceJournal

NONE: frozenset[str] = frozenset()


def _texts(journal: NamespaceJournal, namespace: str, found: Found, now: float = 0.0) -> list[str]:
    return [line.text for line in journal.found(namespace, found, now)]


def test_a_namespace_that_is_misspelt() -> None:
    """One line, whenever it is tried, and one when it exists."""
    journal = NamespaceJournal(["shop", "shpo"])
    to_try, lines = journal.look(frozenset({"shop"}), 5)
    assert (to_try, lines) == (["shpo"], [])
    [text] = _texts(journal, "shpo", Found.MISSING, 5)
    assert text == "The namespace shpo, which --namespace names, does not exist; nothing is managed there until it does"
    assert journal.look(frozenset({"shop"}), 10) == ([], [])
    assert journal.look(frozenset({"shop"}), 5 + AGAIN_SECONDS) == (["shpo"], [])
    assert _texts(journal, "shpo", Found.MISSING, 65) == []
    assert _texts(journal, "shpo", Found.EXISTS, 125) == ["The namespace shpo exists now"]
    assert journal.look(frozenset({"shop"}), 1000) == ([], [])


def test_one_that_is_made_later() -> None:
    """An object in it says so before the next try."""
    journal = NamespaceJournal(["shop"])
    journal.look(NONE, 0)
    journal.found("shop", Found.MISSING, 0)
    to_try, lines = journal.look(frozenset({"shop"}), 30)
    assert (to_try, [each.text for each in lines]) == ([], ["The namespace shop exists now"])


def test_a_namespace_that_ends() -> None:
    """It is tried when the last object has gone; the line is one, also if an Event could not be created there."""
    journal = NamespaceJournal([])
    assert journal.look(frozenset({"a", "b", "c"}), 0) == ([], [])
    assert [each.text for each in journal.ends("a")] == ["The namespace a ends, and its objects with it"]
    assert journal.ends("a") == []
    assert journal.look(NONE, 5)[0] == ["a", "b", "c"] or sorted(journal.look(NONE, 5)[0]) == ["a", "b", "c"]
    assert _texts(journal, "a", Found.MISSING) == []
    assert _texts(journal, "b", Found.ENDS) == ["The namespace b ends, and its objects with it"]
    assert _texts(journal, "c", Found.EXISTS) == [], "its objects were deleted, and nothing else"
    assert journal.look(NONE, 1000) == ([], [])


def test_one_of_those_that_are_named() -> None:
    """It ends, and is waited for."""
    journal = NamespaceJournal(["shop"])
    journal.look(frozenset({"shop"}), 0)
    journal.look(NONE, 5)
    assert _texts(journal, "shop", Found.MISSING, 5) == ["The namespace shop ends, and its objects with it"]
    assert journal.look(NONE, 70)[0] == ["shop"]
    assert _texts(journal, "shop", Found.EXISTS, 70) == ["The namespace shop exists now"]


def test_one_that_comes_and_goes() -> None:
    """Without --namespace nothing is said of its return, and something of its next end."""
    journal = NamespaceJournal([])
    for at in (0, 100):
        assert journal.look(frozenset({"ci"}), at) == ([], [])
        assert journal.look(NONE, at + 5) == (["ci"], [])
        assert len(_texts(journal, "ci", Found.MISSING)) == 1


def test_what_cannot_be_told_is_tried_again() -> None:
    """The API server did not answer."""
    journal = NamespaceJournal(["shop"])
    journal.look(NONE, 0)
    assert _texts(journal, "shop", Found.UNKNOWN, 0) == []
    assert journal.look(NONE, 59)[0] == []
    assert journal.look(NONE, 60)[0] == ["shop"]
