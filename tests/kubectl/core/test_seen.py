"""What is read of an object: only what is known and usable, whoever has written it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api import app_backup_monitor, app_backup_ref, meta
from astra_mirror.kubectl.core import names
from astra_mirror.kubectl.core.ages import moment_of
from astra_mirror.kubectl.core.names import Key, Kind, check_namespace, parse_name
from astra_mirror.kubectl.core.rows import line_of, row_of
from astra_mirror.kubectl.core.seen import read
from astra_mirror.kubectl.core.verdicts import judge
from tests.kubectl.core.objects import COMPLETED, NOW, manifest, ref

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = ("metadata", "spec", "status", "conditions", "progress", "backups", "generation", "observedGeneration")


def test_fields_that_are_not_known_are_ignored() -> None:
    """A later operator writes more, and other conditions."""
    plain = manifest(statuses=COMPLETED)
    more = manifest(statuses=COMPLETED | {"Verified": "True Checked"}, checksum={"sha256": "…"})
    more["spec"]["priority"] = 7
    more["status"]["conditions"][0]["severity"] = "Info"
    assert judge(read(Kind.REF, more), NOW) == judge(read(Kind.REF, plain), NOW)
    assert row_of(read(Kind.REF, more), NOW) == row_of(read(Kind.REF, plain), NOW)


def test_what_is_read() -> None:
    """The parts that are shown or decide."""
    seen = ref(
        statuses=COMPLETED,
        state="running",
        progress={"percentDone": 42, "bytesPerSecond": 100, "estimatedCompletionTime": "2026-11-27T12:01:00Z"},
        metadata={"annotations": {"astra-mirror.io/requestedAt": "x"}, "creationTimestamp": "2026-11-27T11:00:00Z"},
        lastHandledReconcileAt="y",
    )
    assert (seen.state, seen.progress.percent, seen.progress.rate) == ("running", 42, 100)
    assert seen.progress.ends == datetime(2026, 11, 27, 12, 1, tzinfo=UTC)
    assert (seen.requested_at, seen.handled_at, seen.secret_name) == ("x", "y", "astra-control")
    assert seen.created == datetime(2026, 11, 27, 11, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [None, True, "7", -2, 101, 7.5, [], {}])
def test_a_value_of_the_wrong_kind_counts_as_absent(wrong: Any) -> None:
    """A percentage that is none, for example."""
    assert ref(progress={"percentDone": wrong}).progress.percent is None
    assert ref(observedGeneration="7").observed_generation == -1


@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON | st.dictionaries(st.sampled_from(_FIELDS), _JSON)) | _JSON)
def test_any_json_is_read(value: Any) -> None:
    """And judged, and shown."""
    for kind in Kind:
        seen = read(kind, value)
        judge(seen, NOW)
        assert line_of(row_of(seen, NOW), with_namespace=True).isprintable()


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", 7, None, "0001-01-01T00:00:00+23:00"])
def test_a_time_that_is_none(text: Any) -> None:
    """It counts as absent."""
    assert moment_of(text) is None


def test_names() -> None:
    """NAME is a ref, abm/NAME a monitor; kubectl's other words for the kinds are understood as well."""
    assert parse_name("nightly", "shop") == Key(Kind.REF, "shop", "nightly")
    assert parse_name("abm/shop", "x") == Key(Kind.MONITOR, "x", "shop")
    for word in ("abr", "appbackupref", "appbackuprefs", "AppBackupRef", "appbackuprefs.astra-mirror.io"):
        assert parse_name(f"{word}/a.b", "x") == Key(Kind.REF, "x", "a.b")
    assert [str(parse_name(each, "x")) for each in ("abr/a", "appbackupmonitor/b")] == ["a", "abm/b"]
    assert parse_name("a", "x").shown(with_namespace=True) == "a (x)"


@pytest.mark.parametrize("text", ["", "pod/a", "abm/", "/a", "A", "a/b/c", "a?b", "..", "-a", "ä", "x" * 254])
def test_a_name_that_is_none(text: str) -> None:
    """It is no part of a URL."""
    with pytest.raises(ValueError, match="NAME is an AppBackupRef, abm/NAME an AppBackupMonitor"):
        parse_name(text, "shop")


@pytest.mark.parametrize("text", ["", "A", "a.b", "a/b", "x" * 64])
def test_a_namespace_that_is_none(text: str) -> None:
    """The same."""
    assert check_namespace("shop-1") == "shop-1"
    with pytest.raises(ValueError, match="is no name of a namespace"):
        check_namespace(text)


def test_the_names_are_those_of_the_api() -> None:
    """They stand twice, because the package `api` imports pydantic, which takes longer than all of the plugin."""
    assert names.GROUP == meta.GROUP
    assert f"{meta.GROUP}/{meta.VERSION}" == names.API_VERSION
    assert names.REQUESTED_AT == meta.REQUESTED_AT
    assert names.MONITOR_LABEL == app_backup_monitor.MONITOR_LABEL
    assert ref(spec={}).secret_name == meta.DEFAULT_SECRET
    for kind, own in ((Kind.REF, app_backup_ref.NAMES), (Kind.MONITOR, app_backup_monitor.NAMES)):
        assert (kind.api_name, kind.value) == (own.kind, own.plural)
