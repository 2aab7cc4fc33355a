"""The lists of monitors that wait because the breakers of refs hold back what they need as well.

While a ref waits too, its single GET is the probe for both: the failure of a list would prove nothing.
"""

from collections.abc import Iterator

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import PROBE_INTERVAL
from astra_mirror.core.connection import Connection
from astra_mirror.core.held_requests import Held
from astra_mirror.core.tickets import Hold
from astra_mirror.engine.effects import Show, Wake
from astra_mirror.engine.in_flight import InFlight
from astra_mirror.engine.requests import Request


class BehindRefs:
    """The waiting lists of one connection. Times are monotonic seconds.

    Args:
        connection: the connection.
        in_flight: which objects wait for which request.
        breakers: the breakers of refs.
        held: the requests that those hold back.
    """

    def __init__(self, connection: Connection, in_flight: InFlight, breakers: Breakers, held: Held[Request]) -> None:
        self._connection = connection
        self._in_flight = in_flight
        self._breakers = breakers
        self._held = held
        self._waiting = dict[Request, Hold]()
        self._version = 0
        self._until = float("inf")

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._waiting))

    def hold(self, request: Request, now: float) -> tuple[Show | Wake, ...] | None:
        """Keep a list here while the breakers of refs hold it back; None if they do not, or if it is to probe them."""
        hold, paused_until = self._breakers.hold(request.account, None, now), self._breakers.paused_until
        if hold is None:
            return None
        is_paused = paused_until is not None and now < paused_until
        at = paused_until if is_paused else self._breakers.probe_at(request.account)
        if not is_paused and at is not None and at <= now and not self._has_refs():
            # No ref is left to probe with: from now on, the breakers of the lists limit how often one is sent.
            return None
        failure = hold.failure
        is_news = failure is not None and self._waiting.get(request) != hold
        self._waiting[request] = hold
        at = at if at is not None and at > now else now + PROBE_INTERVAL
        self._version, self._until = self._breakers.version, min(self._until, at)
        shown = (Show(request, failure, now),) if failure is not None and is_news else ()
        return (*shown, Wake(self._connection, at))

    def _has_refs(self) -> bool:
        return any(each in self._in_flight for each in self._held)

    def look_again(self, now: float) -> tuple[list[Request], list[Show | Wake]]:
        """The lists that are held back no longer, and what follows for the others."""
        released, effects = list[Request](), list[Show | Wake]()
        if self._waiting and (self._version != self._breakers.version or now >= self._until):
            self._version, self._until = self._breakers.version, float("inf")
            self.drop_unneeded()
            for request in list(self._waiting):
                held = self.hold(request, now)
                if held is None:
                    del self._waiting[request]
                    released.append(request)
                effects += held or ()
        return released, effects

    def drop_unneeded(self) -> None:
        """Drop the lists that no object waits for."""
        self._waiting = {each: shown for each, shown in self._waiting.items() if each in self._in_flight}

    def clear(self) -> None:
        """Drop all."""
        self._waiting.clear()
