"""What may happen to a ref, as hypothesis strategies: answers, edits, and what somebody else writes into its status."""

import json
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import ReadyWhen
from astra_mirror.astra.answers import AnswerError, parse_backup
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome, SyncReason
from tests.core.cases import BACKUP
from tests.fuzz.documents import bodies
from tests.fuzz.mutation import Change, changed, changes, mutated
from tests.fuzz.test_answer import BACKUP as DOCUMENT
from tests.fuzz.test_answer import WORDS

_DOCUMENT: Final = DOCUMENT | {"id": BACKUP}
_of_bytes: Final = mutated([json.dumps(_DOCUMENT).encode()], WORDS, most=20_000) | changed([_DOCUMENT])


def _outcome(body: bytes) -> Outcome:
    try:
        return Observed(parse_backup(body, BACKUP))
    except AnswerError as error:
        return Failed(error.reason, str(error))


_messages: Final = st.text(min_size=1, max_size=50) | st.text("x.) (", min_size=1000, max_size=1100)
_ids: Final = st.none() | st.sampled_from("ab") | st.text(min_size=1, max_size=64)
_failures: Final = st.builds(
    Failed,
    st.sampled_from([each for each in SyncReason if each is not SyncReason.OBSERVED]),
    _messages | st.just("It failed."),
    correlation_id=_ids,
)
outcomes: Final = (
    st.none()
    | bodies(BACKUP).map(_outcome)
    | _of_bytes.map(_outcome)
    | _failures
    | st.builds(NotFound, _messages, _ids)
)


@dataclass(frozen=True)
class Step:
    """One event in the life of a ref, `seconds` after the last one, and what the actual status has become by then."""

    outcome: Outcome | None
    seconds: float
    suspend: bool
    ready_when: ReadyWhen
    stale: bool
    keeps_message: bool
    is_young: bool
    handled: str | None
    meddling: Change | None


steps: Final = st.builds(
    Step,
    outcomes,
    st.sampled_from([0.0, 1e-6, 1.0, 15.0, 90.0, 1e5]) | st.floats(0, 1e9),
    st.sampled_from([False, False, False, True]),
    st.sampled_from(ReadyWhen),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.text(max_size=1024),
    st.none() | changes,
)
