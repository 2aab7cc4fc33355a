"""The operator, which says how many tasks and TLS contexts it has: `python -m dev.soak.observed FILE run ...`.

It writes that to the file when it gets SIGUSR2. No metric says that, and no operator needs it; a soak does, to see that
none is left behind.
"""

import asyncio
import gc
import json
import signal
import ssl
import sys
from collections import Counter
from pathlib import Path

from astra_mirror.cli import main


def _names() -> Counter[str]:
    """The tasks of the running loop, by their coroutines' names, and the TLS contexts."""
    gc.collect()
    contexts = Counter(SSLContext=sum(issubclass(type(each), ssl.SSLContext) for each in gc.get_objects()))
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return contexts
    return contexts + Counter(getattr(each.get_coro(), "__qualname__", "?") for each in tasks)


if __name__ == "__main__":
    _file = Path(sys.argv.pop(1))

    def _say(*_: object) -> None:
        part = _file.with_suffix(".part")
        part.write_text(json.dumps(_names()))
        part.rename(_file)

    signal.signal(signal.SIGUSR2, _say)
    main()
