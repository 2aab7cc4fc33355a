"""Words of Astra Control that move by themselves, where many things excuse a change of them: counted, not one by one.

`words.moved` judges two versions and takes any write of a Secret within a minute as an excuse. Here each write, edit
and start excuses one change, and one more is nobody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from dev.soak import conditions
from dev.soak.doing.lies import LIE
from dev.soak.facts import Facts
from dev.soak.findings import Finding
from dev.soak.history import Version
from dev.soak.words import OWN_WORDS, REMOTE, plain, was_observed

_WINDOW_SECONDS: Final = 60.0
_LATE_SECONDS: Final = 110.0
"""For so long what was asked for may have consequences; see `words`."""
_AROUND: Final = 6
_ANNOTATION: Final = "astra-mirror.io/requestedAt"


def check(versions: Iterable[Sequence[Version]], facts: Facts) -> list[Finding]:
    """Objects, each with its versions, oldest first, whose words moved more often than anything excuses."""
    found = (_moving(each, facts) for each in versions)
    return [each for each in found if each is not None]


def _moving(versions: Sequence[Version], facts: Facts) -> Finding | None:
    moves: list[float] = []
    excuses = list(facts.starts)
    for number, (before, after) in enumerate(pairwise(versions), 1):
        excuses += [after.at] * _asked(before, after)
        if not after.follows or facts.has_peers(before.at, after.at):
            moves = []
        elif text := _moved(before.status, after.status):
            moves = [each for each in moves if after.at - each < _WINDOW_SECONDS] + [after.at]
            since = moves[0] - _LATE_SECONDS
            secrets = [time for each in (after, before) for time in facts.secret_changes.get(_secret(each), ())]
            times = [*excuses, *secrets]
            if len(moves) > 1 + sum(since <= each <= after.at for each in times):
                text = f"{len(moves)} changes within {_WINDOW_SECONDS:g}s, the last {text}"
                around = tuple(versions[max(0, number - _AROUND) : number + 1])
                return Finding("words that move by themselves are not taken over", after.name, text, after.at, around)
    return None


def _asked(before: Version, after: Version) -> int:
    """How many edits and values of requestedAt lie between two versions."""
    return abs(after.generation - before.generation) + (_requested(before) != _requested(after))


def _requested(version: Version) -> object:
    annotations = version.object["metadata"].get("annotations", {})
    return annotations.get(_ANNOTATION), version.status.get("lastHandledReconcileAt")


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    old, new = (conditions.by_type(each).get("Synced") for each in (before, after))
    if old is None or new is None or new["reason"] not in REMOTE or was_observed(before, after):
        return None
    is_same = (old["status"], old["reason"]) == (new["status"], new["reason"])
    texts = old["message"] + new["message"]
    if not is_same or plain(old) == plain(new) or OWN_WORDS in texts or LIE in texts:
        return None
    return f"{old['message']!r}, then {new['message']!r}"


def _secret(version: Version) -> tuple[str, str]:
    name = version.object["spec"].get("secretRef", {}).get("name", "astra-control")
    return version.object["metadata"]["namespace"], name
