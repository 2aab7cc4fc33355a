"""What the word that is being typed may become. What has to be asked of the cluster is returned as a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Wanted(Enum):
    """What may stand there."""

    COMMANDS = auto()
    FLAGS = auto()
    NAMES = auto()
    MONITORS = auto()
    NAMESPACES = auto()
    CONTEXTS = auto()
    FORMATS = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """What to complete.

    Attributes:
        wanted: what may stand there.
        command: the command that was typed; "" for none yet.
        options: the values of the options that were typed, by their long names.
        names: the names that were typed already.
    """

    wanted: Wanted
    command: str
    options: Mapping[str, str]
    names: tuple[str, ...]


_VALUES = {
    "--namespace": Wanted.NAMESPACES,
    "--context": Wanted.CONTEXTS,
    "--output": Wanted.FORMATS,
    "--monitor": Wanted.MONITORS,
}
"""What the value of an option may be; that of any other cannot be guessed."""
_SHORT = {"-n": "--namespace", "-o": "--output", "-l": "--selector"}
_WITH_NAMES = frozenset({"watch", "wait", "why", "poll"})


def question_of(words: Sequence[str], typing: str, with_value: frozenset[str]) -> Question:
    """What to complete.

    Args:
        words: what was typed after `kubectl abr`, but for the last word.
        typing: the last word, which may be empty.
        with_value: the long names of the options that take a value.
    """
    options: dict[str, str] = {}
    plain: list[str] = []
    waits_for_value = ""
    for word in words:
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if waits_for_value:
            options[waits_for_value], waits_for_value = word, ""
        elif equals and name in with_value:
            options[name] = value
        elif name in with_value:
            waits_for_value = name
        elif not word.startswith("-"):
            plain.append(word)
    command = plain[0] if plain else ""
    wanted = _VALUES.get(waits_for_value, Wanted.NOTHING) if waits_for_value else _wanted(command, typing, plain)
    return Question(wanted, command, options, tuple(plain[1:]))


def _wanted(command: str, typing: str, plain: Sequence[str]) -> Wanted:
    if typing.startswith("-"):
        return Wanted.FLAGS
    if not command:
        return Wanted.COMMANDS
    takes_more = command in _WITH_NAMES and not (command == "why" and len(plain) > 1)
    return Wanted.NAMES if takes_more else Wanted.NOTHING
