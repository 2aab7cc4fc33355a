"""What a function that performs an action looks like."""

from collections.abc import Callable, Mapping
from typing import Any

from dev.soak.stage import Stage

Args = Mapping[str, Any]
"""An action's own arguments."""
End = Callable[[], object]
"""Undoes what was begun, when the action's time is over."""
Perform = Callable[[Stage, Args, float], End | None]
"""Begins an action that may last so many seconds."""
