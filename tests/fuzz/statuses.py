"""What may happen to a ref, as hypothesis strategies: answers, edits, and what somebody else writes into its status."""

import json
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from astra_mirror.astra.answers import AnswerError, parse_backup
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome, SyncReason
from astra_mirror.core.resource import ReadyWhen
from tests.core.cases import BACKUP
from tests.fuzz.mutation import Change, changed, changes, mutated
from tests.fuzz.test_answer import BACKUP as DOCUMENT
from tests.fuzz.test_answer import WORDS

_STATES: Final = (
    "pending", "discovering", "running", "completed", "failed", "removed", "deleting", "unknown", "ready", " ", "\0",
)  # fmt: skip
_texts: Final = st.text(max_size=300) | st.text("x ü\n", min_size=1000, max_size=1100)
_details: Final = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "title", "detail"), _texts)), max_size=20
)
_sizes: Final = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 10**9, 2 * 10**9, 2**63 - 1, "5", -1, 1.5e300])
_of_fields: Final = st.fixed_dictionaries(
    {"id": st.just(BACKUP), "state": st.sampled_from(_STATES) | st.text(min_size=1, max_size=256)},
    optional={
        "stateUnready": st.lists(_texts, max_size=40),
        "stateDetails": _details,
        "hookState": st.sampled_from(["failed", "success", ""]),
        "hookStateDetails": _details,
        "percentDone": st.integers(0, 100) | st.floats(0, 100) | st.sampled_from(["99.99", 100.0, 100.01, "1e2"]),
        "bytesDone": _sizes,
        "totalBytes": _sizes,
        "name": _texts,
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": st.lists(st.fixed_dictionaries({"name": _texts, "value": _texts}), max_size=70)}
        ),
    },
).map(lambda document: json.dumps(document).encode())
_DOCUMENT: Final = DOCUMENT | {"id": BACKUP}
_of_bytes: Final = mutated([json.dumps(_DOCUMENT).encode()], WORDS, most=20_000) | changed([_DOCUMENT])


def _outcome(body: bytes) -> Outcome:
    try:
        return Observed(parse_backup(body, BACKUP))
    except AnswerError as error:
        return Failed(error.reason, str(error))


_messages: Final = st.text(min_size=1, max_size=50) | st.text("x.) (", min_size=1000, max_size=1100)
_failures: Final = st.builds(
    Failed,
    st.sampled_from([each for each in SyncReason if each is not SyncReason.OBSERVED]),
    _messages | st.sampled_from(["It failed. (correlationID a)", "It failed. (correlationID b)"]),
)
outcomes: Final = (
    st.none() | _of_fields.map(_outcome) | _of_bytes.map(_outcome) | _failures | st.builds(NotFound, _messages)
)


@dataclass(frozen=True)
class Step:
    """One event in the life of a ref, `seconds` after the last one, and what the actual status has become by then."""

    outcome: Outcome | None
    seconds: float
    suspend: bool
    ready_when: ReadyWhen
    stale: bool
    keeps_words: bool
    is_young: bool
    handled: str | None
    meddling: Change | None


steps: Final = st.builds(
    Step,
    outcomes,
    st.sampled_from([0.0, 1.0, 15.0, 90.0, 1e5]) | st.floats(0, 1e9),
    st.sampled_from([False, False, False, True]),
    st.sampled_from(ReadyWhen),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.text(max_size=1024),
    st.none() | changes,
)
