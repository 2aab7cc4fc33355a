"""What can be done to etcd behind the API server's back."""

import json
import urllib.request
from base64 import b64encode
from collections.abc import Mapping


class Etcd:
    """etcd by its JSON gateway.

    Args:
        url: the address for its clients.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def overwrite(self, path: str, value: bytes | None) -> None:
        """Put bytes there as they are, or remove them with None.

        Args:
            path: what follows /registry/, such as `secrets/NAMESPACE/NAME`.
            value: what the API server is to find there.
        """
        key = b64encode(f"/registry/{path}".encode()).decode()
        action, body = ("deleterange", {"key": key}) if value is None else ("put", {"key": key})
        if value is not None:
            body["value"] = b64encode(value).decode()
        self._ask(f"kv/{action}", body)

    def fill(self, *, full: bool) -> None:
        """Let it refuse every write, as one does whose disk quota is used up; or no longer."""
        alarm = {"action": "ACTIVATE" if full else "DEACTIVATE", "memberID": "0", "alarm": "NOSPACE"}
        self._ask("maintenance/alarm", alarm)

    def _ask(self, path: str, body: Mapping[str, str]) -> None:
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
