"""Which request each object waits for: one that was sent, waits for its turn, or is held back.

An object waits for one request at a time. It may find a better one meanwhile: then the first is not made for its sake.
"""

from astra_mirror.engine.requests import Request


class InFlight:
    """The requests that somebody waits for."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}
        self._waiting: dict[Request, dict[str, None]] = {}

    def __contains__(self, request: object) -> bool:
        """Whether anybody waits for the answer."""
        return request in self._waiting

    def request_of(self, uid: str) -> Request | None:
        """The request that an object waits for."""
        return self._requests.get(uid)

    def waiting(self, request: Request) -> list[str]:
        """The uids of the objects that wait for the answer, in the order in which they began to."""
        return list(self._waiting.get(request, ()))

    def wait(self, uid: str, request: Request) -> None:
        """Let an object wait for this request, and for no other."""
        self.release(uid)
        self._requests[uid] = request
        self._waiting.setdefault(request, {})[uid] = None

    def release(self, uid: str) -> None:
        """Let an object wait for nothing."""
        request = self._requests.pop(uid, None)
        if request is None:
            return
        waiting = self._waiting[request]
        del waiting[uid]
        if not waiting:
            del self._waiting[request]

    def clear(self) -> None:
        """Let nobody wait."""
        self._requests.clear()
        self._waiting.clear()
