"""What can go wrong, for which requests, and the log of what was asked. Safe for use from several threads."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

_PATH: Final = re.compile(r"/apis?(/[^/]+)?/v[^/]+(/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?/(?P<rest>.+)")

FaultKind = Literal["status", "hang", "cut", "cut-answer", "error-event", "swallow", "silent", "dead"]
_STREAM_KINDS: Final = frozenset({"error-event", "swallow", "silent", "dead"})


@dataclass(eq=False)
class Request:
    """One request.

    `at` and `ended` are seconds since the epoch; a status of 0 stands for no answer so far; `uid` is that of the one
    object for which a PATCH holds, "" where it names none.
    """

    method: str
    path: str
    query: str
    at: float = field(default_factory=time.time)
    status: int = 0
    ended: float | None = None
    uid: str = ""

    @property
    def verb(self) -> str:
        """Kubernetes' word for it."""
        if self.method != "GET":
            return {"POST": "create", "PUT": "update"}.get(self.method, self.method.lower())
        if "watch=" in self.query and not re.search(r"watch=(0|false)", self.query, re.IGNORECASE):
            return "watch"
        matched = _PATH.fullmatch(self.path)
        return "get" if matched is None or "/" in matched["rest"] else "list"

    @property
    def namespace(self) -> str | None:
        """The namespace in its path."""
        matched = _PATH.fullmatch(self.path)
        return matched["namespace"] if matched else None


@dataclass(eq=False)
class Fault:
    """What goes wrong for the requests that match.

    Kinds for any request:
        status: answered with `status`, `body` and `headers`; without a body, with a Status document for that code.
        hang: never answered; cut when the fault is cleared.
        cut: the connection is closed instead of an answer, and the request is not forwarded.
        cut-answer: it is forwarded, and the connection is closed before the answer.
    Kinds for watches, those that are open already included:
        error-event: `event` is sent as one line of JSON, and the stream ends.
        swallow: events of `types` do not arrive; bookmarks do.
        silent: nothing arrives any more, and the connection stays open: a frozen server.
        dead: as silent, and not even TCP acknowledges anything any more: a host that has vanished.

    Attributes:
        verb, namespace: what a request must have; any when left out.
        path: a glob pattern.
        count: for so many requests only.
        latency: seconds before the answer (of kind `status`), or with no kind before the request is forwarded.
        open_only: of watches, only those that were open when the fault was added.
    """

    kind: FaultKind | None = None
    path: str = "*"
    verb: str | None = None
    namespace: str | None = None
    status: int = 500
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    event: Any = None
    types: frozenset[str] = frozenset({"ADDED", "MODIFIED", "DELETED"})
    count: int | None = None
    latency: float = 0.0
    open_only: bool = False
    at: float = field(default_factory=time.time)
    cleared: threading.Event = field(default_factory=threading.Event)

    @property
    def is_for_streams(self) -> bool:
        """Whether it happens to a watch that is under way."""
        return self.kind in _STREAM_KINDS

    def matches(self, request: Request) -> bool:
        """Whether a request meets it."""
        return (
            self.count != 0
            and self.verb in {None, request.verb}
            and self.namespace in {None, request.namespace}
            and fnmatchcase(request.path, self.path)
            and (not self.is_for_streams or request.verb == "watch")
            and (not self.open_only or request.at < self.at)
        )


class Requests:
    """The log of requests."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Request] = []

    def append(self, request: Request) -> None:
        """Add one."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def matching(self, *, verb: str | None = None, path: str = "*", namespace: str | None = None) -> list[Request]:
        """Those of a verb, a path (a glob pattern) and a namespace, oldest first."""
        wanted = Fault(path=path, verb=verb, namespace=namespace)
        with self._changed:
            return [each for each in self._requests if wanted.matches(each)]

    def wait_for(
        self,
        number: int,
        *,
        verb: str | None = None,
        path: str = "*",
        namespace: str | None = None,
        seconds: float = 30.0,
    ) -> list[Request]:
        """Wait until there are that many.

        Raises:
            TimeoutError: they did not come within `seconds`.
        """

        def found() -> list[Request]:
            return self.matching(verb=verb, path=path, namespace=namespace)

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= number, seconds):
                raise TimeoutError(f"{len(found())} of {number} requests ({verb or 'any'} {path}) within {seconds:g}s")
            return found()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._requests.clear()


class Faults:
    """The faults in force. `changed` is called, in whatever thread, when one is added or cleared."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._faults: list[Fault] = []
        self.changed: Callable[[], None] = lambda: None

    def add(self, fault: Fault) -> Fault:
        """Let something go wrong; later ones win."""
        with self._lock:
            self._faults.insert(0, fault)
        self.changed()
        return fault

    def clear(self, fault: Fault | None = None) -> None:
        """Clear one fault, or all."""
        with self._lock:
            gone = [each for each in self._faults if fault in {None, each}]
            self._faults = [each for each in self._faults if each not in gone]
        for each in gone:
            each.cleared.set()
        self.changed()

    def take(self, request: Request, *, stream: bool = False) -> Fault | None:
        """The fault that a request meets, or with `stream` that happens to it as a watch under way; counted."""
        with self._lock:
            found = (each for each in self._faults if each.is_for_streams == stream and each.matches(request))
            fault = next(found, None)
            if fault is not None and fault.count is not None:
                fault.count -= 1
            return fault

    @contextmanager
    def fault(self, **options: Any) -> Iterator[Fault]:  # noqa: ANN401 - Fault's own fields
        """A fault for the time of a `with` block."""
        fault = self.add(Fault(**options))
        try:
            yield fault
        finally:
            self.clear(fault)
