"""Words that move more often than anything excuses are seen, those that were asked for are not."""

from typing import Any

from dev.soak.client import OwnWrites
from dev.soak.facts import Facts, Period
from dev.soak.history import Version
from dev.soak.moving import check
from dev.soak.words import taken_over


def _version(at: float, message: str, *, reason: str = "ServerError", generation: int = 1) -> Version:
    status: dict[str, Any] = {"conditions": [_synced(reason, message)]}
    metadata = {"namespace": "a", "name": "b", "resourceVersion": str(at), "generation": generation}
    return Version(at, {"metadata": metadata, "spec": {}, "status": status}, follows=True)


def _synced(reason: str, message: str) -> dict[str, str]:
    return {"type": "Synced", "status": "False", "reason": reason, "message": message}


def _found(*versions: Version, secrets: tuple[float, ...] = (), **more: Any) -> int:
    facts = Facts(OwnWrites(), secret_changes={("a", "astra-control"): list(secrets)}, **more)
    return len(check([versions], facts))


def test_words_that_move() -> None:
    """Each second change is one too many, unless something was asked for."""
    moving = [_version(200.0 + each, f"expired by {each}s") for each in range(3)]
    assert _found(*moving) == 1
    assert _found(*moving, starts=(150.0,)) == 0
    assert _found(*moving, shared=[Period(150.0, 250.0)]) == 0
    assert _found(*moving, secrets=(150.0,)) == 0
    assert _found(*moving, secrets=(20.0,)) == 1


def test_an_edit_is_an_excuse() -> None:
    """After it a text counts at once."""
    edited = [_version(200.0 + each, f"expired by {each}s", generation=1 + (each > 1)) for each in range(3)]
    assert _found(*edited) == 0


def test_what_is_no_move() -> None:
    """The operator's own words, another reason or observation, a correlationID alone, and a change a minute later."""
    own = "The token was refused for other requests with this Secret; none was made for this object."
    reasons = ("ServerError", "Unauthorized")
    assert _found(*[_version(at, own if at % 2 else f"{at}", reason="Unauthorized") for at in range(6)]) == 0
    assert _found(*[_version(at, f"{at}", reason=reasons[at % 2]) for at in range(6)]) == 0
    assert _found(*[_version(at, f"x (correlationID {at})") for at in range(6)]) == 0
    assert _found(*[_version(at * 61.0, f"{at}") for at in range(6)]) == 0
    moving = [_version(200.0 + each, f"expired by {each}s") for each in range(6)]
    for number, each in enumerate(moving):
        each.object["status"]["progress"] = {"percentDone": number}
    assert _found(*moving) == 0


def test_words_that_were_taken_over() -> None:
    """Each once: a correlationID makes no other, nor does what was shown in between."""
    texts = [
        "expired by 1s (correlationID a)",
        "expired by 1s (correlationID b)",
        "x",
        "expired by 1s",
        "expired by 3s",
    ]
    versions = [_version(float(at), text, reason="InvalidRequest") for at, text in enumerate(texts)]
    assert taken_over(versions, "expired by") == ["expired by 1s", "expired by 3s"]
    assert taken_over([Version(0.0, {"metadata": {}, "spec": {}}, follows=True)], "expired by") == []
