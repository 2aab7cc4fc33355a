"""What must be true of the writes themselves, as the fault proxies have seen them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dev.faultproxy.faults import Request
from dev.soak.findings import Finding
from dev.soak.process import Process
from dev.soak.stage import Stage

STATUS_PATH: Final = "*/appbackuprefs/*/status"
"""A pattern for the paths of writes of statuses."""
_NAMESPACE_PART: Final = 5
_TOLERANCE_SECONDS: Final = 0.5
"""A proxy may see the next request before it sees that the connection of the one before has been closed."""


def unanswered(stage: Stage) -> dict[str, list[float]]:
    """When writes of statuses began that the operator has had no answer to, by namespace and name."""
    found: dict[str, list[float]] = {}
    for slot in stage.slots:
        for each in slot.proxy.requests.matching(verb="patch", path=STATUS_PATH):
            if not each.status:
                found.setdefault(name_in(each.path), []).append(each.at)
    return found


def name_in(path: str) -> str:
    """Namespace and name in /apis/GROUP/VERSION/namespaces/NAMESPACE/appbackuprefs/NAME/status."""
    return "/".join(path.split("/")[_NAMESPACE_PART : _NAMESPACE_PART + 3 : 2])


def check(stage: Stage) -> list[Finding]:
    """At most one write of an object is under way at a time, for each process.

    What is made anew under the same name is another object, also for a process that does not know of it yet.
    """
    found = []
    for process in stage.processes:
        by_object: dict[tuple[str, str], list[Request]] = {}
        for request in stage.slots[process.slot].proxy.requests.matching(verb="patch", path=STATUS_PATH):
            if _is_of(process, request):
                by_object.setdefault((request.path, request.uid), []).append(request)
        for those in by_object.values():
            found += _overlaps(process, those)
    return found


def _is_of(process: Process, request: Request) -> bool:
    ended = process.ended_at if process.ended_at is not None else float("inf")
    return process.started_at <= request.at <= ended


def _overlaps(process: Process, requests: Sequence[Request]) -> list[Finding]:
    found = []
    for before, after in pairwise(requests):
        if before.ended is None or before.ended > after.at + _TOLERANCE_SECONDS:
            text = f"{process.name} has written again after {after.at - before.at:.1f}s, with one under way"
            found.append(Finding("one write of an object is under way at a time", before.path, text, after.at))
    return found
