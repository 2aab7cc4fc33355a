"""The Events that are recorded during a soak: those of a namespace that ends are gone at the end of the run."""

import json
import threading
from collections.abc import Sequence
from typing import Any, Final

from dev.soak.client import Client
from dev.soak.findings import Finding
from dev.soak.watch import Watch

_EVENTS: Final = "/apis/events.k8s.io/v1/events"


class Events:
    """Looks at each Event from the moment on that it is made until it is stopped.

    Args:
        client: the way to the API server.
        tokens: what may occur in none.
    """

    def __init__(self, client: Client, tokens: Sequence[str]) -> None:
        self._client = client
        self._tokens = tokens
        self._guard = threading.Lock()
        self._with_tokens: dict[str, str] = {}
        self._watch = Watch(client, _EVENTS, self._take, name="Events")

    def stop(self) -> None:
        """Stop recording."""
        self._watch.stop()

    def findings(self) -> list[Finding]:
        """Those with a token, those included that are there now.

        Raises:
            RuntimeError: the recording has ended by itself.
        """
        self._watch.check()
        for item in self._client.list(_EVENTS)[0]:
            self._take(item, follows=False)
        with self._guard:
            return [Finding("a token is in no Event", name, text) for name, text in self._with_tokens.items()]

    def _take(self, item: dict[str, Any], *, follows: bool, is_last: bool = False) -> None:
        del follows, is_last
        if text := leak(item, self._tokens):
            regarding = item.get("regarding", {})
            with self._guard:
                self._with_tokens.setdefault(f"{regarding.get('namespace')}/{regarding.get('name')}", text)


def leak(event: dict[str, Any], tokens: Sequence[str]) -> str | None:
    """What an Event says, if there is a token in any part of it."""
    if any(token in json.dumps(event) for token in tokens):
        return f"has a token in it: {event.get('reason')}: {event.get('note')}"
    return None
