"""What is said of the breakers of accounts and apps."""

from astra_mirror.core.journal.breakers import BreakerJournal, Closed, Opened
from astra_mirror.core.outcome import Failed, SyncReason

FORBIDDEN = Failed(SyncReason.FORBIDDEN, "not this app", code=403)
OTHER = Failed(SyncReason.FORBIDDEN, "in other words", code=403)


def test_each_opens_and_closes_once() -> None:
    """A breaker that is opened again by its probe is no news; one that was never said to be open closes in silence."""
    journal, said = BreakerJournal(), []
    for at, failure in ((0, None), (1, FORBIDDEN), (61, OTHER), (121, None), (122, None)):
        change = journal.change("app", failure, at)
        if change is not None:
            journal.said(change, at)
            said.append(change)
    assert said == [Opened("app", FORBIDDEN), Closed("app", 120)]


def test_what_nobody_uses_any_more() -> None:
    """It goes without a word."""
    journal = BreakerJournal()
    for scope in ("a", "b"):
        journal.said(Opened(scope, FORBIDDEN), 0)
    journal.retain(["b"])
    assert list(journal) == ["b"]
    assert journal.change("a", None, 1) is None
