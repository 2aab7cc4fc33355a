"""README.md is typed in as it stands, with a fresh clone, kubectl and a cluster: a step that fails is a lost user."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml

from astra_mirror.core.backup import DOCUMENTED_STATES, NOT_FOUND, meaning_of
from astra_mirror.core.monitor.ref_report import Trouble
from astra_mirror.core.outcome import SyncReason
from astra_mirror.settings import Settings
from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.core.cases import ROWS
from tests.docs.newcomer import Newcomer, deployed
from tests.judges.monitors import monitors
from tests.operator_process import run_operator

README: Final = Path("README.md").read_text()
OPTION: Final = "--allowed-url=https://*.netapp.io,https://acc.example.com"
SYSTEM: Final = "astra-mirror-system"
CRD: Final = yaml.safe_load(Path("crds/appbackupref.yaml").read_text())


def block(name: str) -> str:
    """The block of commands that is marked with this name on the page."""
    found = re.search(rf"<!-- tested: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None, name
    return found[1]


def _value(name: str, where: str) -> str:
    [value] = re.findall(rf"^{name}=(\S+)$", block(where), re.MULTILINE)
    return str(value)


def test_the_steps_work_as_pasted(cluster: ControlPlane, newcomer: Newcomer, astra: Simulator) -> None:
    """From the clone to a backup that is waited for, and on to shards; no file of the project is edited on the way.

    The pod is the one thing that is not there, for want of nodes: the operator runs with the arguments and the rights
    of the Deployment that the steps have made, and one address more, the simulator's.
    """
    newcomer.types(block("install"))
    container = deployed(cluster, "deployment")
    assert container["image"] == "registry.example/astra-mirror:0.1.0"
    assert container["args"] == ["run", "--leader-elect", OPTION]
    account, app, backup = _value("ACCOUNT", "account"), _value("APP", "ids"), _value("BACKUP", "ids")
    astra.add_backup("completes", account=account, app=app, id=backup, name="nightly-0105", seconds=2)
    (Path(newcomer.environment["HOME"]) / ".astra-token").write_text(f"{astra.token}\n")
    # The page says to put one's own values here; of these only the address is another one.
    mine = block("account").replace(_value("ASTRA", "account"), astra.url)
    rights = cluster.kubeconfig_for(SYSTEM, "astra-mirror")
    operator = run_operator(rights, *container["args"][1:], "--allowed-url", astra.url)
    try:
        shown = newcomer.types(mine + block("ids") + block("ref") + block("wait"))
    finally:
        operator.stop()
    assert f'"{app}"' in shown
    assert f'["nightly-0105", "{backup}", ' in shown
    assert shown.count("condition met") == 2
    assert "BackupCompleted" in shown.splitlines()[-1]
    _to_two_replicas_and_back(cluster, newcomer)
    newcomer.types(block("shards"))
    container = deployed(cluster, "statefulset")
    assert container["image"] == "registry.example/astra-mirror:0.1.0"
    assert container["args"] == ["run", "--leader-elect", OPTION]
    assert not cluster.kubectl("get", "deployments,leases", f"--namespace={SYSTEM}", "-o", "name")
    _uninstall(cluster, newcomer)


def _to_two_replicas_and_back(cluster: ControlPlane, newcomer: Newcomer) -> None:
    """What the text says: the budget is left, and the command in the text removes it."""
    budgets = ["get", "poddisruptionbudget", f"--namespace={SYSTEM}", "-o", "name"]
    for old, new in (("default", "ha"), ("ha", "default")):
        newcomer.types(f"sed -i.bak s,manifests/{old},manifests/{new}, my-cluster/kustomization.yaml")
        newcomer.types("kubectl apply -k my-cluster")
        assert cluster.kubectl(*budgets).strip() == "poddisruptionbudget.policy/astra-mirror"
    [command] = re.findall(r"\(`(kubectl .* delete poddisruptionbudget .*)`\)", README)
    newcomer.types(command)
    assert not cluster.kubectl(*budgets)


def _uninstall(cluster: ControlPlane, newcomer: Newcomer) -> None:
    """First without what users have made, which stays as it is and may be written; then with it."""
    before = cluster.kubectl("get", "abr", "--all-namespaces", "-o", "yaml")
    newcomer.types(block("keep"))
    assert cluster.kubectl("get", "abr", "--all-namespaces", "-o", "yaml") == before
    left = cluster.kubectl("get", "namespaces,clusterroles,clusterrolebindings", "-o", "name")
    assert sorted(re.findall(r"\S*astra-mirror\S*", left)) == [
        f"clusterrole.rbac.authorization.k8s.io/astra-mirror-{each}" for each in ("edit", "view")
    ]
    newcomer.types("kubectl apply -k my-cluster")
    newcomer.types("kubectl delete -k my-cluster")
    left = cluster.kubectl("get", "crds,namespaces,clusterroles,clusterrolebindings", "-o", "name")
    assert "astra-mirror" not in left


def test_the_option_allows_both_addresses_as_the_page_says() -> None:
    """Beside the address of one's own the default stands, which would be gone otherwise."""
    value = OPTION.removeprefix("--allowed-url=")
    assert Settings(allowed_url=value).allowed_url == [*Settings().allowed_url, "https://acc.example.com"]
    assert Settings(allowed_url="https://acc.example.com").allowed_url == ["https://acc.example.com"]


def test_the_overlay_has_six_lines() -> None:
    """Which name the image and an option."""
    overlay = block("install").partition("<<'END'\n")[2].partition("END\n")[0]
    assert len(overlay.splitlines()) == 6
    assert set(yaml.safe_load(overlay)) == {"resources", "images", "patches"}


def test_every_block_is_typed_in() -> None:
    """But for the one that needs a registry, each block of commands is marked, and so is run above."""
    blocks = re.findall(r"(?:<!-- tested: (\w+) -->\n)?```sh\n(.*?)```", README, re.DOTALL)
    assert [name for name, _ in blocks] == ["", "install", "shards", "keep", "helm", "account", "ids", "ref", "wait"]
    assert blocks[0][1].startswith("make image ")
    assert "\nimage: " in Path("Makefile").read_text()
    # A line that is pasted into an interactive zsh must not have a comment.
    assert not re.search(r"^[^'\n]*#", "".join(text for _, text in blocks), re.MULTILINE)


def test_links_to_a_heading_lead_to_one() -> None:
    """On the page that they name."""
    links = re.findall(r"\]\(([^)#]+)#([^)]+)\)", README)
    assert links
    for page, anchor in links:
        headings = re.findall(r"^#+ (.+)$", Path(page).read_text(), re.MULTILINE)
        assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def _columns() -> list[tuple[str, bool]]:
    [version] = CRD["spec"]["versions"]
    return [(each["name"], bool(each.get("priority"))) for each in version["additionalPrinterColumns"]]


def _table(text: str) -> list[str]:
    """What `kubectl get abr -o wide` printed, without what differs from run to run: ages, IDs, widths of columns."""
    lines = text.split("$ kubectl get abr -o wide\n", 1)[1].strip().splitlines()[:4]
    varies = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{4}…|\b(\d+[smhd])+\b"
    return [" ".join(re.sub(varies, "x", line).split()) for line in lines]


def test_the_demo_ends_as_the_page_shows() -> None:
    """The table at its end is the one on the page, column by column."""
    wanted = _table(README)
    wide = [name.upper() for name, _ in _columns()]
    assert wanted[0].split() == ["NAME", *(name.replace(" ", "-") for name in wide)]
    ended = subprocess.run([sys.executable, "-m", "dev.demo"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _table(ended.stdout) == wanted
    # The monitor's part comes after it, line by line.
    for line in re.findall(r"^    (\$ kubectl wait .* abm/.*)$", README, re.MULTILINE):
        assert line in ended.stdout
    assert ended.stdout.count("appbackupmonitor.astra-mirror.io/shop condition met") == 3


def test_every_reason_is_in_the_table() -> None:
    """Whatever READY's or SYNCED's reason may be but a good one, a reader finds what it means and what to do."""
    table = README.split("| you see |")[1].split("\n\n")[0]
    shown = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[1:])))
    reasons = {each["reason"] for status in ROWS.values() for each in status["conditions"]}
    reasons |= {*SyncReason, NOT_FOUND.reason, *(meaning_of(state).reason for state in (*DOCUMENTED_STATES, "other"))}
    conditions = [each["status"].get("conditions", []) for each in monitors().values()]
    reasons |= {each["reason"] for found in conditions for each in found}
    reasons |= {each.value for each in Trouble}
    assert shown == reasons - {
        "Observed",
        "BackupObserved",
        "BackupCompleted",
        "ListObserved",
        "ObjectivesMet",
        "RefsCurrent",
    }
