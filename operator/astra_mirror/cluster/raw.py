"""Calls of the API server that send and receive plain JSON, and raise nothing.

The client library's typed calls validate and copy their arguments, which costs more than the call itself, and raise
when the response is of another kind. A proxy between the operator and the API server may send such a response.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.cluster.api import error_text
from astra_mirror.core.write_results import suggests_outage
from astra_mirror.support.text import one_line

MERGE_PATCH: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_MAX_MESSAGE_LENGTH: Final = 1024
_MAX_REASON_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class Response:
    """A response.

    Attributes:
        code: the HTTP status code; None where no response came.
        value: the JSON value, or an error text.
    """

    code: int | None
    value: Any

    @property
    def is_status(self) -> bool:
        """Whether the body is a Status of the API server."""
        value = self.value
        return isinstance(value, Mapping) and (value.get("kind"), value.get("apiVersion")) == ("Status", "v1")

    @property
    def reason(self) -> str:
        """The Status's reason; empty without one."""
        return one_line(str(self.value.get("reason") or ""), _MAX_REASON_LENGTH) if self.is_status else ""

    @property
    def message(self) -> str:
        """The Status's message, or the error text."""
        if self.is_status:
            return one_line(str(self.value.get("message") or ""), _MAX_MESSAGE_LENGTH)
        if isinstance(self.value, str):
            return one_line(self.value, _MAX_MESSAGE_LENGTH)
        return "the answer is not the API server's"

    @property
    def details(self) -> Mapping[str, Any]:
        """The Status's details; empty without one."""
        details = self.value.get("details") if self.is_status else None
        return details if isinstance(details, Mapping) else {}

    @property
    def causes(self) -> list[Mapping[str, Any]]:
        """The causes in the details."""
        causes = self.details.get("causes")
        return [each for each in causes if isinstance(each, Mapping)] if isinstance(causes, list) else []

    @property
    def says_namespace_ends(self) -> bool:
        """Whether nothing can be created because the namespace is being deleted, or is gone."""
        if any(each.get("reason") == "NamespaceTerminating" for each in self.causes):
            return True
        return self.says_no_namespace

    @property
    def says_no_namespace(self) -> bool:
        """Whether there is no such namespace."""
        return self.code == HTTPStatus.NOT_FOUND and self.details.get("kind") == "namespaces"

    @property
    def suggests_outage(self) -> bool:
        """Whether the API server as a whole may be away."""
        return suggests_outage(self.code)


async def call(
    api: client.ApiClient, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float
) -> Response:
    """Call the API server.

    Args:
        api: the kubernetes client.
        method: the HTTP method; a PATCH is a merge patch.
        path: the path with its query.
        body: the JSON object to send.
        seconds: the time-out.
    """
    headers = {"Accept": _JSON, "Content-Type": MERGE_PATCH if method == "PATCH" else _JSON}
    try:
        await api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{api.configuration.host}{path}"
        response = await api.call_api(method, url, headers, body, _request_timeout=seconds)
        content: bytes = await response.read()  # type: ignore[no-untyped-call]
    except client.ApiException as error:
        return Response(error.status or None, error_text(error))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Response(None, error_text(error))
    try:
        return Response(response.status, from_json(content))
    except ValueError:
        return Response(response.status, f"{response.reason or 'no reason'}, and the answer is not JSON")
