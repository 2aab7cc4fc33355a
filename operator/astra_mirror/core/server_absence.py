"""Whether the server of a connection seems to be absent, so that nobody waits in a long line for its answers."""

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Purpose, Ticket


class ServerAbsence:
    """Counts the failures of one reason in a row of a connection on which no token is proven."""

    def __init__(self) -> None:
        self._reason: SyncReason | None = None
        self._in_a_row = 0

    def answered(self) -> None:
        """Take note of an answer that proves the token."""
        self._reason, self._in_a_row = None, 0

    def failed(self, ticket: Ticket, failure: Failed) -> bool:
        """Take note of a failure; whether the server counts as absent by now."""
        if ticket.purpose is not Purpose.FIRST or ticket.app is None:
            # A list may fail by its size alone: only the request for one backup decides.
            return False
        self._in_a_row = self._in_a_row + 1 if failure.reason is self._reason else 1
        self._reason = failure.reason
        limit = failure.reason.facts.absent_after
        return limit is not None and self._in_a_row >= limit
