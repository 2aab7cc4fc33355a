"""What is said of Secrets: one line when one becomes unusable, one when it is usable again."""

from astra_mirror.core.connection import Connection
from astra_mirror.core.journal.secrets import MISSING_SECONDS, SecretJournal
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import BaseURL

SECRET = ("shop", "astra-control")
GOOD = Connection(BaseURL.parse("https://a.netapp.io"), "a-token")
MISSING = Failed(SyncReason.SECRET_NOT_FOUND, "There is no such Secret.")
INVALID = Failed(SyncReason.SECRET_INVALID, "Its key 'url' is wrong.")
FORBIDDEN = Failed(SyncReason.SECRET_FORBIDDEN, "The role forbids it.")


def test_once_while_nothing_changes() -> None:
    """A new reason is a change, and another content that is usable is none; nothing is said of what is not known."""
    journal, said = SecretJournal(), []
    for result in (None, GOOD, GOOD, FORBIDDEN, FORBIDDEN, None, FORBIDDEN, INVALID, GOOD, GOOD, INVALID):
        if journal.due_at(SECRET, result, 7.0) == 7.0:
            journal.said(SECRET, result)
            said.append(result)
    assert said == [FORBIDDEN, INVALID, GOOD, INVALID]


def test_one_that_is_missing() -> None:
    """It is spoken of when it has been missing for some seconds, and once."""
    journal = SecretJournal()
    assert journal.due_at(SECRET, MISSING, 100) == 100 + MISSING_SECONDS
    assert journal.due_at(SECRET, MISSING, 105) == 100 + MISSING_SECONDS
    assert journal.due_at(SECRET, MISSING, 111) == 111
    journal.said(SECRET, MISSING)
    assert journal.due_at(SECRET, MISSING, 200) is None
    assert journal.due_at(SECRET, GOOD, 201) == 201


def test_one_that_comes_soon() -> None:
    """Nothing is said of it, and the next time counts anew."""
    journal = SecretJournal()
    journal.due_at(SECRET, MISSING, 100)
    assert journal.due_at(SECRET, GOOD, 105) is None
    assert journal.due_at(SECRET, MISSING, 108) == 108 + MISSING_SECONDS


def test_what_nobody_uses_any_more() -> None:
    """It is forgotten without a word: if somebody uses it again, that is news."""
    journal = SecretJournal()
    journal.said(SECRET, INVALID)
    journal.retain({SECRET})
    assert journal.due_at(SECRET, INVALID, 1) is None
    journal.retain(set())
    assert journal.due_at(SECRET, GOOD, 2) is None
    assert journal.due_at(SECRET, INVALID, 3) == 3
