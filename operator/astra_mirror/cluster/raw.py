"""Calls of the API server with plain JSON on both sides.

The library's typed calls check and copy what they are given, which costs more than the call, and raise on an answer of
another kind. Something between the operator and the API server may answer as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.cluster.api import why
from astra_mirror.core.write_results import is_suspicious

MERGE_PATCH: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_MAX_WORDS: Final = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `code` is the HTTP status code, None without an answer; `value` the JSON value, or words."""

    code: int | None
    value: Any

    @property
    def is_status(self) -> bool:
        """Whether it is a Status of the API server's."""
        value = self.value
        return isinstance(value, Mapping) and (value.get("kind"), value.get("apiVersion")) == ("Status", "v1")

    @property
    def reason(self) -> str:
        """The Status's reason; empty without one."""
        return str(self.value.get("reason") or "") if self.is_status else ""

    @property
    def message(self) -> str:
        """The Status's message, or what else there is to say."""
        if self.is_status:
            return str(self.value.get("message") or "")[:_MAX_WORDS]
        return self.value[:_MAX_WORDS] if isinstance(self.value, str) else "the answer is not the API server's"

    @property
    def is_suspicious(self) -> bool:
        """Whether the API server as a whole may be away."""
        return is_suspicious(self.code)


async def call(
    api: client.ApiClient, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float
) -> Answer:
    """Call the API server.

    Args:
        api: the client.
        method: the HTTP method; a PATCH is a merge patch.
        path: the path with its query.
        body: the JSON object to send.
        seconds: after how long without an answer the call ends.
    """
    headers = {"Accept": _JSON, "Content-Type": MERGE_PATCH if method == "PATCH" else _JSON}
    try:
        await api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{api.configuration.host}{path}"
        response = await api.call_api(method, url, headers, body, _request_timeout=seconds)
        content: bytes = await response.read()  # type: ignore[no-untyped-call]
    except client.ApiException as error:
        return Answer(error.status or None, why(error))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Answer(None, why(error))
    try:
        return Answer(response.status, from_json(content))
    except ValueError:
        return Answer(response.status, f"{response.reason or 'no reason'}, and the answer is not JSON")
