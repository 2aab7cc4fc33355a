"""A text and the message in it: each answer has another correlation ID, and that alone is never news."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core.diff import difference
from astra_mirror.core.events import Around, notes_of
from astra_mirror.core.messages import MAX_MESSAGE, Shown, message_of, shows, text_of
from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from astra_mirror.core.status import UNSEEN, Event, next_status, shown_in
from astra_mirror.support.text import cut, sentence
from tests.core.cases import COMPLETED, MISSING, NOW, RUNNING, as_json, failed, spec

OTHER: Final = failed(SyncReason.INVALID_REQUEST)
_words: Final = st.sampled_from(
    ["No.", "Not found.", "Gone (for good).", "x.", "x. (correlationID y).", "x" * 1000 + ".", "x" * 2000 + "."]
) | st.text("ab(). ", max_size=12).map(sentence)
_ids: Final = st.none() | st.text("0-() x", min_size=1, max_size=64)
_answers: Final = st.builds(
    Failed,
    st.sampled_from([SyncReason.SERVER_ERROR, SyncReason.UNAUTHORIZED, SyncReason.UNEXPECTED_RESPONSE]),
    _words,
    code=st.just(500),
    correlation_id=_ids,
) | st.builds(NotFound, _words, _ids)
_failures: Final = _answers.filter(lambda each: isinstance(each, Failed))
_earlier: Final = st.lists(st.sampled_from([RUNNING, COMPLETED, MISSING, OTHER]) | _answers, max_size=3)


def _plain(text: str) -> str:
    """A text without its ID, found as somebody finds it who does not know the message."""
    return re.sub(r" \(correlationID [^()]*\)$", "", text)


@given(_words, _ids)
def test_a_text_shows_its_message_whatever_the_id_is(message: str, correlation_id: str | None) -> None:
    """Also where the text was cut, in the middle of the ID for example."""
    assert shows(cut(text_of(message, correlation_id), MAX_MESSAGE), message)


@pytest.mark.parametrize("length", range(MAX_MESSAGE - 60, MAX_MESSAGE + 3))
def test_a_text_shows_its_message_wherever_it_was_cut(length: int) -> None:
    """Before the ID, within what introduces it, and in the middle of it."""
    message = "x" * length
    assert shows(cut(text_of(message, "0" * 36), MAX_MESSAGE), message)
    assert not shows(cut(text_of(message, "0" * 36), MAX_MESSAGE), "y" + message[1:])


@given(_words, _ids, _words)
@example("x. (correlationID y).", "a", "x.")
def test_a_text_shows_no_other_message(message: str, correlation_id: str | None, other: str) -> None:
    """Where it was not cut."""
    text = text_of(message, correlation_id)
    if len(text) <= MAX_MESSAGE:
        assert shows(text, other) is (_plain(text) == other)


@given(_words, _ids, st.text(max_size=20))
def test_a_message_is_found_at_the_end_of_a_longer_text(message: str, correlation_id: str | None, before: str) -> None:
    """Ready says why nothing new is known, and then what Synced says."""
    text = text_of(message, correlation_id)
    assert message_of(before + text, (Shown(text, message),)) == before + message


def test_a_text_that_is_not_known_stays_as_it_is() -> None:
    """Nothing is searched for what might be an ID."""
    assert message_of("No. (correlationID a)", (Shown("Yes. (correlationID a)", "Yes."),)) == "No. (correlationID a)"


def _without_ids(status: dict[str, Any]) -> dict[str, Any]:
    """What a status says, without transition times."""
    said = [each | {"message": _plain(each["message"]), "lastTransitionTime": ""} for each in status["conditions"]]
    return status | {"conditions": said}


def _is_cut(status: dict[str, Any]) -> bool:
    return any(len(each["message"]) == MAX_MESSAGE for each in status["conditions"])


class Process:
    """One process and the statuses of one ref: the desired one, its own last one and the actual one."""

    def __init__(self, actual: dict[str, Any] | None = None) -> None:
        self.actual, self.own = actual or {}, actual or {}
        self.desired = AppBackupRefStatus.model_validate(actual) if actual else UNSEEN
        self.shown: tuple[Shown, ...] = ()
        self.notes: list[str] = []
        self.now = NOW

    def learn(self, outcome: Outcome | None, *, suspend: bool = False, **more: Any) -> None:
        """Take an answer in, or that polling is suspended."""
        before, self.now = self.desired, self.now + timedelta(seconds=15)
        event = Event(generation=1, spec=spec(suspend=suspend), outcome=outcome, now=self.now, **more)
        self.desired = next_status(before, event)
        self.shown = shown_in(self.desired, outcome, self.shown)
        around = Around(new_secret=True, shown=self.shown)
        self.notes = [each.text for each in notes_of(before, self.desired, around)]

    def patch(self) -> dict[str, Any]:
        """What has to be written."""
        found = difference(as_json(self.desired), self.own, self.actual, self.now, self.shown)
        return dict(found.patch)

    def write(self) -> None:
        """Write it."""
        found = difference(as_json(self.desired), self.own, self.actual, self.now, self.shown)
        self.own = self.actual = dict(found.status)
        self.desired = AppBackupRefStatus.model_validate(self.own)


def _process(outcomes: Sequence[Outcome], **more: Any) -> Process:
    process = Process()
    for outcome in outcomes:
        process.learn(outcome, **more)
        process.write()
    return process


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("stale_since", [None, NOW])
@given(earlier=_earlier, answer=_answers, other_id=_ids, keeps_message=st.booleans())
@settings(deadline=None)
def test_another_id_alone_causes_no_write_and_no_event(
    is_restarted: bool,
    stale_since: datetime | None,
    earlier: list[Outcome],
    answer: Failed | NotFound,
    other_id: str | None,
    keeps_message: bool,
) -> None:
    """In one process, and in the next one, which has nothing but the status to go by."""
    process = _process([*earlier, answer], stale_since=stale_since)
    if is_restarted:
        process = Process(process.actual)
    process.learn(replace(answer, correlation_id=other_id), stale_since=stale_since, keeps_message=keeps_message)
    assert process.patch() == {}
    assert process.notes == []


@given(_earlier, _answers, _earlier, _ids)
@settings(deadline=None)
def test_another_id_alone_causes_no_write_after_other_answers_either(
    earlier: list[Outcome], answer: Failed | NotFound, meanwhile: list[Outcome], other_id: str | None
) -> None:
    """While the API server is away, many answers may come between two writes."""
    process = _process([*earlier, answer])
    for outcome in [*meanwhile, replace(answer, correlation_id=other_id)]:
        process.learn(outcome)
    desired = as_json(process.desired)
    if not (_is_cut(desired) or _is_cut(process.own)):
        assert (process.patch() == {}) is (_without_ids(desired) == _without_ids(process.own))


@given(_earlier, _failures, _ids, st.booleans())
@example([], failed(SyncReason.SERVER_ERROR), "other", True)
@settings(deadline=None)
def test_two_operators_do_not_fight_about_ids(
    earlier: list[Outcome], answer: Failed, other_id: str | None, is_suspended: bool
) -> None:
    """Both see a transition, each with an ID of its own: what the first has written stands for both."""
    first, second = _process([*earlier, RUNNING]), _process([*earlier, RUNNING])
    for process, said in ((first, answer), (second, replace(answer, correlation_id=other_id))):
        process.learn(said, stale_since=NOW if is_suspended else None)
        if is_suspended:
            process.learn(None, suspend=True)
    first.write()
    second.actual = first.actual
    assert second.patch() == {}


@pytest.mark.parametrize("is_restarted", [False, True])
@given(earlier=_earlier, before=_answers, after=_answers, keeps_message=st.booleans())
@settings(deadline=None)
def test_other_words_are_written_unless_they_are_to_be_kept(
    is_restarted: bool, earlier: list[Outcome], before: Failed | NotFound, after: Failed | NotFound, keeps_message: bool
) -> None:
    """The text that stands there stays where the reason does and nothing but the ID has changed, or the words wait."""
    process = _process([*earlier, before])
    if is_restarted:
        process = Process(process.actual)
    kind = "Synced" if isinstance(after, Failed) else "Finished"
    was = process.desired.condition(kind)
    process.learn(after, keeps_message=keeps_message)
    now = process.desired.condition(kind)
    assert was is not None
    assert now is not None
    text = cut(after.text, MAX_MESSAGE)
    if _is_cut(as_json(process.desired)) or _is_cut(process.own):
        return
    is_kept = was.reason == now.reason and (keeps_message or _plain(was.message) == _plain(text))
    assert now.message == (was.message if is_kept else text)
    assert (process.patch() == {}) is (_without_ids(as_json(process.desired)) == _without_ids(process.own))


@given(_earlier, st.lists(st.tuples(_answers, st.booleans(), st.booleans()), min_size=1, max_size=4), st.booleans())
@settings(deadline=None)
def test_no_event_has_an_id(
    earlier: list[Outcome], steps: list[tuple[Failed | NotFound, bool, bool]], is_restarted: bool
) -> None:
    """With an ID in it, the same Event would be a new one each time; and it says nothing that no answer has said."""
    process = _process(earlier or [RUNNING])
    if is_restarted:
        process = Process(process.actual)
    for answer, keeps_message, is_stale in steps:
        process.learn(answer, keeps_message=keeps_message, stale_since=NOW if is_stale else None)
        assert [_plain(each) for each in process.notes] == process.notes
