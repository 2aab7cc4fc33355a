"""What a person would do with a stop-watch: look again and again until a time is over, and ask /healthz meanwhile."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import eq
from typing import Any, Final, TypeVar

from dev.simulator.model import uuid_of
from tests.e2e.user import User, condition
from tests.operator_process import Operator

T = TypeVar("T")
_LOOK_SECONDS: Final = 0.1
Tenant = Callable[..., User]
"""Makes somebody with a namespace of their own; its name begins with what is given."""


def within(seconds: float, look: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What `look` gives, once it holds.

    Raises:
        AssertionError: it does not within `seconds`; the message has what was seen last.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {seconds:g}s; seen last: {seen}"
        time.sleep(_LOOK_SECONDS)


def always(seconds: float, look: Callable[[], T], holds: Callable[[T], bool]) -> None:
    """Assert that it holds for all of that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        assert holds(seen), f"{seconds - (deadline - time.monotonic()):.1f}s after the begin: {seen}"
        time.sleep(_LOOK_SECONDS)


def raw_status(user: User, name: str) -> dict[str, Any]:
    """A status as it is, right or wrong."""
    found: dict[str, Any] = json.loads(user.kubectl("get", "abr", name, "-o", "json")).get("status", {})
    return found


def reason(status: dict[str, Any], kind: str) -> str:
    """A condition's reason; empty where there is no such condition."""
    found = [each["reason"] for each in status.get("conditions", ()) if each["type"] == kind]
    return str(found[0]) if found else ""


def synced(user: User, name: str = "ref") -> str:
    """The reason of Synced; empty without one."""
    return reason(raw_status(user, name), "Synced")


def is_answered(synced: str) -> bool:
    """Whether that reason of Synced is the end of a poll, well or not."""
    return synced not in {"", "NotObserved"}


def reasons(user: User, kind: str) -> dict[str, str]:
    """The reason of that condition of each ref in the namespace."""
    found = json.loads(user.kubectl("get", "abr", "-o", "json"))["items"]
    return {each["metadata"]["name"]: reason(each.get("status", {}), kind) for each in found}


def synced_within(user: User, name: str, wanted: str, seconds: float) -> dict[str, Any]:
    """Synced's condition, once it has that reason; looked for in a status that need not be right otherwise."""
    within(seconds, partial(synced, user, name), partial(eq, wanted))
    return condition(raw_status(user, name), "Synced")


def apply_all(user: User, documents: Iterable[dict[str, Any]]) -> None:
    """`kubectl apply` of many at once, on the server's side: it is for large ones as well."""
    text = "\n---\n".join(json.dumps(each) for each in documents)
    user.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def secret_document(content: dict[str, str], name: str = "astra-control") -> dict[str, Any]:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(content)}


def ref_document(name: str, **spec: Any) -> dict[str, Any]:
    """A ref to a backup of its own, asked for every second, unless `spec` says otherwise."""
    ids = {"accountID": uuid_of("account"), "appID": uuid_of("app"), "backupID": uuid_of(f"backup {name}")}
    return {
        "apiVersion": "astra-mirror.io/v1",
        "kind": "AppBackupRef",
        "metadata": {"name": name},
        "spec": {**ids, "interval": "1s", **spec},
    }


class Prober:
    """Asks /healthz again and again; `answers` are the begin and the seconds of each, by time.time()."""

    def __init__(self, operator: Operator) -> None:
        self._address = operator.wait_for_log(r"Serving HTTP on ([\d.:]+)")[1]
        self._stop = threading.Event()
        self.answers: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while not self._stop.wait(0.002):
            begun = time.time()
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._stop.wait(0.1)
                continue
            self.answers.append((begun, time.time() - begun))
        connection.close()

    def longest(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The longest answer among those that were asked for, or still awaited, between these two times."""
        return max((took for begun, took in self.answers if begun + took >= since and begun <= until), default=0.0)

    @classmethod
    @contextmanager
    def of(cls, operator: Operator) -> "Iterator[Prober]":
        """One for the time of a `with` block."""
        prober = cls(operator)
        prober._thread.start()
        try:
            yield prober
        finally:
            prober._stop.set()
            prober._thread.join()
