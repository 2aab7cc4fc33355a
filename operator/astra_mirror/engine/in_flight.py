"""Which request each object waits for: one that was sent, is queued, or is held back.

An object waits for one request at a time. It may switch to another; the first is then dropped unless other objects wait
for it.
"""

from astra_mirror.engine.requests import Request


class InFlight:
    """The requests that objects wait for."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}
        self._waiting: dict[Request, dict[str, None]] = {}

    def __contains__(self, request: object) -> bool:
        """Whether an object waits for the answer."""
        return request in self._waiting

    def request_of(self, uid: str) -> Request | None:
        """The request that an object waits for."""
        return self._requests.get(uid)

    def waiting(self, request: Request) -> list[str]:
        """The uids of the objects that wait for the answer, the longest-waiting first."""
        return list(self._waiting.get(request, ()))

    def wait(self, uid: str, request: Request) -> None:
        """Make an object wait for this request instead of any other."""
        self.release(uid)
        self._requests[uid] = request
        self._waiting.setdefault(request, {})[uid] = None

    def release(self, uid: str) -> None:
        """Make an object wait for no request."""
        request = self._requests.pop(uid, None)
        if request is None:
            return
        waiting = self._waiting[request]
        del waiting[uid]
        if not waiting:
            del self._waiting[request]

    def clear(self) -> None:
        """Make all objects wait for no request."""
        self._requests.clear()
        self._waiting.clear()
