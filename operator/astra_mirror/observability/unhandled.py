"""Failures that nobody handles are logged without the exception's repr, which may quote a request with its credentials.

asyncio's own report contains it: the repr of a task includes that of its exception.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def report_unless_left_by(library: Path, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what asyncio reports, except for a generator or a task that a library has left behind.

    Args:
        library: the folder of its source.
        loop: the event loop.
        context: what asyncio reports, as `loop.call_exception_handler` describes it.
    """
    generator, error = context.get("asyncgen"), context.get("exception")
    # A task whose failure nobody retrieves is reported as a future, one that is destroyed while it waits as a task.
    task = context.get("future") or context.get("task")
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    code = getattr(generator, "ag_code", None) or getattr(coroutine, "cr_code", None)
    if code is not None and Path(code.co_filename).is_relative_to(library):
        logger.debug("%s has left a failure behind", library.name, exc_info=error)
    elif error is not None:
        logger.error("%s", context["message"], exc_info=error)
    else:
        loop.default_exception_handler(context)
