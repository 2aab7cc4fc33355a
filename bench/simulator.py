"""The simulator as a process of its own, so that its CPU time is nobody else's. One JSON command a line."""

import json
import math
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from dev.simulator import Simulator
from dev.simulator.model import SCENARIOS, Document, Life, Scenario, uuid_of
from dev.simulator.store import Fault


def main() -> None:
    """Serve until stdin ends."""
    with Simulator.start() as astra:
        _say({"url": astra.url, "token": astra.token})
        for line in sys.stdin:
            command: dict[str, Any] = json.loads(line)
            _say(_COMMANDS[command.pop("do")](astra, **command))


def _add(astra: Simulator, *, world: str, refs: int, apps: int, accounts: int, active: float) -> Any:  # noqa: ANN401
    made = []
    # The refs of an app have names that follow each other, as those of a namespace have.
    for number in range(refs):
        app = number * apps // refs
        is_active = int((number + 1) * active) > int(number * active)
        backup = astra.add_backup(
            _in_the_end("stuck" if is_active else "completes"),
            account=uuid_of(f"{world} account {app % accounts}"),
            app=uuid_of(f"{world} app {app}"),
        )
        made.append({"accountID": backup.account, "appID": backup.app, "backupID": backup.id})
    return made


def _catalog(astra: Simulator, *, world: str, apps: int, backups: int) -> Any:  # noqa: ANN401 - a JSON value
    """Apps of one account with so many completed backups each."""
    made = [
        {"accountID": uuid_of(f"{world} account"), "appID": uuid_of(f"{world} app {number}")} for number in range(apps)
    ]
    for each in made:
        for _ in range(backups):
            astra.add_backup(_in_the_end("completes"), account=each["accountID"], app=each["appID"])
    return made


def _in_the_end(name: str) -> Scenario:
    """A scenario as it is at its end, made once: the simulator shares the cores with those that are measured."""
    made: Document | None = None

    def scenario(life: Life, _age: float) -> Document | None:
        nonlocal made
        made = made or SCENARIOS[name](life, math.inf)
        return made

    return scenario


def _token(astra: Simulator) -> str:
    return astra.add_token()


def _requests(astra: Simulator) -> int:
    number = len(astra.requests.matching())
    astra.requests.clear()
    return number


def _polls(astra: Simulator, *, accounts: list[str]) -> int:
    """How many single backups of these accounts were asked for since the log was emptied."""
    patterns = [f"/accounts/{account}/*/appBackups/*" for account in accounts]
    return sum(len(astra.requests.matching(each)) for each in patterns)


def _lateness(astra: Simulator, *, interval: float, accounts: list[str] | None = None) -> list[float]:
    """By how much more than `interval` the requests for each path, or each of these accounts, were apart, sorted."""
    times = defaultdict(list)
    for request in astra.requests.matching("/accounts/*"):
        account = request.path.split("/")[2]
        if accounts is None or account in accounts:
            times[request.path if accounts is None else account].append(request.at)
    gaps = [after - before for each in times.values() for before, after in pairwise(each)]
    return sorted(max(gap - interval, 0.0) for gap in gaps)


def _faults(astra: Simulator, *, lists: bool, hang: float, latency: float = 0.0) -> None:
    """No faults but these: lists that are refused, a share of the answers that do not come, and seconds of latency."""
    astra.clear_faults()
    if latency:
        astra.add_fault(Fault("/accounts/*", status=200, latency=latency))
    if not lists:
        astra.add_fault(Fault("/accounts/*/appBackups", status=403, latency=latency))
    if hang:
        astra.add_fault(Fault("/accounts/*", kind="hang", share=hang, cleared=threading.Event()))


def _large(astra: Simulator, *, size: int, compressed: bool) -> Any:  # noqa: ANN401 - a JSON value
    """Answer every list with one of almost `size` bytes; an account, and the ids of a tenth of its backups."""
    item = {"id": "", "state": "completed", "name": "x" * 400, "stateUnready": [], "metadata": {"labels": []}}
    ids = [str(uuid.UUID(int=number)) for number in range(size // (len(json.dumps(item)) + 40))]
    body = json.dumps({"items": [item | {"id": each} for each in ids]}).encode()
    headers = {} if compressed else {"Content-Encoding": "identity"}
    astra.clear_faults()
    astra.add_fault(Fault("/accounts/*/appBackups", kind="body", body=body, headers=headers))
    return astra.account, ids[::10]


_COMMANDS: dict[str, Callable[..., Any]] = {
    "add": _add,
    "catalog": _catalog,
    "faults": _faults,
    "large": _large,
    "lateness": _lateness,
    "polls": _polls,
    "requests": _requests,
    "token": _token,
}


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
