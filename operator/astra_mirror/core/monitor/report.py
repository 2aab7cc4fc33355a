"""What a round of writes found of a monitor's refs, as an outcome that its status shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from astra_mirror.api.meta import Condition, ConditionStatus
from astra_mirror.core.monitor.conditions import condition
from astra_mirror.core.outcome import Described


@dataclass(frozen=True, slots=True)
class RefsReport(Described):
    """The refs of a monitor after a round.

    Attributes:
        wanted: how many there should be.
        existing: how many there are of its own.
        is_shown: whether the condition is present: there is `mirror`, or a ref of its own is left.
        status: of the condition RefsCurrent.
        reason: of the condition.
        message: of the condition.
        names: the names of its own refs, by the backup's ID.
        generation: of the spec that they were compared with.
    """

    wanted: int
    existing: int
    is_shown: bool
    status: ConditionStatus
    reason: str
    message: str
    names: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1

    def condition(self) -> Condition | None:
        """RefsCurrent, if it is present."""
        if not self.is_shown:
            return None
        return condition("RefsCurrent", self.status, self.reason, self.message, self.generation)


def not_looked_at(wanted: int, existing: int, generation: int) -> RefsReport:
    """The refs of a monitor for which no round has ended yet."""
    return RefsReport(
        wanted,
        existing,
        is_shown=True,
        status="False",
        reason="RefsPending",
        message="The refs have not been compared with the list yet.",
        generation=generation,
    )


@dataclass(frozen=True, slots=True)
class NoAnswerInTime(Described):
    """A deadline has passed, and no answer has come within the time that it may take."""
