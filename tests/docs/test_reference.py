"""docs/reference.md and README.md are true: their tables are read and held against the code."""

import base64
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.astra import bodies, names
from astra_mirror.core import body_pools, contexts, loglines, secret_keys, secret_names
from astra_mirror.core.backup import DOCUMENTED_STATES, meaning_of
from astra_mirror.core.events import notes_of
from astra_mirror.core.outcome import SyncReason
from astra_mirror.core.secret_names import Quota
from astra_mirror.core.status import UNSEEN, Event, next_status
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from astra_mirror.engine.patcher import label_of
from astra_mirror.observability import metrics
from astra_mirror.observability.monitors import MonitorsCollector
from astra_mirror.settings import Settings
from tests.core.cases import COMPLETED, MISSING, NOW, RUNNING, backup, failed, spec
from tests.core.test_conditions import TABLE

OF_MONITORS = {
    "ObjectiveMissed": "Warning",
    "ObjectivesMet": "Normal",
    "AppNotFound": "Warning",
    "RefsForbidden": "Warning",
    "RefsRefused": "Warning",
}
"""Their transitions are in tests/core/monitor/test_events.py."""
STALE = failed(SyncReason.SERVER_ERROR)
REFERENCE = Path("docs/reference.md").read_text()


def _rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a line that starts with `heading`, without its head."""
    after = REFERENCE.split(f"\n{heading}", 1)[1]
    table = re.search(r"^\|(?:.*\|\n)+", after, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_spec_fields() -> None:
    """Each field is there, with its default."""
    rows = {row[0].strip("`"): row[1].strip("`") for row in _rows("## The resource")}
    fields = {field.alias or name: field for name, field in AppBackupRefSpec.model_fields.items()}
    assert {name.split(".")[0] for name in rows} == set(fields)
    for name, field in fields.items():
        if field.is_required():
            assert rows[name] == "required"
    assert rows["secretRef.name"] == "astra-control"
    assert (rows["suspend"], rows["readyWhen"]) == ("false", "Completed")


def test_conditions_table() -> None:
    """Each row of the page is a row that the status function was tested to give."""
    tested = {
        (ready, reason, succeeded, finished, activity) for _, ready, reason, succeeded, finished, activity in TABLE
    }
    for what, ready, reason, succeeded, finished, activity in _rows("### Conditions"):
        if succeeded == "as above":
            assert reason == "`BackupObserved`"
            continue
        assert (ready, reason.strip("`"), succeeded, finished, activity) in tested, what


def test_every_state_has_a_row() -> None:
    """And the row has the reason that the code gives."""
    rows = _rows("### Conditions")
    for state in DOCUMENTED_STATES:
        named = [row for row in rows if f"`{state}`" in row[0].split(",")[0] or f"`{state}`" in row[0]]
        assert named[0][2] == f"`{meaning_of(state).reason}`"


def test_sync_reasons() -> None:
    """Each reason of Synced is there, and whether it requires user action."""
    rows = {row[1].strip("`"): row for row in _rows("`Synced` says")}
    assert set(rows) == {*SyncReason, "NotObserved", "Suspended"}
    for reason in SyncReason:
        assert (rows[reason][3] == "yes") == reason.facts.requires_user_action


def test_options() -> None:
    """Each option is there with its default."""
    rows = {row[0].strip("`"): row[1].strip("`") for row in _rows("`astra-mirror run`, or")}
    fields = {f"--{name.replace('_', '-')}": field.default for name, field in Settings.model_fields.items()}
    assert set(rows) == set(fields)
    special = {
        "--namespace": "all",
        "--lease-namespace": "the pod's own, else astra-mirror-system",
    }
    for name, default in fields.items():
        shown = default[0] if isinstance(default, list) and default else "no" if default is False else default
        assert rows[name] == special.get(name, shown)


def test_metrics() -> None:
    """Each metric of ours is there, with its labels."""
    rows = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in _rows("## Metrics")}
    own = [
        metrics.ObjectsCollector("ref", "AppBackupRefs", lambda: ["running", None, "tenant's own"]),
        MonitorsCollector(list),
        metrics.EngineCollector(lambda: 0, dict, dict, lambda: (0, 0.0)),
        metrics.SecretsCollector(lambda: ["ok"]),
    ]
    families = [family for collector in own for family in collector.collect()]
    found = {}
    for family in [*REGISTRY.collect(), *families]:
        if family.name.startswith("astra_mirror"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    assert set(rows) == set(found)
    for name in ("observations_total", "status_patches_total", "poll_lateness_seconds"):
        assert "kind" in rows[f"astra_mirror_{name}"]
    assert found["astra_mirror_refs"] == rows["astra_mirror_refs"] == {"state"}
    states = {
        family.name: {sample.labels["state"] for sample in family.samples if "state" in sample.labels}
        for family in families
    }
    assert states["astra_mirror_refs"] == {"running", "none", "other"}
    assert states["astra_mirror_connections"] == {"closed", "open", "half_open", "paused"}
    assert states["astra_mirror_reachability"] == {"answering", "failing", "silent"}


def test_values_of_labels_that_are_ours() -> None:
    """Those of the writes and of the bounds are all on the page."""
    rows = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in _rows("## Metrics")}
    results = {label_of(each) for each in (Stored({}), Conflict(), Gone(), Refused(None, "", ""))}
    assert rows["astra_mirror_status_patches_total"] == results
    assert rows["astra_mirror_quota_refusals_total"] == {*(each.value for each in Quota), bodies.QUOTA, "events"}
    kinds = {sample.labels["kind"] for family in metrics.QUOTA_REFUSALS.collect() for sample in family.samples}
    assert kinds == rows["astra_mirror_quota_refusals_total"], "each series is there before its first refusal"


def test_events() -> None:
    """Each reason is there with its type, and no other."""
    rows = {row[0].strip("`"): row[1] for row in _rows("## Events")}
    away, gone = failed(SyncReason.UNREACHABLE), MISSING
    told: dict[str, str] = {}
    for outcomes in (
        (RUNNING, COMPLETED),
        (RUNNING, backup("failed")),
        (RUNNING, backup("removed")),
        (RUNNING, gone),
        (RUNNING, away, RUNNING),
        (RUNNING, STALE, RUNNING),
        (RUNNING, None, RUNNING),
    ):
        held = UNSEEN
        for outcome in outcomes:
            is_stale, is_suspended = outcome is STALE, outcome is None
            event = Event(1, spec(suspend=is_suspended), outcome, NOW, stale_after=900.0 if is_stale else None)
            after = next_status(held, event)
            told |= {note.reason: note.kind for note in notes_of(held, after)}
            held = after
    assert rows == told | OF_MONITORS


def test_sizes_of_a_secrets_keys() -> None:
    """Of each key as much is read as the table says, and not a byte more."""
    rows = {row[0].strip("`"): row[2] for row in _rows("## The Secret")}
    assert set(rows) == {"url", "token", secret_keys.CA, secret_keys.TOOLKIT}
    for key, shown in rows.items():
        size = int(shown.removesuffix(" KiB")) * 1024
        assert len(secret_keys.key_text({key: _base64(size)}, key)) == size
        with pytest.raises(secret_keys.UnusableError):
            secret_keys.key_text({key: _base64(size + 1)}, key)


def _base64(size: int) -> str:
    return base64.b64encode(b"a" * size).decode()


def test_what_one_namespace_may_use() -> None:
    """The bounds on the page are those that are enforced."""
    rows = {row[0]: (row[1], row[2]) for row in _rows("## What one namespace may use")}
    enforced = {
        "names of Secrets in use besides `astra-control`": (secret_names.MAX_NAMES, secret_names.MAX_WATCHES),
        "sets of TLS settings": (contexts.MAX_CONTEXTS_FOR_NAMESPACE, contexts.MAX_CONTEXTS),
        "unanswered look-ups of host names": (names.MAX_LOOKUPS_FOR_NAMESPACE, names.MAX_LOOKUPS),
    }
    for what, (one, total) in enforced.items():
        assert rows[what] == (str(one), str(total))
    lists, singles = re.findall(r"(\d+) MiB", rows["bodies in memory"][1])
    assert (int(lists) << 20, int(singles) << 20) == (body_pools.LIST_BYTES, body_pools.SINGLE_BYTES)
    assert rows["log lines"][0].startswith(f"{loglines.LINES} a minute")


def test_rights() -> None:
    """The first table is the RBAC in manifests/default, rule by rule."""
    rows = [(re.findall(r"`([^`]+)`", row[1]), row[2].split(", ")) for row in _rows("## Rights")]
    documents = yaml.safe_load_all(Path("manifests/default/rbac.yaml").read_text())
    rules = [rule for each in documents for rule in each.get("rules", [])]
    assert rows == [(rule["resources"], rule["verbs"]) for rule in rules]


def test_rights_of_users() -> None:
    """The second table is the two roles beside the CRD."""
    mark = "rbac.authorization.k8s.io/aggregate-to-"
    found = {}
    for role in yaml.safe_load_all(Path("crds/roles.yaml").read_text()):
        [rule] = role["rules"]
        assert rule["resources"] == ["appbackuprefs", "appbackupmonitors"]
        receivers = [key.removeprefix(mark) for key, on in role["metadata"]["labels"].items() if on == "true"]
        found[role["metadata"]["name"]] = (rule["verbs"], receivers)
    rows = {row[0].strip("`"): (row[1].split(", "), row[2].split(", ")) for row in _rows("What users may do")}
    assert rows == found


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/reference.md",
        "docs/architecture.md",
        "docs/recipes.md",
        "docs/performance.md",
        "docs/reliability.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    """Nothing points outside the project, and nothing at a file that is not there."""
    for target in re.findall(r"\]\(([^)#]+)\)", Path(page).read_text()):
        assert not target.startswith("http")
        assert (Path(page).parent / target).exists()


def test_the_readme_names_every_reason_that_a_person_must_act_on() -> None:
    """The troubleshooting table is complete."""
    text = Path("README.md").read_text()
    for reason in SyncReason:
        assert f"`{reason}`" in text or not reason.facts.requires_user_action


def test_make_help_lists_what_the_pages_name() -> None:
    """Each `make` command on the pages is a target."""
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", Path(page).read_text(), re.MULTILINE)) <= targets
