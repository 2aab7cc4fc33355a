"""The judge of the end: what each status has to be, by its spec, its Secret and what Astra Control says."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest

from dev.simulator import Simulator
from dev.soak import contents, mirrored
from dev.soak.backups import ACCOUNTS, app_of, backup_of, served
from dev.soak.conditions import NOT_FOUND, NOTHING, Row, row_of
from dev.soak.doing.lies import LIE
from dev.soak.invariants import target_of
from dev.soak.topology import MANY_NAMES
from dev.soak.truth import Key, Oracle, World

_SEED: Final = 1
_TOKEN: Final = contents.token_of(0, _SEED)
_ACCOUNT, _APP, _ID = ACCOUNTS[0], app_of(0, 0), backup_of(0, 0, 0)
_DOCUMENT: Final = served(_ID, 1, {"state": "running", "percentDone": 42.5, "bytesDone": 10, "totalBytes": 20})
_SPEC: Final = {"accountID": _ACCOUNT, "appID": _APP, "backupID": _ID}
_TIME: Final = "2026-11-25T10:00:00Z"
_AT: Final = datetime.fromisoformat(_TIME).timestamp() + 600
_ANNOTATION: Final = "astra-mirror.io/requestedAt"
_RUNNING: Final = row_of("running", None, "Completed")
Object = dict[str, Any]
Change = Callable[[Object], object]


@pytest.fixture(name="astra")
def _astra() -> Iterator[Simulator]:
    """It has one backup, which the first token may read."""
    with Simulator.start() as astra:
        astra.add_token(_TOKEN)
        backup = astra.add_backup(account=_ACCOUNT, app=_APP, id=_ID)
        backup.serve_raw(json.dumps(_DOCUMENT).encode())
        yield astra


def _condition(kind: str, status: str, reason: str) -> Object:
    words = {"message": "Words.", "lastTransitionTime": _TIME, "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": reason, **words}


def _status(synced: tuple[str, str], row: Row, **shown: Any) -> Object:
    conditions = [
        _condition("Ready", row.ready, row.reason),
        _condition("Synced", *synced),
        _condition("Succeeded", row.succeeded, row.reason),
        _condition("Finished", row.finished, row.reason),
    ]
    if row.extra:
        conditions.append(_condition(row.extra, "True", row.reason))
    return {"observedGeneration": 1, "conditions": conditions, **shown}


def _failed(reason: str, extra: str = "Stalled") -> Object:
    """A status of a ref of which nothing was ever observed."""
    row = Row("False", reason, "Unknown", "False", extra)
    assert NOTHING.succeeded == row.succeeded
    return _status(("False", reason), row)


def _observed() -> Object:
    return _status(("True", "Observed"), _RUNNING, target=target_of(_SPEC), **mirrored.expected(_DOCUMENT))


def _stale(reason: str) -> Object:
    row = Row("Unknown", "ObservationStale", _RUNNING.succeeded, _RUNNING.finished, "Stalled")
    return _status(("False", reason), row, target=target_of(_SPEC), **mirrored.expected(_DOCUMENT))


def _ref(status: Object, name: str = "ref", **spec: Any) -> Object:
    metadata = {"namespace": "ns", "name": name, "generation": 1, "creationTimestamp": _TIME, "annotations": {}}
    return {"metadata": metadata, "spec": _SPEC | spec, "status": status}


def _secret(kind: str = "plain", token: int = 0) -> Object:
    return {"metadata": {"labels": {contents.KIND_LABEL: kind, contents.TOKEN_LABEL: str(token)}}}


@dataclass(frozen=True)
class _Case:
    """A ref that is right, with the Secret that it names, if any, and what the administrator of Astra Control did."""

    ref: Object
    secret: Object | None
    does: Callable[[Simulator], object] = lambda _: None

    def world(self, at: float = _AT) -> World:
        name = target_of(self.ref["spec"])["secretName"]
        secrets: dict[Key, Object] = {("ns", name): self.secret} if self.secret is not None else {}
        return World([self.ref], secrets, at)


_CASES: Final[dict[str, _Case]] = {
    "Observed": _Case(_ref(_observed()), _secret()),
    "BackupNotFound": _Case(
        _ref(_status(("True", "Observed"), NOT_FOUND, target=target_of(_SPEC))),
        _secret(),
        lambda astra: astra.backups[_ACCOUNT, _APP, _ID].serve_raw(None),
    ),
    "Suspended": _Case(
        _ref(_status(("Unknown", "Suspended"), Row("Unknown", "Suspended", "Unknown", "False", "")), suspend=True),
        None,
    ),
    "SecretForbidden": _Case(_ref(_failed("SecretForbidden"), secretRef={"name": "forbidden"}), _secret()),
    "SecretNotFound": _Case(_ref(_failed("SecretNotFound")), None),
    "SecretInvalid": _Case(_ref(_failed("SecretInvalid")), _secret("no-url")),
    "Unauthorized": _Case(_ref(_stale("Unauthorized")), _secret(token=1)),
    "Forbidden": _Case(_ref(_failed("Forbidden")), _secret(), lambda astra: astra.add_token(_TOKEN, no_apps=[_APP])),
}


def _set(path: str, value: object) -> Change:
    def change(ref: Object) -> None:
        where: Any = ref
        *parents, last = path.split(".")
        for each in parents:
            where = where[int(each)] if each.isdecimal() else where[each]
        where[last] = value

    return change


def _replace_status(status: Object) -> Change:
    return _set("status", status)


_WRONG: Final[list[tuple[str, Change, str]]] = [
    # Of which case; what is changed; what is said of it.
    ("Observed", _set("status.conditions", []), "the conditions are []"),
    ("Observed", _set("metadata.generation", 2), "observedGeneration is 1 of 2"),
    ("Observed", _replace_status(_stale("Unauthorized")), "Synced is Unauthorized and not Observed: Words."),
    ("Observed", _set("status.conditions.0.status", "True"), "the conditions are "),
    ("Observed", lambda ref: ref["status"].pop("target"), "target is None"),
    ("Observed", _set("status.target.backupID", "another"), "target is "),
    ("Observed", _set("metadata.annotations", {_ANNOTATION: "now"}), "requestedAt is now and was not handled: None"),
    ("Observed", _set("status.conditions.2.message", LIE), "the message of Succeeded is a lie"),
    ("Observed", _set("status.progress.percentDone", 43), "progress is "),
    ("Observed", _set("status.hookState", "success"), "hookState is 'success' and not None"),
    (
        "Observed",
        _replace_status(_status(("True", "Observed"), NOT_FOUND, target=target_of(_SPEC))),
        "the backup is running and the status has no state",
    ),
    ("BackupNotFound", _replace_status(_observed()), "the backup does not exist, and the status has "),
    ("BackupNotFound", _set("status.progress", {"percentDone": 1}), "the backup does not exist, and the status has "),
    ("Suspended", _set("spec.suspend", False), "Synced is Suspended and not SecretNotFound: Words."),
    ("Suspended", _set("status.conditions.3.status", "True"), "the conditions are "),
    ("SecretForbidden", _replace_status(_failed("SecretNotFound")), "Synced is SecretNotFound and not SecretForbidden"),
    ("SecretNotFound", _replace_status(_failed("SecretNotFound", "Reconciling")), "Reconciling is there, for a Secret"),
    ("SecretInvalid", _replace_status(_failed("Unauthorized")), "Synced is Unauthorized and not SecretInvalid"),
    ("Unauthorized", _replace_status(_failed("Forbidden")), "Synced is Forbidden and not Unauthorized"),
    (
        "Unauthorized",
        _replace_status(
            _status(("False", "Unauthorized"), _RUNNING, target=target_of(_SPEC), **mirrored.expected(_DOCUMENT))
        ),
        "Ready is BackupInProgress and should be ObservationStale",
    ),
    ("Forbidden", _replace_status(_observed()), "Synced is Observed and not Forbidden"),
]


@pytest.mark.parametrize("name", _CASES)
def test_a_right_status(astra: Simulator, name: str) -> None:
    """Nothing is said of it."""
    case = _CASES[name]
    case.does(astra)
    assert Oracle(astra, _SEED).wrong(case.world()) == {}


@pytest.mark.parametrize(("name", "change", "text"), _WRONG)
def test_a_wrong_status(astra: Simulator, name: str, change: Change, text: str) -> None:
    """What is wrong is said in one sentence, and by the reason of Synced where it is that."""
    case = copy.deepcopy(_CASES[name])
    case.does(astra)
    change(case.ref)
    (wrong,) = Oracle(astra, _SEED).judge(case.world()).values()
    assert len(wrong.texts) == 1
    assert wrong.texts[0].startswith(text)
    assert bool(wrong.unexpected) == text.startswith("Synced is ")
    assert wrong.unexpected in {"", *text.split()}


def test_a_secret_that_is_missing_may_be_on_its_way(astra: Simulator) -> None:
    """As long as the object is young."""
    young = _CASES["SecretNotFound"].world(_AT - 570)
    assert Oracle(astra, _SEED).wrong(young)
    young.refs[0]["status"] = _failed("SecretNotFound", "Reconciling")
    assert Oracle(astra, _SEED).wrong(young) == {}


def test_who_has_to_wait_for_a_place_is_not_said(astra: Simulator) -> None:
    """In a namespace with too many names each of them may be refused, or not; the default one is never."""
    refs = [_ref(_failed("SecretNotFound"), name, secretRef={"name": name}) for name in MANY_NAMES]
    refs[0]["status"] = _failed("SecretForbidden")
    default = _ref(_failed("SecretForbidden"))
    assert Oracle(astra, _SEED).wrong(World(refs, {}, _AT)) == {}
    assert Oracle(astra, _SEED).wrong(World([*refs, default], {}, _AT)).keys() == {"ns/ref"}
    assert Oracle(astra, _SEED).wrong(World(refs[:5], {}, _AT)).keys() == {f"ns/{MANY_NAMES[0]}"}


def test_of_another_server_only_the_form_is_judged(astra: Simulator) -> None:
    """Nobody knows what it has said."""
    case = _Case(_ref(_observed() | {"hookState": "success"}), _secret("held"))
    assert Oracle(astra, _SEED).wrong(case.world()) == {}
    del case.ref["status"]["target"]
    assert Oracle(astra, _SEED).wrong(case.world()) == {"ns/ref": ["target is None"]}
