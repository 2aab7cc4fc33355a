"""A budget for bodies whose sizes and open requests a test keeps."""

from astra_mirror.core.body import DEFAULT_EXPECTED, Kind
from astra_mirror.core.body_memory import Allocation, GrowthResult, MemoryBudget
from astra_mirror.core.fair import Path

STEP = 16 * 1024
MINE, YOURS, THEIRS = ("mine", "c"), ("yours", "c"), ("theirs", "c")


class Memory:
    """A budget, the memory of each body in it, and its open requests."""

    def __init__(self) -> None:
        self.budget = MemoryBudget()
        self.now = 0.0
        self.has: dict[int, int] = {}
        self.requested: dict[int, int] = {}

    def enter(self, path: Path, kind: Kind = Kind.LIST, expected: int = DEFAULT_EXPECTED) -> int:
        """Register a body."""
        number = self.budget.enter(kind, path, self.now, expected)
        self.has[number] = 0
        return number

    def grow(self, number: int, step: int) -> GrowthResult:
        """Request more memory."""
        answer = self.budget.grow(number, step, self.now)
        if answer is GrowthResult.GRANTED:
            self.has[number] += step
        elif answer is GrowthResult.WAITS:
            self.requested[number] = step
        return answer

    def grow_to(self, number: int, size: int) -> GrowthResult:
        """Grow in chunks until the body waits; the last result."""
        answer = GrowthResult.GRANTED
        while self.has[number] < size and answer is GrowthResult.GRANTED:
            answer = self.grow(number, min(STEP, size - self.has[number]))
        return answer

    def body(self, path: Path, size: int, kind: Kind = Kind.LIST, expected: int = DEFAULT_EXPECTED) -> int:
        """A new body that has grown as far as it could, and waits for the rest."""
        number = self.enter(path, kind, expected)
        self.grow_to(number, size)
        return number

    def leave(self, number: int) -> None:
        """Release a body."""
        self.budget.leave(number)
        del self.has[number]
        self.requested.pop(number, None)

    def allocate(self) -> Allocation:
        """Grant requests."""
        allocation = self.budget.allocate(self.now)
        for number in allocation.granted:
            self.has[number] += self.requested.pop(number)
        return allocation

    def settle_all(self, *targets: tuple[int, int]) -> Allocation:
        """Let bodies grow to their sizes until none can go on."""
        while True:
            allocation = self.allocate()
            moving = [
                (number, size) for number, size in targets if number not in self.requested and self.has[number] < size
            ]
            for number, _ in moving:
                self.grow(number, STEP)
            if not allocation.granted and not moving:
                return allocation
