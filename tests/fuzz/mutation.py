"""What is nearly right: valid examples with a few changes, of their bytes or of their structure.

That is where most faults of a reader are. Bytes drawn at random hardly ever get past its first check.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

_CHANGES: Final = (0, 1, 1, 1, 2, 2, 3, 6)
"""How many there are: most faults are next to what is right."""
_MANY: Final = (2, 17, 1_000, 30_000)
"""How often a piece is repeated; the large numbers are for what costs more than its size."""


@st.composite
def mutated(draw: st.DrawFn, examples: Sequence[bytes], words: Sequence[bytes] = (), *, most: int = 400_000) -> bytes:
    """One of the `examples` with up to six changes; an untouched one now and then.

    Args:
        draw: hypothesis' own.
        examples: what the reader takes.
        words: what means something to the reader, to be put in anywhere.
        most: bytes of the result, at most.
    """
    data = draw(st.sampled_from(examples))
    for _ in range(draw(st.sampled_from(_CHANGES))):
        data = _changed(draw, data, examples, words)[:most]
    return data


def _changed(draw: st.DrawFn, data: bytes, examples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start = draw(st.integers(0, len(data)))
    end = min(start + draw(st.integers(0, 64)), len(data))
    before, piece, after = data[:start], data[start:end], data[end:]
    match draw(st.sampled_from(["word", "word", "cut", "repeat", "bytes", "splice", "truncate", "swap"])):
        case "word" if words:
            piece, after = draw(st.sampled_from(words)), data[draw(st.sampled_from([start, end])) :]
        case "cut":
            piece = b""
        case "repeat":
            piece *= draw(st.sampled_from(_MANY))
        case "splice":
            other = draw(st.sampled_from(examples))
            piece, after = other[draw(st.integers(0, len(other))) :], b""
        case "truncate":
            piece = after = b""
        case "swap":
            piece, after = after, piece
        case _:
            piece = draw(st.binary(max_size=8))
    return before + piece + after


def chopped(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """`data` in pieces of these sizes, which are used again and again; an empty last piece where it just fits."""
    pieces, start, number = [], 0, 0
    while start < len(data):
        size = sizes[number % len(sizes)]
        pieces.append(data[start : start + size])
        start, number = start + size, number + 1
    return pieces or [b""]


json_values: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Change:
    """Puts `value` where `path` leads, whose numbers count modulo what is there; None takes out what is there."""

    path: tuple[int, ...]
    value: Any

    def applied(self, document: Any) -> Any:
        """What the document is afterwards."""
        return _put(document, self.path, self.value)


def _put(document: Any, path: tuple[int, ...], value: Any) -> Any:
    if not path or not isinstance(document, dict | list) or not document:
        return value
    keys: list[Any] = sorted(document) if isinstance(document, dict) else list(range(len(document)))
    key = keys[path[0] % len(keys)]
    inner = _put(document[key], path[1:], value)
    if isinstance(document, dict):
        return {
            name: inner if name == key else each for name, each in document.items() if name != key or inner is not None
        }
    return [
        inner if number == key else each for number, each in enumerate(document) if number != key or inner is not None
    ]


_TELLING: Final[list[Any]] = [
    None, [], {}, "", "x", 7, 1, 1.0, True, False, 0, -1, 100, 100.5, 101, 2**63 - 1, 2**63, 1e300, "99.5", "101", [7],
    {"x": 7},
    "x" * 300, "x" * 1100, ["x"] * 40, [{"name": "n", "value": "v"}] * 70, [{"title": "y" * 1100}] * 20,
]  # fmt: skip
"""What lies at a bound, or is of the wrong kind."""
changes: Final = st.builds(
    Change,
    st.lists(st.integers(0, 30), min_size=1, max_size=4).map(tuple),
    st.none() | st.sampled_from(_TELLING) | json_values,
)


def changed(examples: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """The text of one of these JSON values with a few changes of its structure."""
    return st.builds(_applied, st.sampled_from(examples), st.lists(changes, max_size=3)).map(
        lambda document: json.dumps(document, separators=(",", ":")).encode()
    )


def _applied(document: Any, all_changes: Sequence[Change]) -> Any:
    for each in all_changes:
        document = each.applied(document)
    return document
