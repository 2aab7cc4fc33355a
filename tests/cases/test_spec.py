"""What the API server admits is served, whatever it is named and however its duration is written."""

import json
from functools import partial
from operator import eq
from pathlib import Path
from typing import Final

import pytest
import yaml

from dev.simulator import Backup, Simulator
from dev.simulator.model import uuid_of
from tests.cases.support import Prober, reasons, within
from tests.e2e.user import User
from tests.operator_process import StartOperator

_ROW: Final = yaml.safe_load((Path(__file__).parent / "inputs" / "interval.yaml").read_text())["interval"]
_SECOND: Final = [
    _ROW,
    "1s",
    "1000ms",
    "1000000us",
    "1000000\u00b5s",
    "1000000000ns",
    "0.5s500ms",
    "1.s",
    "01s",
    "0h0m1s",
    "0s1s",
    "0.5s0.5s",
    "999ms999us1000ns",
    "1.0000000000000000000000000000s",
    "0.0003h",
    "0.017m",
    "1.9999999999999999999s",
]
_LONG: Final = ["24h", "1440m", "23h59m60s", "86400000000000ns", "0.5h"]


def _running(astra: Simulator, number: int) -> Backup:
    account = uuid_of(f"account {number}")
    return astra.add_backup("stuck", seconds=0.001, account=account, app=uuid_of(str(number)))


def test_each_form_of_a_duration(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Row `interval.yaml`, and each of Go's forms that the API server admits: served, a second each, or asked once."""
    user.secret_for(astra)
    for number, interval in enumerate(_SECOND):
        user.ref(f"second-{number}", _running(astra, number), interval=interval)
    for number, interval in enumerate(_LONG):
        user.ref(f"long-{number}", astra.add_backup("stuck", seconds=0.001), interval=interval)
    operator = start_operator()
    within(
        20,
        lambda: {name for name, each in reasons(user, "Synced").items() if each != "Observed"},
        lambda missing: missing == set(),
    )
    row = f"/accounts/{uuid_of('account 0')}/*"
    astra.requests.clear()
    asked = astra.requests.wait_for(4, row)
    assert 0.85 <= (asked[3].at - asked[0].at) / 3 <= 1.6
    assert operator.is_running


@pytest.mark.parametrize("mark", ["-", "."])
def test_the_events_of_a_long_name(user: User, astra: Simulator, start_operator: StartOperator, mark: str) -> None:
    """Row `an object's name whose 200th character is - or .`: its Events have a valid name."""
    user.secret_for(astra)
    names = [f"{'a' * (place - 1)}{mark}{'b' * 20}" for place in (199, 200, 201)]
    names += [f"{'a' * 198}{mark}{'b' * 54}", ".".join(["c" * 62] * 4)]
    for name in names:
        user.ref(name, astra.add_backup("fails", seconds=0, app=uuid_of(name)))
    start_operator()

    def told() -> set[str]:
        found = json.loads(user.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
        return {each["regarding"]["name"] for each in found}

    within(20, told, lambda seen: seen == set(names))


def test_many_labels(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Row `24,000 labels in a 1 MiB document`: no step of more than 50 ms, as lists.

    What others on the machine take only adds to a step, so the shortest of many polls is judged.
    """
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=0)
    labels = [{"name": f"k{number}", "value": f"v{number}"} for number in range(24_000)]
    document = backup.document() or {}
    document["metadata"]["labels"] = labels
    user.ref("ref", backup)
    operator = start_operator("--settled-interval", "1s")
    user.wait("ref", "Ready")
    longest = []
    with Prober.of(operator) as prober:
        for number in range(10):
            # Another document each time, for one that is byte for byte the last one is not parsed again.
            backup.serve_raw(json.dumps({**document, "name": f"number {number}"}).encode())
            astra.requests.clear()
            [asked] = astra.requests.wait_for(1)[:1]
            within(5, lambda: user.status("ref")["backup"]["name"], partial(eq, f"number {number}"))
            longest.append(prober.longest(asked.at - 0.05, asked.at + 0.6))
    assert len(user.status("ref")["backup"]["labels"]) == 64
    assert min(longest) < 0.05, longest
