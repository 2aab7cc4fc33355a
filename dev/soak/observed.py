"""The operator, which says how many tasks it has when it gets SIGUSR2: `python -m dev.soak.observed FILE run ...`.

No metric says that, and no operator needs it; a soak does, to see that none is left behind.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from astra_mirror.cli import main


def _names() -> Counter[str]:
    """The tasks of the running loop, by their coroutines' names."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return Counter()
    return Counter(getattr(each.get_coro(), "__qualname__", "?") for each in tasks)


if __name__ == "__main__":
    _file = Path(sys.argv.pop(1))

    def _say(*_: object) -> None:
        part = _file.with_suffix(".part")
        part.write_text(json.dumps(_names()))
        part.rename(_file)

    signal.signal(signal.SIGUSR2, _say)
    main()
