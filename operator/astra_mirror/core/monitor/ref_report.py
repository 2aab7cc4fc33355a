"""What a round of writes found, as the condition RefsCurrent says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from astra_mirror.core.monitor.report import RefsReport

_MAX_SHOWN: Final = 3


class Trouble(Enum):
    """Why a ref is not as it should be, in the order in which the condition's reason is chosen."""

    FORBIDDEN = "RefsForbidden"
    REFUSED = "RefsRefused"
    CONFLICT = "RefConflict"
    PENDING = "RefsPending"


_WORDS: Final[Mapping[Trouble, str]] = {
    Trouble.FORBIDDEN: "forbidden by the operator's role",
    Trouble.REFUSED: "refused by the API server",
    Trouble.CONFLICT: "in conflict",
    Trouble.PENDING: "not done yet",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One ref that is not as it should be, or several for the same reason.

    Attributes:
        trouble: why.
        text: more about it, as a sentence; equal texts are shown once, and an empty one is not shown.
        count: how many there are.
    """

    trouble: Trouble
    text: str = ""
    count: int = 1


def report_of(
    wanted: int,
    names: Mapping[str, str],
    problems: Sequence[Problem],
    *,
    existing: int,
    has_mirror: bool,
    generation: int,
    lacking: int = 0,
) -> RefsReport:
    """The refs of a monitor after a round.

    Args:
        wanted: how many there should be.
        names: the names of those that there are, by the backup's ID.
        problems: what is not as it should be.
        existing: how many there are of its own.
        has_mirror: whether the monitor makes refs.
        generation: of the spec that they were compared with.
        lacking: how many stay because the list lacks their backup, which is not known to be gone for long enough.
    """
    is_shown = has_mirror or existing > 0 or bool(problems)
    stay = f" {_count(lacking)} of backups that the list lacks stay for now." if lacking else ""
    if not problems:
        text = f"There is a ref for each of the newest backups ({wanted}).{stay}"
        return RefsReport(wanted, existing, is_shown, "True", "RefsCurrent", text, names, generation)
    found = {each: [one for one in problems if one.trouble is each] for each in Trouble}
    first = next(each for each in Trouble if found[each])
    text = " ".join(_sentence(each, those) for each, those in found.items() if those)
    return RefsReport(wanted, existing, is_shown, "False", first.value, text + stay, names, generation)


def _sentence(trouble: Trouble, those: Sequence[Problem]) -> str:
    texts = list(dict.fromkeys(each.text for each in those if each.text))
    more = f" … {len(texts) - _MAX_SHOWN} more." if len(texts) > _MAX_SHOWN else ""
    count = f"{_count(sum(each.count for each in those))} {_WORDS[trouble]}"
    return f"{count}: {' '.join(texts[:_MAX_SHOWN])}{more}" if texts else f"{count}."


def _count(number: int) -> str:
    return f"{number} ref{'' if number == 1 else 's'}"
