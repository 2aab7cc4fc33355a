"""For how long an operator's event loop stands still: asked at /healthz, again and again, by a thread for each.

An answer may be late because other processes had the CPU, the prober included. So a late answer counts only if the
operator used the CPU for most of that time; a loop blocked on I/O is not detected here.
"""

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from dev.soak.findings import Finding
from dev.soak.process import Process

_PAUSE_SECONDS: Final = 0.05
_MAX_HOLD_SECONDS: Final = 2.0
"""Far more than an operator may stand still, because its machine is shared with all that the soak does."""
_AT_WORK: Final = 0.8
"""The part of a hold for which the operator must have had a processor."""


@dataclass
class Health:
    """The holds of one process, by begin and end in seconds since the epoch.

    `failure` is an exception of the prober itself, which has ended with it: nothing can be judged.
    """

    process: Process
    holds: list[tuple[float, float]] = field(default_factory=list)
    failure: Exception | None = None

    def start(self) -> None:
        """Ask until the process ends."""
        threading.Thread(target=self._run, name=f"health of {self.process.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - reported by findings()
            self.failure = error

    def _ask(self) -> None:
        try:
            connection = http.client.HTTPConnection(self.process.address(), timeout=60)
        except OSError:
            return
        while self.process.code is None and self.process.ended_at is None:
            begun, used = time.time(), self.process.processor_seconds()
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
            if is_hold(time.time() - begun, self.process.processor_seconds() - used):
                self.holds.append((begun, time.time()))
            time.sleep(_PAUSE_SECONDS)
        connection.close()

    def findings(self) -> list[Finding]:
        """The holds that are not the soak's own doing: it has frozen the process, or the process was about to end.

        Raises:
            RuntimeError: the prober has ended by itself.
        """
        process = self.process
        if self.failure is not None:
            raise RuntimeError(f"the soak's prober of {process.name} has ended") from self.failure
        return [
            Finding("the event loop does not stand still", process.name, f"for {ended - begun:.1f}s", begun)
            for begun, ended in self.holds
            if not any(since <= ended and begun <= until for since, until in process.freezes)
            and (process.ended_at is None or ended < process.ended_at - 1)
        ]


def is_hold(waited: float, worked: float) -> bool:
    """Whether an answer that was waited for was held up by the operator, which has worked for so many seconds of it."""
    return waited > _MAX_HOLD_SECONDS and worked >= _AT_WORK * waited
