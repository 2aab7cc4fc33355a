"""What is said of the watches of a kind."""

from astra_mirror.core.journal.kinds import KindJournal


def _journal() -> KindJournal:
    return KindJournal("AppBackupRefs", "crds/appbackupref.yaml")


def test_a_crd_that_is_removed() -> None:
    """One line for all namespaces, however often it is looked for, and one when it is back."""
    journal = _journal()
    lines = [journal.gone() for _ in range(10)]
    assert lines[0] is not None
    assert "AppBackupRefs are not watched any more" in lines[0].text
    assert "crds/appbackupref.yaml" in lines[0].text
    assert lines[1:] == [None] * 9
    back = [journal.watched(scope) for scope in ("the namespace a", "the namespace b")]
    assert back[0] is not None
    assert (back[0].text, back[1]) == ("AppBackupRefs are watched again", None)
    assert journal.gone() is not None


def test_a_watch_that_starts_anew() -> None:
    """One line for each reason, however often it fails for it; one that works for a minute may say it again."""
    journal, said = _journal(), list[float]()
    for at in range(0, 300, 10):
        said += [at] if journal.failed("all", "an error", at) else []
    assert said == [0]
    assert journal.watched("all") is None
    assert journal.failed("all", "an error", 300) is not None
    for at in range(310, 360, 10):
        journal.watched("all")
        assert journal.failed("all", "an error", at) is None
    assert journal.failed("all", "another error", 361) is not None
    assert journal.failed("the namespace b", "another error", 361) is not None
