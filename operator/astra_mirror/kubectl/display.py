"""What `watch` shows: on a terminal a table that is drawn again, anywhere else one line for each change."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from astra_mirror.kubectl.core.rows import Row, line_of
from astra_mirror.kubectl.output import say, warn
from astra_mirror.kubectl.screen import console_of_terminal, is_terminal, table_of

_OTHER_LINES: Final = 4
"""Lines of the terminal beside the rows: the head, what is left out, a trouble, and the cursor's."""


class Lines:
    """Prints a line for each change."""

    is_moving: Final = False
    """Whether the passing of time is shown."""

    def __init__(self, *, with_namespace: bool) -> None:
        self._with_namespace = with_namespace
        self._shown: dict[tuple[str, ...], tuple[object, ...]] = {}
        self._trouble = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, rows: Sequence[Row], trouble: str) -> None:
        """Print those that have changed; a trouble is no result."""
        for row in rows:
            if self._shown.get(row.key.order) != row.change:
                self._shown[row.key.order] = row.change
                say(line_of(row, with_namespace=self._with_namespace))
        if trouble and trouble != self._trouble:
            warn(f"{trouble}; trying again")
        self._trouble = trouble


class Drawing:
    """Draws a table, again and again, in place."""

    is_moving: Final = True
    """Whether the passing of time is shown."""

    def __init__(self, *, with_namespace: bool) -> None:
        self._with_namespace = with_namespace
        self._console = console_of_terminal()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._rows: Sequence[Row] = ()

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What stays on the screen is complete, however long it is.
        self._live.vertical_overflow = "visible"
        self._live.update(self._drawn(self._rows, ""))
        self._live.__exit__(kind, error, traceback)

    def show(self, rows: Sequence[Row], trouble: str) -> None:
        """Draw as many as the terminal has lines for, from the first."""
        self._rows = rows
        room = max(self._console.size.height - _OTHER_LINES, 1)
        left_out = f"… and {len(rows) - room} more" if len(rows) > room else ""
        remark = f"{trouble}; trying again" if trouble else ""
        self._live.update(self._drawn(rows[:room], left_out, remark), refresh=True)

    def _drawn(self, rows: Sequence[Row], *notes: str) -> RenderableType:
        table = table_of(rows, with_namespace=self._with_namespace, with_age=False, is_live=True)
        lines = [Text(each, "dim", no_wrap=True, overflow="ellipsis") for each in notes if each]
        return Group(table, *lines) if rows or lines else Text("")


Display = Lines | Drawing


def display_for(*, with_namespace: bool) -> Display:
    """The display that suits standard output."""
    return Drawing(with_namespace=with_namespace) if is_terminal() else Lines(with_namespace=with_namespace)
