"""The objects that a command is about, as their watches report them."""

from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.observed import Changed, Left, Lost, Query, Reached, queries_for
from astra_mirror.kubectl.core.roll import Roll
from astra_mirror.kubectl.core.seen import Seen
from astra_mirror.kubectl.core.verdicts import Outcome
from tests.kubectl.core.objects import COMPLETED, NOW, RUNNING, SYNCED, ref

KEY = Key(Kind.REF, "shop", "nightly")
NAMED = Query(Kind.REF, "shop", names=frozenset({"nightly"}))
LABELED = Query(Kind.REF, "shop", "team=shop")


def _running(uid: str = "u1") -> Seen:
    return ref(statuses=RUNNING | SYNCED, metadata={"uid": uid})


def _reasons(roll: Roll) -> dict[str, str]:
    return {str(key): verdict.reason for key, verdict in roll.verdicts(NOW).items()}


def test_one_that_is_named() -> None:
    """It is on the roll before it was seen, and after it was deleted."""
    roll = Roll([NAMED], [KEY])
    assert _reasons(roll) == {"nightly": "Unread"}
    assert not roll.is_read
    roll.take(Reached(NAMED))
    assert _reasons(roll) == {"nightly": "NotFound"}
    roll.take(Changed(NAMED, _running()))
    assert _reasons(roll) == {"nightly": "BackupInProgress"}
    roll.take(Left(NAMED, KEY, is_deleted=True))
    assert _reasons(roll) == {"nightly": "Deleted"}
    assert roll.verdicts(NOW)[KEY].outcome is Outcome.FAILED


def test_one_that_was_made_again_is_another_one() -> None:
    """Whether the deletion was seen or not."""
    for is_seen in (True, False):
        roll = Roll([NAMED], [KEY])
        roll.take(Changed(NAMED, _running()))
        if is_seen:
            roll.take(Left(NAMED, KEY, is_deleted=True))
        roll.take(Changed(NAMED, _running("u2")))
        roll.take(Reached(NAMED))
        assert _reasons(roll) == {"nightly": "Deleted"}


def test_while_the_api_server_is_away() -> None:
    """Nothing can be told, but of what has ended; afterwards all is as it was."""
    roll = Roll([NAMED], [KEY])
    for each in (Changed(NAMED, _running()), Reached(NAMED), Lost(NAMED, "away")):
        roll.take(each)
    assert _reasons(roll) == {"nightly": "NoAPIServer"}
    assert list(roll.troubles) == ["away"]
    roll.take(Changed(NAMED, ref(statuses=COMPLETED | SYNCED, metadata={"uid": "u1"})))
    assert _reasons(roll) == {"nightly": "BackupCompleted"}
    roll.take(Changed(NAMED, _running()))
    roll.take(Reached(NAMED))
    assert _reasons(roll) == {"nightly": "BackupInProgress"}
    assert list(roll.troubles) == []


def test_those_with_a_label() -> None:
    """Whoever has it is on the roll, and who loses it is not; nobody is something of which nothing can be told."""
    roll = Roll([LABELED])
    assert _reasons(roll) == {"-l team=shop": "Unread"}
    roll.take(Reached(LABELED))
    [verdict] = roll.verdicts(NOW).values()
    assert (verdict.outcome, verdict.text) == (Outcome.UNDECIDED, "no ref in the namespace shop has these labels")
    roll.take(Lost(LABELED, "away"))
    assert _reasons(roll) == {"-l team=shop": "NoAPIServer"}
    roll.take(Reached(LABELED))
    roll.take(Changed(LABELED, _running()))
    assert _reasons(roll) == {"nightly": "BackupInProgress"}
    roll.take(Left(LABELED, KEY, is_deleted=False))
    assert _reasons(roll) == {"-l team=shop": "NotFound"}


def test_queries() -> None:
    """Some names have a watch each, which a role for these alone allows; many share one of each kind."""
    few = [Key(Kind.REF, "shop", f"r{number}") for number in range(8)]
    assert [each.only_name for each in queries_for(few)] == [key.name for key in few]
    many = [*few, Key(Kind.MONITOR, "shop", "m")]
    refs, monitors = queries_for(many)
    assert (refs.kind, refs.only_name, monitors.only_name) == (Kind.REF, None, "m")
    assert all(refs.covers(key) != monitors.covers(key) for key in many)
    assert not refs.covers(Key(Kind.REF, "shop", "other"))
    assert not refs.covers(Key(Kind.REF, "other", "r1"))
    assert Query(Kind.REF, None).covers(Key(Kind.REF, "any", "r"))
