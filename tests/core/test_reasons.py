"""The table of facts is total, and what stands in it agrees with the rules."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import astra_mirror
from astra_mirror.core.outcome import Failed, Listed, NotFound, Observed, Unchanged, proves_token
from astra_mirror.core.reasons import FACTS, Concerns, Retry, SyncReason
from tests.core.cases import RUNNING

USER = {
    "Unauthorized", "Forbidden", "InvalidRequest", "TLSVerificationFailed", "SecretNotFound", "SecretInvalid",
    "SecretForbidden", "URLNotAllowed", "InvalidSpec",
}  # fmt: skip


PACKAGE: Final = Path(astra_mirror.__file__).parent
TABLE: Final = PACKAGE / "core" / "reasons.py"
STATUS_CODES: Final = PACKAGE / "astra" / "answers.py"


def test_every_reason_has_a_row() -> None:
    """No more and no less."""
    assert set(FACTS) == set(SyncReason)


def test_the_facts_of_a_reason_are_found_by_its_text_as_well() -> None:
    """A status that is read back has texts."""
    assert FACTS["SecretNotFound"] is SyncReason.SECRET_NOT_FOUND.facts
    assert FACTS.get("BackupFailed") is None


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        if file != TABLE:
            yield file, ast.parse(file.read_text())


def _is_made(node: ast.AST, file: Path) -> Iterator[ast.expr]:
    """The expressions in which `node` may name the reason of a failure: an argument, or a row of status codes."""
    match node:
        case ast.Call(func=ast.Name(id="Failed" | "NotKept" | "AnswerError" | "NoMemoryError"), args=[reason, *_]):
            yield reason
        case ast.Tuple(elts=[reason, ast.Constant(value=str())]) if file == STATUS_CODES:
            yield reason


def test_a_reason_is_named_where_a_failure_is_made_and_nowhere_else() -> None:
    """What follows from a reason is read from the table: nobody compares with one, or keeps a set of them."""
    for file, tree in _modules():
        named = [
            each
            for each in ast.walk(tree)
            if isinstance(each, ast.Attribute)
            and isinstance(each.value, ast.Name)
            and each.value.id == SyncReason.__name__
            and each.attr != SyncReason.OBSERVED.name
        ]
        made = {reason for each in ast.walk(tree) for reason in _is_made(each, file)}
        assert [f"{file}:{each.lineno}" for each in named if each not in made] == []


def test_no_reason_is_spelled_out() -> None:
    """A comparison with a text would escape the test before."""
    texts = {str(each) for each in SyncReason if each is not SyncReason.OBSERVED}
    for file, tree in _modules():
        found = [each for each in ast.walk(tree) if isinstance(each, ast.Constant) and each.value in texts]
        assert [f"{file}:{each.lineno}" for each in found] == []


@pytest.mark.parametrize("reason", SyncReason)
def test_who_has_to_act(reason: SyncReason) -> None:
    """The contract lists the reasons that waiting does not mend."""
    assert reason.facts.requires_user_action is (reason in USER)
    assert reason.facts.requires_user_action is (reason in USER)


def test_what_is_probed_and_for_whom() -> None:
    """A token for its account, a role for its app, a certificate for the connection; nothing else has a breaker."""
    probed = {reason: facts.opens for reason, facts in FACTS.items() if facts.retry is Retry.PROBE}
    assert probed == {
        SyncReason.UNAUTHORIZED: Concerns.ACCOUNT,
        SyncReason.FORBIDDEN: Concerns.APP,
        SyncReason.TLS_VERIFICATION_FAILED: Concerns.CONNECTION,
    }
    assert {facts.opens for reason, facts in FACTS.items() if reason not in probed} == {None}


@pytest.mark.parametrize("outcome", [RUNNING, Unchanged(), NotFound("404"), Listed(1, {}, 0)])
def test_any_good_answer_proves_the_token(outcome: Observed | Unchanged | NotFound | Listed) -> None:
    """A problem document 404 included."""
    assert proves_token(outcome)


@pytest.mark.parametrize(
    ("reason", "code", "proves"),
    [
        (SyncReason.INVALID_REQUEST, 400, True),
        (SyncReason.FORBIDDEN, 403, True),
        (SyncReason.UNEXPECTED_RESPONSE, 200, True),
        (SyncReason.UNEXPECTED_RESPONSE, 204, True),
        (SyncReason.UNEXPECTED_RESPONSE, 302, False),
        (SyncReason.UNEXPECTED_RESPONSE, 404, False),
        (SyncReason.UNEXPECTED_RESPONSE, None, False),
        (SyncReason.UNAUTHORIZED, 401, False),
        (SyncReason.RATE_LIMITED, 429, False),
        (SyncReason.SERVER_ERROR, 503, False),
        (SyncReason.UNREACHABLE, None, False),
        (SyncReason.TLS_VERIFICATION_FAILED, None, False),
    ],
)
def test_what_a_failure_proves(reason: SyncReason, code: int | None, proves: bool) -> None:
    """Any 2xx, 400 and 403: whatever is wrong with the body of a 200, the server knew who asked."""
    assert proves_token(Failed(reason, "no", code=code)) is proves


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (999_999, 3600), (0, None), (-5, None), (None, None)])
def test_a_retry_after_is_an_hour_at_the_most_and_nothing_counts_as_absent(
    asked: float | None, waited: float | None
) -> None:
    """Also where the reader of the header should let such a value through."""
    assert Failed(SyncReason.RATE_LIMITED, "no", asked).pause == waited
