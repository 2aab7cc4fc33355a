"""What a soak does, as values: a script of actions, which is made from a seed or read from the log of another run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Lane = Literal["users", "namespaces", "tenant", "astra", "network", "cluster", "operators"]
"""Who does it. The actions of one lane happen one after the other, those of different lanes at the same time."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens.

    Attributes:
        at: seconds after the start.
        lane: who does it.
        do: its name; a function of that name performs it.
        args: what it needs, as JSON values.
        seconds: for how long, where it has an end.
    """

    at: float
    lane: Lane
    do: str
    args: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:g}s" if self.seconds else ""
        return f"{self.at:7.2f}s {self.lane}: {self.do}{lasting} {json.dumps(self.args, default=str)[:160]}"


def last_topology(first: str, actions: Iterable[Action]) -> str:
    """Which operators run at the end, when the first ones and all actions are known."""
    return [first, *(str(each.args["name"]) for each in actions if each.do == "topology")][-1]


class ScriptError(Exception):
    """A file is not the log of a soak."""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole run.

    Attributes:
        seed: what it was made from.
        seconds: how long it takes, the quiet time after the last action included, and the judging not.
        topology: which operators run at the start; one of `topology.TOPOLOGIES`.
        actions: in the order of their times.
    """

    seed: int
    seconds: float
    topology: str
    actions: tuple[Action, ...]

    def lines(self) -> Iterable[str]:
        """JSON, one value a line: a header, then the actions."""
        yield json.dumps({"seed": self.seed, "seconds": self.seconds, "topology": self.topology})
        for action in self.actions:
            yield json.dumps(asdict(action))

    @classmethod
    def read(cls, path: Path) -> "Script":
        """The script in a file of such lines.

        Raises:
            ScriptError: it cannot be read, or is none.
        """
        try:
            header, *lines = path.read_text().splitlines()
            actions = [Action(**json.loads(line)) for line in lines if line.strip()]
            return cls(actions=tuple(sorted(actions, key=lambda each: each.at)), **json.loads(header))
        except (OSError, TypeError, ValueError) as error:
            raise ScriptError(f"{path} is not the log of a soak: {error}") from error
