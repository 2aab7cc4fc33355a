"""Tables and progress bars, drawn by rich: with colors on a terminal, as plain text anywhere else."""

import sys
from collections.abc import Sequence
from io import StringIO
from typing import Final

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from astra_mirror.kubectl.core.rows import Row, Tone

_STYLES: Final = {Tone.GOOD: "green", Tone.BAD: "red", Tone.BUSY: "cyan", Tone.IDLE: "dim"}
_BAR: Final = 20
_CHARACTERS: Final = ("━", "─")
_IN_ASCII: Final = ("#", "-")
_UNLIMITED: Final = 10_000
"""Columns: where nobody reads along, no line is cut."""


def is_terminal() -> bool:
    """Whether standard output is a terminal on which a line can be drawn again."""
    return sys.stdout.isatty() and not Console(file=sys.stdout, force_terminal=True).is_dumb_terminal


def console_of_terminal() -> Console:
    """The terminal, for what is drawn on it."""
    return Console(file=sys.stdout, force_terminal=True, highlight=False)


def print_table(rows: Sequence[Row], *, with_namespace: bool) -> None:
    """Print the rows, with the age of each."""
    if sys.stdout.isatty():
        table = table_of(rows, with_namespace=with_namespace, with_age=True, is_live=False)
        console_of_terminal().print(table)
        return
    # Variables such as FORCE_COLOR, as some CI systems set, must not bring escape codes into a file.
    drawn = StringIO()
    console = Console(file=drawn, force_terminal=False, color_system=None, width=_UNLIMITED, highlight=False)
    console.print(table_of(rows, with_namespace=with_namespace, with_age=True, is_live=None))
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines())


def table_of(rows: Sequence[Row], *, with_namespace: bool, with_age: bool, is_live: bool | None) -> Table:
    """The rows as a table.

    Args:
        rows: in their order.
        with_namespace: whether they are of several namespaces.
        with_age: whether their age is shown.
        is_live: whether the table is drawn again and again, so that each row has to stay one line; None for a table
            that is as wide as it has to be.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold", expand=is_live is not None)
    for name in ("NAMESPACE",) * with_namespace + ("NAME", "STATE", "PROGRESS"):
        table.add_column(name, no_wrap=True, overflow="fold")
    for name in ("", "RATE", "LEFT") + ("AGE",) * with_age:
        table.add_column(name, no_wrap=True, justify="right")
    ratio = None if is_live is None else 1
    table.add_column("REMARK", no_wrap=bool(is_live), overflow="ellipsis" if is_live else "fold", ratio=ratio)
    for row in rows:
        bar = Text("") if row.percent is None else _bar(row.percent, _STYLES[row.tone], is_plain=is_live is None)
        table.add_row(*_cells(row, bar, with_namespace=with_namespace, with_age=with_age))
    return table


def _bar(percent: int, style: str, *, is_plain: bool) -> Text | ProgressBar:
    """How much is done. Without colors, rich would show nothing of what is left."""
    if not is_plain:
        return ProgressBar(100, percent, width=_BAR, complete_style=style, finished_style=style)
    done = percent * _BAR // 100
    full, empty = _CHARACTERS if _can_encode("".join(_CHARACTERS)) else _IN_ASCII
    return Text(full * done + empty * (_BAR - done))


def _can_encode(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _cells(row: Row, bar: Text | ProgressBar, *, with_namespace: bool, with_age: bool) -> list[Text | ProgressBar]:
    style = _STYLES[row.tone]
    done = "" if row.percent is None else f"{row.percent}%"
    cells = [Text(row.key.namespace)] * with_namespace + [Text(str(row.key)), Text(row.state, style)]
    ages = [Text(row.age)] * with_age
    return [*cells, bar, Text(done), Text(row.rate), Text(row.left), *ages, Text(row.remark, style)]
