"""The soak's own way to the API server: past the fault proxies, patient while it is away, and keeping count of itself.

What the soak has written is known by its resource versions: every other version of a status is the operator's.
"""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from dev.controlplane import ControlPlane

REFS: Final = "/apis/astra-mirror.io/v1/appbackuprefs"
_PATIENCE_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 0.2
_CALL_SECONDS: Final = 15.0
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_REFUSED: Final = frozenset({429})
"""What proves that a call was not carried out; after any other of these it may have been."""
_EXPECTED: Final = frozenset({404, 409})
"""The object has gone, or somebody else has written first: a plan knows neither."""
_MERGE: Final = "application/merge-patch+json"


def ref_path(namespace: str, name: str = "", subresource: str = "") -> str:
    """The path of a ref, or of all in a namespace."""
    parts = ["/apis/astra-mirror.io/v1/namespaces", namespace, "appbackuprefs", name, subresource]
    return "/".join(filter(None, parts))


def secret_path(namespace: str, name: str = "") -> str:
    """The path of a Secret, or of all in a namespace."""
    return "/".join(filter(None, ["/api/v1/namespaces", namespace, "secrets", name]))


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code, and a JSON object; empty where there was none."""

    status: int
    body: Mapping[str, Any]

    @property
    def is_ok(self) -> bool:
        """Whether it was done."""
        return self.status < 300


@dataclass
class OwnWrites:
    """What the soak has written, by resource version.

    Attributes:
        versions: statuses.
        edits: all else; also what was not changed by a call, and may be anybody's.
        unsure: path, begin and end of calls that may have been carried out or not.
    """

    versions: set[str] = field(default_factory=set)
    edits: set[str] = field(default_factory=set)
    unsure: list[tuple[str, float, float]] = field(default_factory=list)


class ExpiredError(Exception):
    """A watch cannot go on from its version."""


class Client:
    """Calls as the administrator. Safe for use from several threads, each of which has a connection of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self._address = urlsplit(plane.url).netloc
        self._context = ssl.create_default_context(cadata=plane.authority_pem)
        token = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]["token"]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._local = threading.local()
        self._kept: list[http.client.HTTPSConnection] = []
        self.own = OwnWrites()
        self.refused: Counter[str] = Counter()
        """How often a call was refused that a plan has no excuse for, by status code and method."""

    def close(self) -> None:
        """Close the connections that the threads keep, which may have ended."""
        for each in self._kept:
            each.close()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Make one call, again and again until the API server has decided it.

        Raises:
            TimeoutError: it was away for longer than any fault of a soak.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        begun = time.time()
        while True:
            answer = None
            with suppress(OSError, http.client.HTTPException, ValueError):
                answer = self.once(method, path, body)
            if answer is not None and answer.status not in _TRANSIENT:
                if method != "GET":
                    self._note(path, body or {}, answer)
                    if not answer.is_ok and answer.status not in _EXPECTED:
                        self.refused[f"{answer.status} to {method}"] += 1
                return answer
            if method != "GET" and (answer is None or answer.status not in _REFUSED):
                self.own.unsure.append((path.removesuffix("/status"), begun, time.time()))
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path}: {answer}")
            time.sleep(_PAUSE_SECONDS)

    def _note(self, path: str, body: Mapping[str, Any], answer: Answer) -> None:
        version = _version(answer.body)
        # A status that was the same before is not written, and keeps its version.
        is_status = path.endswith("/status") and version != _version(body)
        (self.own.versions if is_status else self.own.edits).add(version)

    def once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Make one call once.

        Raises:
            OSError, http.client.HTTPException, ValueError: there was no proper answer.
        """
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect(_CALL_SECONDS)
            self._kept.append(self._local.connection)
        connection = self._local.connection
        headers = self._headers | {"Content-Type": _MERGE if method == "PATCH" else "application/json"}
        with ExitStack() as unfinished:
            unfinished.callback(connection.close)
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            unfinished.pop_all()
        found = json.loads(text) if text.startswith(b"{") else {}
        return Answer(response.status, found)

    @contextmanager
    def watch(self, path: str, version: str, *, silence: float) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a watch from a version on; it ends by itself.

        Raises:
            ExpiredError: the API server does not know the version any more.
            OSError, http.client.HTTPException, ValueError: it broke, or was silent for so many seconds.
        """
        connection = self._connect(silence)
        try:
            query = f"{path}?watch=1&allowWatchBookmarks=1&timeoutSeconds=3600&resourceVersion={version}"
            connection.request("GET", query, headers=self._headers)
            response = connection.getresponse()
            if response.status == 410:
                raise ExpiredError
            if response.status != 200:
                raise ConnectionError(f"the watch was refused with {response.status}")
            yield _events(response)
        finally:
            connection.close()

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=seconds, context=self._context)

    # The calls that most actions are made of.

    def list(self, path: str) -> tuple[list[dict[str, Any]], str]:
        """The objects of a list, and its version."""
        answer = self.call("GET", path)
        return list(answer.body["items"]), answer.body["metadata"]["resourceVersion"]

    def put(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Make or replace an object."""
        name = body["metadata"]["name"]
        answer = self.call("POST", path, body)
        return self.call("PUT", f"{path}/{name}", body) if answer.status == 409 else answer


def _version(body: Mapping[str, Any]) -> str:
    return str(body.get("metadata", {}).get("resourceVersion", ""))


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == "ERROR":
            raise ExpiredError
        yield event
