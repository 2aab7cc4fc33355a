"""Whether the server of a connection seems to be absent, so that requests do not queue for it."""

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Purpose, Ticket


class ServerAbsence:
    """Counts consecutive failures with the same reason, on a connection without a proven token."""

    def __init__(self) -> None:
        self._reason: SyncReason | None = None
        self._in_a_row = 0

    def answered(self) -> None:
        """Record a response that proves the token."""
        self._reason, self._in_a_row = None, 0

    def failed(self, ticket: Ticket, failure: Failed) -> bool:
        """Record a failure; return whether the server counts as absent now."""
        if ticket.purpose is not Purpose.FIRST or ticket.app is None:
            # A list may fail because of its size: only a single GET counts.
            return False
        self._in_a_row = self._in_a_row + 1 if failure.reason is self._reason else 1
        self._reason = failure.reason
        limit = failure.reason.facts.absent_after
        return limit is not None and self._in_a_row >= limit
