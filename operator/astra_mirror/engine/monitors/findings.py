"""What a round of writes finds: which refs are not as they should be, and which writes it leaves out, and why."""

from dataclasses import replace
from typing import Final

from astra_mirror.core.monitor.ref_report import Problem, Trouble
from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.monitor.refs import OwnRef, WantedRef
from astra_mirror.engine.monitors.attempts import Attempts
from astra_mirror.engine.ports import Clocks

_REFUSED: Final = 3
"""How many refs in a row may be refused before no other is made: a quota refuses all of them."""
_RESOURCE: Final = "appbackuprefs"


class NamespaceIsTerminatingError(Exception):
    """The namespace is being deleted: nothing is written or reported any more."""


class Findings:
    """The findings of one round.

    Args:
        attempts: what is remembered of earlier rounds.
        number: the number of the list that the round is for.
        clocks: the clocks.

    Attributes:
        problems: what is not as it should be.
        is_to_be_repeated: whether another round soon may do better: the API server was away, or a ref kept moving.
        repair_at: when a ref may be repaired that had to be too often, in monotonic seconds; None without one.
    """

    def __init__(self, attempts: Attempts, number: int, clocks: Clocks) -> None:
        self.problems: list[Problem] = []
        self.is_to_be_repeated = False
        self.repair_at: float | None = None
        self._attempts = attempts
        self._number = number
        self._clocks = clocks
        self._is_away = False
        self._refused_in_a_row = 0

    # Which writes are left out.

    def is_held(self, verb: str, name: str) -> bool:
        """Whether this write is not tried, because it was not allowed lately, or the API server is away."""
        if self.are_all_held(verb, 1):
            return True
        problem = self._attempts.problem((verb, name), self._number, self._clocks.monotonic())
        if problem is not None:
            self.problems.append(problem)
        return problem is not None

    def are_all_held(self, verb: str, count: int) -> bool:
        """Whether no write of that verb is tried; then it is the problem of so many refs."""
        if self._is_away:
            self.problems.append(Problem(Trouble.PENDING, count=count))
            return True
        now = self._clocks.monotonic()
        for each in (verb, "get"):
            problem = self._attempts.problem((each, ""), self._number, now)
            if problem is not None:
                self.problems.append(replace(problem, count=count))
                return True
        return False

    def failed_at(self, verb: str, name: str) -> float:
        """When a write failed last."""
        return self._attempts.failed_at((verb, name))

    def may_make(self, wanted: WantedRef) -> bool:
        """Whether a ref may be made now that somebody may have deleted several times."""
        may = self._attempts.may_make(wanted.backup_id, self._number, self._clocks.monotonic())
        if not may:
            self.problems.append(Problem(Trouble.PENDING, f"{wanted.name} was deleted several times."))
        return may

    def may_repair(self, own: OwnRef) -> bool:
        """Whether a ref may be repaired now that another client may change back each time."""
        now = self._clocks.monotonic()
        at = self._attempts.repair_at(own.name, now)
        if at > now:
            self.repair_at = at if self.repair_at is None else min(at, self.repair_at)
            self.problems.append(Problem(Trouble.PENDING, f"Another client changes {own.name} again and again."))
        return at <= now

    # What a write has led to.

    def made(self, wanted: WantedRef) -> None:
        """A ref was made."""
        self._attempts.made(wanted.backup_id, self._number, self._clocks.monotonic())
        self.succeeded("create", wanted.name)

    def repaired(self, own: OwnRef) -> None:
        """A ref was repaired."""
        self._attempts.repaired(own.name, self._clocks.monotonic())
        self.succeeded("patch", own.name)

    def succeeded(self, verb: str, name: str) -> None:
        """A write was allowed."""
        self._refused_in_a_row = 0
        for each in ("", name):
            self._attempts.succeeded((verb, each))

    def failed(self, verb: str, name: str, result: RefResult) -> None:
        """A call has failed.

        Raises:
            NamespaceIsTerminatingError: the namespace is being deleted.
        """
        match result.ended:
            case Ended.TERMINATING:
                raise NamespaceIsTerminatingError
            case Ended.FORBIDDEN:
                text = f"The operator's role does not allow it to {verb} {_RESOURCE}."
                self.remember(verb, "", Problem(Trouble.FORBIDDEN, text))
            case Ended.REFUSED:
                # Of several that a quota refuses others are tried each time: their names would change the status.
                problem = Problem(Trouble.REFUSED, result.message.replace(name, "…"))
                self.remember(verb, name, problem)
                self._refused_in_a_row += 1
                if verb == "create" and self._refused_in_a_row >= _REFUSED:
                    self._attempts.failed((verb, ""), self._number, self._clocks.monotonic(), problem)
            case Ended.DONE:
                return
            case _:
                self._is_away = result.ended is Ended.AWAY
                self.is_to_be_repeated = True
                self.problems.append(Problem(Trouble.PENDING))

    def remember(self, verb: str, name: str, problem: Problem) -> None:
        """A write is not tried again until the next list, and once a minute at most."""
        self._attempts.failed((verb, name), self._number, self._clocks.monotonic(), problem)
        self.problems.append(problem)

    def not_yet(self, own: OwnRef, *, is_lacking: bool) -> None:
        """A ref should go, and may not go yet: it is looked at again with the next list."""
        problem = Problem(Trouble.PENDING, f"{own.name} should go, and its backup is under way.")
        if is_lacking:
            problem = Problem(Trouble.PENDING, f"{own.name} goes when its backup has not existed for an hour.")
        self._attempts.failed(("delete", own.name), self._number, float("-inf"), problem)
        self.problems.append(problem)

    def wait_for(self, text: str) -> None:
        """Something is not done yet that another round soon may do."""
        self.is_to_be_repeated = True
        self.problems.append(Problem(Trouble.PENDING, text))
