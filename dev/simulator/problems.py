"""Astra Control's problem documents: their numbers, titles and details are those of its API reference."""

import json
from pathlib import Path
from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"
EXAMPLES: Final = Path(__file__).parent / "examples"


def problem(number: int, status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A problem document; its status is a string."""
    return {
        "type": f"https://astra.netapp.io/problems/{number}",
        "title": title,
        "detail": detail,
        "status": str(status),
        **more,
    }


NOT_FOUND: Final = problem(2, 404, "Collection not found", "The collection specified in the request URI wasn't found.")
MISSING_TOKEN: Final = problem(3, 401, "Missing bearer token", "The request is missing the required bearer token.")
INVALID_TOKEN: Final = problem(4, 401, "Invalid bearer token", "The bearer token isn't valid.")
FORBIDDEN: Final = problem(11, 403, "Operation not permitted", "The requested operation isn't permitted.")
BAD_ACCOUNT: Final = problem(33, 400, "Invalid account ID", "The account ID isn't a UUID.")
BAD_RESOURCE: Final = problem(35, 400, "Invalid resource ID", "The resource ID isn't a UUID.")


def invalid_parameter(name: str) -> dict[str, Any]:
    """The problem of a query parameter that the API does not have."""
    params = [{"name": name, "reason": "The parameter isn't supported."}]
    return problem(
        5, 400, "Invalid query parameters", "The supplied query parameters are invalid.", invalidParams=params
    )


def for_status(status: int) -> bytes:
    """The body for an error of that status: the API reference's example where it has one."""
    example = EXAMPLES / f"problem-{status}.json"
    if example.exists():
        return example.read_bytes()
    return json.dumps(problem(40, status, "Service error", f"The service answered with {status}.")).encode()
