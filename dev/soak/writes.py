"""What must be true of the writes themselves, as the fault proxies have seen them."""

from itertools import pairwise
from typing import Final

from dev.faultproxy.faults import Request
from dev.soak.findings import Finding
from dev.soak.process import Process
from dev.soak.stage import Stage

STATUS_PATH: Final = "*/appbackuprefs/*/status"
"""A pattern for the paths of writes of statuses."""
_TOLERANCE_SECONDS: Final = 0.5
"""A proxy may see the next request before it sees that the connection of the one before has been closed."""


def check(stage: Stage) -> list[Finding]:
    """At most one write of an object is under way at a time, for each process."""
    found = []
    for process in stage.processes:
        requests = stage.slots[process.slot].proxy.requests.matching(verb="patch", path=STATUS_PATH)
        by_path: dict[str, list[Request]] = {}
        for each in requests:
            if _is_of(process, each):
                by_path.setdefault(each.path, []).append(each)
        found += [finding for each in by_path.values() for finding in _overlaps(process, each)]
    return found


def _is_of(process: Process, request: Request) -> bool:
    ended = process.ended_at if process.ended_at is not None else float("inf")
    return process.started_at <= request.at <= ended


def _overlaps(process: Process, requests: list[Request]) -> list[Finding]:
    found = []
    for before, after in pairwise(requests):
        if before.ended is None or before.ended > after.at + _TOLERANCE_SECONDS:
            text = f"{process.name} has written again after {after.at - before.at:.1f}s, with one under way"
            found.append(Finding("one write of an object is under way at a time", before.path, text, after.at))
    return found
