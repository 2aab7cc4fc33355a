"""`kubectl abr list`: a table with bars, or the API's own words."""

import asyncio
import json

import pytest

from astra_mirror.kubectl.api import Api
from astra_mirror.kubectl.connection import connect
from astra_mirror.kubectl.core.choice import Place
from astra_mirror.kubectl.core.names import Kind
from astra_mirror.kubectl.core.observed import Query
from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from tests.e2e.user import User
from tests.kubectl.core.objects import COMPLETED, FAILED, RUNNING, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_monitor, write_ref

PROGRESS = {"percentDone": 42, "bytesPerSecond": 52_428_800, "summary": "42% of 2.9 GiB"}
ESCAPE = "\x1b"


@pytest.fixture
def objects(user: User) -> None:
    """Three refs and a monitor."""
    later = "2099-01-01T00:00:00Z"
    progress = PROGRESS | {"estimatedCompletionTime": later}
    write_ref(user, "runs", RUNNING | SYNCED, state="running", progress=progress, labels={"team": "shop"})
    write_ref(user, "done", COMPLETED | SYNCED, state="completed", progress={"percentDone": 100})
    write_ref(user, "bad", FAILED | SYNCED, state="failed", spec={"suspend": True})
    met = {"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet"} | SYNCED
    write_monitor(user, "shop", met, deadline=later)


@pytest.mark.usefixtures("objects")
def test_a_table(plugin: Plugin) -> None:
    """State, bar, rate, time left and age of refs and monitors, without escape codes, and with no line cut."""
    ended = plugin.run("list", FORCE_COLOR="1", COLUMNS="20")
    assert (ended.returncode, ended.stderr) == (0, "")
    head, *rows = ended.stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "PROGRESS", "RATE", "LEFT", "AGE", "REMARK"]
    cells = {row.split()[0]: row for row in rows}
    assert list(cells) == ["bad", "done", "runs", "abm/shop"]
    assert "running         ━━━━━━━━────────────   " in cells["runs"]
    assert cells["runs"].split()[3:6] == ["42%", "50.0", "MiB/s"]
    assert cells["runs"].split()[6].startswith("72y")
    assert "━" * 20 + "   100%" in cells["done"]
    assert cells["bad"].endswith("suspended")
    assert cells["abm/shop"].split()[1] == "ObjectivesMet"
    assert ESCAPE not in ended.stdout


@pytest.mark.usefixtures("objects")
def test_on_a_terminal(plugin: Plugin) -> None:
    """In colors, and not wider than the screen."""
    with plugin.terminal("list", columns=90) as terminal:
        assert terminal.end() == 0
    assert "running" in terminal.text
    assert b"\x1b[36m" in terminal.sent
    with plugin.terminal("list", columns=90, NO_COLOR="1") as terminal:
        assert terminal.end() == 0
    assert b"\x1b[36m" not in terminal.sent


@pytest.mark.usefixtures("objects")
def test_where_there_are_only_ascii_characters(plugin: Plugin) -> None:
    """The bars are drawn with what there is."""
    ended = plugin.run("list", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert ended.returncode == 0
    assert "########------------" in ended.stdout


@pytest.mark.usefixtures("objects")
def test_as_json(plugin: Plugin, user: User) -> None:
    """One v1 List, with each object as `kubectl get` shows it."""
    found = json.loads(plugin.run("list", "-o", "json").stdout)
    expected = json.loads(user.kubectl("get", "abr,abm", "-o", "json", "--show-managed-fields"))
    assert (found["apiVersion"], found["kind"], set(found)) == ("v1", "List", set(expected))
    by_name = {each["metadata"]["name"]: each for each in found["items"]}
    assert by_name == {each["metadata"]["name"]: each for each in expected["items"]}


@pytest.mark.usefixtures("objects")
def test_some_of_them(plugin: Plugin, user: User) -> None:
    """By label; of all namespaces, with a column for these; flags before the command or after it."""
    assert [row.split()[0] for row in plugin.run("list", "-l", "team=shop").stdout.splitlines()] == ["NAME", "runs"]
    everywhere = plugin.run("list", "--all-namespaces").stdout.splitlines()
    assert everywhere[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert [user.namespace, "runs"] in [row.split()[:2] for row in everywhere]
    named = plugin.run("-n", "default", "list")
    assert (named.returncode, named.stdout) == (0, "")
    assert "no refs and no monitors in the namespace default" in named.stderr
    for arguments in (("list", "-n", user.namespace), ("-n", user.namespace, "list")):
        assert len(plugin.run(*arguments).stdout.splitlines()) == 5


async def test_a_list_in_pages(behind_proxy: Plugin, proxy: FaultProxy, user: User) -> None:
    """It is read to its end; if the rest has expired, all of it at once."""
    names = [f"ref-{number}" for number in range(5)]
    for each in names:
        await asyncio.to_thread(write_ref, user, each)
    connection = await connect(Place(str(behind_proxy.kubeconfig)))
    api, query = Api(connection, page=2), Query(Kind.REF, user.namespace)
    found, version = await api.list_objects(query)
    assert ([each["metadata"]["name"] for each in found], version != "") == (names, True)
    assert len(proxy.requests.matching(verb="list")) == 3
    with proxy.fault(verb="list", kind="status", status=410, count=1):
        found, _ = await api.list_objects(query)
    assert [each["metadata"]["name"] for each in found] == names
    assert [("limit=" in each.query) for each in proxy.requests.matching(verb="list")[3:]] == [True, False]
    await connection.close()


def test_refs_alone(installed: ControlPlane, viewer: Plugin, user: User) -> None:
    """Somebody who may not list monitors, or has none of them in the cluster, sees the refs."""
    write_ref(user, "mine", COMPLETED | SYNCED, state="completed")
    where, account = f"--namespace={user.namespace}", "viewer"
    installed.kubectl("create", "role", "refs", "--verb=list", "--resource=appbackuprefs.astra-mirror.io", where)
    installed.kubectl("delete", "rolebinding", account, where)
    subject = f"--serviceaccount={user.namespace}:{account}"
    installed.kubectl("create", "rolebinding", account, "--role=refs", subject, where)
    ended = viewer.run("list")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1].split()[:2] == ["mine", "completed"]
    assert 'cannot list resource "appbackupmonitors"' in ended.stderr


def test_what_cannot_be_read(plugin: Plugin, viewer: Plugin) -> None:
    """The API server's words, and 3."""
    ended = viewer.run("list", "-n", "default")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert 'cannot list resource "appbackuprefs" in API group "astra-mirror.io"' in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert plugin.run("list", "-o", "yaml").returncode == 64
