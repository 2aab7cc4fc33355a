"""The simulator is faithful to the API reference, and its faults do what they are called."""

import gzip
import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dev.simulator import Fault, Simulator
from dev.simulator.model import SCENARIOS, uuid_of
from dev.simulator.problems import EXAMPLES
from dev.simulator.store import UnknownScenarioError


@pytest.fixture
def http(astra: Simulator) -> Iterator[httpx.Client]:
    """A client with the simulator's token."""
    headers = {"Authorization": f"Bearer {astra.token}"}
    with httpx.Client(base_url=astra.url, headers=headers, timeout=10, trust_env=False) as client:
        yield client


def _list_path(astra: Simulator) -> str:
    return f"/accounts/{astra.account}/k8s/v1/apps/{astra.app}/appBackups"


def test_a_simulator_leaves_the_loggers_of_its_process_alone() -> None:
    """One that is disabled stays so: the operator disables one that writes credentials."""
    logger = logging.getLogger("tests.disabled")
    logger.disabled = True
    with Simulator.start():
        assert logger.disabled


def test_two_simulators_at_one_port_are_two() -> None:
    """What asks at an address of one reaches that one: a port that another had, or has, does not lead to it."""
    with Simulator.start(host="127.1.2.3") as one:
        port = int(one.url.rpartition(":")[2])
        with Simulator.start(host="127.3.2.1", port=port) as other:
            assert httpx.get(f"{other.url}{_list_path(other)}", trust_env=False).status_code == 401
            assert [len(each.requests.matching()) for each in (one, other)] == [0, 1]


def test_the_examples_are_served_byte_for_byte(astra: Simulator, http: httpx.Client) -> None:
    """The 200 example as a document, each problem example as the error of its status."""
    backup = astra.add_backup(id="bab39d53-2d04-5297-b92e-58df89a2117b")
    example = (EXAMPLES / "backup.json").read_bytes()
    backup.serve_raw(example)
    assert http.get(f"{_list_path(astra)}/{backup.id}").content == example
    for status in (400, 401, 403, 404, 500):
        with astra.fault("*", status=status):
            answer = http.get(_list_path(astra))
        assert answer.status_code == status
        assert answer.content == (EXAMPLES / f"problem-{status}.json").read_bytes()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == str(status)


def test_the_list_of_apps_is_where_an_app_is_found(astra: Simulator, http: httpx.Client) -> None:
    """Each app with backups once; with `include` as arrays in the order asked for; a stranger's token is refused."""
    for app in (uuid_of("one"), uuid_of("two"), uuid_of("one")):
        astra.add_backup(app=app)
    path = f"/accounts/{astra.account}/k8s/v2/apps"
    found = http.get(path, params={"include": "id,state"}).json()
    assert found["items"] == [[uuid_of("one"), "ready"], [uuid_of("two"), "ready"]]
    assert {each["id"] for each in http.get(path).json()["items"]} == {uuid_of("one"), uuid_of("two")}
    assert http.get(path, params={"sort": "id"}).status_code == 400
    assert http.get(path, headers={"Authorization": "Bearer another"}).status_code == 401


def test_a_life_from_pending_to_completed() -> None:
    """States and fields come in the order of the reference, by the clock that is given."""
    now = [0.0]
    with Simulator.start(clock=lambda: now[0]) as astra:
        backup = astra.add_backup("completes", seconds=100)
        seen = []
        for moment in (0, 15, 50, 100):
            now[0] = moment
            document = backup.document()
            assert document is not None
            seen.append(document)
    assert [each["state"] for each in seen] == ["pending", "discovering", "running", "completed"]
    fresh = {"snapshotID", "hookState", "totalBytes", "bytesDone", "percentDone", "backupCreationTimestamp"}
    assert not fresh & set(seen[0])
    assert fresh - set(seen[2]) == {"hookState"}
    assert fresh <= set(seen[3])
    assert seen[3]["percentDone"] == 100
    assert seen[3]["bytesDone"] == seen[3]["totalBytes"]


@pytest.mark.parametrize(
    ("scenario", "end"),
    [
        ("fails", "failed"),
        ("hooks-fail", "completed"),
        ("stuck", "running"),
        ("gets-lost", "removed"),
        ("vanishes", None),
        ("deleting", "deleting"),
        ("unknown", "unknown"),
        ("ready", "ready"),
    ],
)
def test_how_scenarios_end(scenario: str, end: str | None) -> None:
    """Each scenario ends as its name says."""
    now = [0.0]
    with Simulator.start(clock=lambda: now[0]) as astra:
        backup = astra.add_backup(scenario, seconds=1)
        now[0] = 1000
        document = backup.document()
    assert (document or {}).get("state") == end


@pytest.mark.parametrize(
    ("token", "path", "status", "number"),
    [
        ("", "{list}", 401, 3),
        ("wrong", "{list}", 401, 4),
        ("{token}", "/accounts/x/k8s/v1/apps/y/appBackups", 400, 33),
        ("{token}", "/accounts/{account}/k8s/v1/apps/y/appBackups", 400, 35),
        ("{token}", "{list}/00000000-0000-4000-8000-000000000000", 404, 2),
        ("{token}", "{list}?nope=1", 400, 5),
        ("{limited}", "{list}", 403, 11),
    ],
)
def test_problems(astra: Simulator, token: str, path: str, status: int, number: int) -> None:
    """What is refused is refused with the reference's problem."""
    limited = astra.add_token(no_apps=[astra.app])
    names = {"list": _list_path(astra), "account": astra.account, "token": astra.token, "limited": limited}
    headers = {"Authorization": f"Bearer {token.format(**names)}"} if token else {}
    answer = httpx.get(astra.url + path.format(**names), headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, str(number))


def test_both_lists(astra: Simulator, http: httpx.Client) -> None:
    """Of the app and of the account; paged, and as positional arrays when asked."""
    for _ in range(3):
        astra.add_backup("stuck", seconds=0.001)
    astra.add_backup("completes", app=astra.account)
    documents = http.get(_list_path(astra)).json()
    assert len(documents["items"]) == documents["metadata"]["count"] == 3
    assert len(http.get(f"/accounts/{astra.account}/topology/v1/appBackups").json()["items"]) == 4
    page = http.get(_list_path(astra), params={"limit": 2, "include": "id,state"}).json()
    assert [item[1] for item in page["items"]] == ["running", "running"]
    assert page["metadata"]["continue"] == "2"


def test_faults(astra: Simulator, http: httpx.Client) -> None:
    """Each does what it is called, counts down, and ends."""
    backup = astra.add_backup("stuck", seconds=0.001)
    path = f"{_list_path(astra)}/{backup.id}"
    with astra.fault(f"*/{backup.id}", status=503, headers={"Retry-After": "7"}, count=1):
        assert http.get(path).headers["Retry-After"] == "7"
        assert http.get(path).status_code == 200
    with astra.fault("*", kind="redirect"):
        assert http.get(path).status_code == 302
    with astra.fault("*", kind="plain-404"):
        assert http.get(path).headers["Content-Type"].startswith("text/plain")
    with astra.fault("*", kind="wrong-id"):
        assert http.get(path).json()["id"] != backup.id
    with astra.fault("*", kind="truncate"), pytest.raises(httpx.RemoteProtocolError):
        http.get(path)
    with astra.fault("*", kind="hang"), pytest.raises(httpx.ReadTimeout):
        http.get(path, timeout=0.2)
    bomb = gzip.compress(b" " * 10_000_000)
    with astra.fault("*", kind="body", body=bomb, headers={"Content-Encoding": "gzip"}):
        assert len(http.get(path).content) == 10_000_000
    with astra.fault("*", token="somebody else's", status=500):
        assert http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("list-null", [None, dict]), ("list-twice", [dict, dict]), ("list-short", []), ("list-arrays", [list])],
)
def test_lists_that_go_wrong(astra: Simulator, http: httpx.Client, kind: str, shape: list[type | None]) -> None:
    """Nulls, duplicates, missing items, arrays unasked."""
    astra.add_backup("stuck", seconds=0.001)
    with astra.fault("*", kind=kind):
        items = http.get(_list_path(astra)).json()["items"]
    assert [None if each is None else type(each) for each in items] == shape


def test_the_log_has_no_token(astra: Simulator, http: httpx.Client) -> None:
    """What was asked and how it ended, with a fingerprint."""
    http.get(_list_path(astra))
    line = astra.requests.wait_for(1)[0]
    assert (line.method, line.path, line.status) == ("GET", _list_path(astra), 200)
    assert astra.token not in repr(line)
    with pytest.raises(TimeoutError):
        astra.requests.wait_for(2, seconds=0.01)


def test_the_control_endpoint(astra: Simulator, http: httpx.Client) -> None:
    """A person can add a backup, move it along, break things and read the log; mistakes are explained."""
    made = http.post("/_control/backups", json={"scenario": "stuck", "seconds": 5}).json()
    assert (
        http.post(f"/_control/backups/{made['id']}", json={"state": "completed"}).json()["document"]["state"]
        == "completed"
    )
    assert [each["id"] for each in http.get("/_control/backups").json()] == [made["id"]]
    http.post("/_control/faults", json={"path": "/accounts/*", "status": 503})
    assert http.get(_list_path(astra)).status_code == 503
    refused = http.post("/_control/faults", json={"kind": "bogus"})
    assert (refused.status_code, "truncate" in refused.json()["error"]) == (400, True)
    http.delete("/_control/faults")
    assert http.get(_list_path(astra)).status_code == 200
    assert http.delete(f"/_control/backups/{made['id']}").json()["document"] is None
    assert len(http.get("/_control/requests").json()) == 2
    for path, body in (("backups", {"scenario": "nope"}), ("faults", {"stauts": 1}), ("backups/x", {}), ("faults", [])):
        wrong = http.post(f"/_control/{path}", json=body)
        assert wrong.status_code == 400
        assert wrong.json()["error"]


def test_an_unknown_scenario_is_named(astra: Simulator) -> None:
    """With the ones that there are."""
    with pytest.raises(UnknownScenarioError, match="completes"):
        astra.add_backup("nope")


def test_by_hand() -> None:
    """`python -m dev.simulator` prints manifests for everything it serves, and ends cleanly on Ctrl-C."""
    command = [sys.executable, "-m", "dev.simulator", "--tls", "--scenario", "stuck"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("# export ASTRA="):
                break
        url = re.search(r"ASTRA=(\S+)", printed)
        assert url is not None
        answer = httpx.get(f"{url[1]}/_control/backups", verify=False, trust_env=False)  # noqa: S501 - its own authority
        assert answer.json()[0]["id"] in printed
        assert "ca.crt" in printed
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_every_scenario_gives_valid_json() -> None:
    """At any age."""
    with Simulator.start() as astra:
        for name in SCENARIOS:
            json.dumps(astra.add_backup(name).document())
    assert Path(EXAMPLES).is_dir()


def test_a_fault_for_a_share_of_requests_meets_the_same_ones_in_each_run() -> None:
    """Whatever other faults for a share there are, and were before."""
    other, *faults = (Fault("*", share=0.5) for _ in range(3))
    alone = [faults[0].matches("/a", None) for _ in range(50)]
    beside = [faults[1].matches("/a", None) for _ in range(50) if other.matches("/a", None) in {True, False}]
    assert alone == beside
    assert {True, False} == set(alone)
