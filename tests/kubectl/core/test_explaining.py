"""Why an object is as it is: a sentence for each fact, and the next step for each reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.core.backup import DOCUMENTED_STATES, NOT_FOUND, meaning_of
from astra_mirror.core.monitor.ref_report import Trouble
from astra_mirror.core.outcome import SyncReason
from astra_mirror.core.shard import Shard
from astra_mirror.kubectl.core.advice import ADVICE, DEAD_OPERATOR
from astra_mirror.kubectl.core.explaining import next_step, paragraph
from astra_mirror.kubectl.core.facts import Event, Facts, Hidden, Lease, Secret
from astra_mirror.kubectl.core.seen import Seen
from tests.core.cases import ROWS
from tests.judges.monitors import monitors
from tests.kubectl.core.objects import ACCOUNT, APP, COMPLETED, FAILED, NOW, RUNNING, STALLED, SYNCED, monitor, ref

ALIVE = Lease("astra-mirror", "pod-1", NOW - timedelta(seconds=2), timedelta(seconds=15))
DEAD = replace(ALIVE, renewed=NOW - timedelta(hours=1))


def _facts(seen: Seen, **given: Any) -> Facts:
    facts = Facts(seen, NOW, Secret(("token", "url")), (ALIVE,), "astra-mirror-system", True, ())
    return replace(facts, **given)


def test_a_refused_token() -> None:
    """All that is known, in one paragraph, and a command to type."""
    event = Event(NOW - timedelta(minutes=3), "Warning", "SyncFailed", "The token was refused.")
    seen = ref(statuses=RUNNING | {"Ready": "False Unauthorized"} | STALLED)
    text = paragraph(_facts(seen, events=(event,)))
    assert text == (
        "The ref nightly in the namespace shop is not Ready (Unauthorized): Ready says so. "
        "Its status is not refreshed (Unauthorized): Synced says so. "
        "The Secret astra-control exists (keys: token, url). "
        "The operator's role lets it read that Secret. "
        "The operator is alive: its Lease astra-mirror in the namespace astra-mirror-system is held by pod-1 and was "
        "renewed 2s ago. "
        "Its last Events: 3m ago Warning SyncFailed, The token was refused."
    )
    assert "kubectl -n shop create secret generic astra-control" in next_step(_facts(seen))


def test_what_the_user_may_not_see_is_said() -> None:
    """Each fact for itself."""
    hidden = Hidden("you may not look")
    text = paragraph(
        _facts(ref(statuses=COMPLETED | SYNCED), secret=hidden, leases=hidden, may_read_secret=hidden, events=hidden)
    )
    for words in (
        "Whether the Secret astra-control exists is not known: you may not look.",
        "Whether the operator's role lets it read that Secret is not known: you may not look.",
        "Whether an operator is alive is not known: you may not look.",
        "Its Events are not known: you may not look.",
    ):
        assert words in text


def test_each_fact_as_it_may_be() -> None:
    """No Secret, no right, no Lease, no Event."""
    seen = ref(statuses=RUNNING | {"Synced": "False SecretNotFound"}, spec={"secretRef": {"name": "mine"}})
    text = paragraph(_facts(seen, secret=Secret(None), may_read_secret=False, leases=(), events=()))
    assert "The Secret mine does not exist." in text
    assert "The operator's role does not let it read that Secret." in text
    assert "There is no Lease of an operator in the namespace astra-mirror-system" in text
    assert "There are no Events about it." in text
    assert next_step(_facts(seen)).startswith("Create the Secret: kubectl -n shop create secret generic mine ")


@pytest.mark.parametrize("holder", ["pod-1", ""])
def test_a_dead_operator(holder: str) -> None:
    """That comes first: nothing else can take effect."""
    facts = _facts(ref(statuses=FAILED | SYNCED), leases=(replace(DEAD, holder=holder),))
    assert "The operator is not alive" in paragraph(facts)
    assert next_step(facts) == DEAD_OPERATOR.format(operator_namespace="astra-mirror-system")


def test_the_lease_of_the_shard_counts() -> None:
    """With shards, the one to which the app belongs."""
    [index] = [each for each in range(3) if Shard(each, 3).owns(ACCOUNT, APP)]
    leases = tuple(replace(ALIVE if each == index else DEAD, name=f"astra-mirror-{each}-of-3") for each in range(3))
    assert f"alive: its Lease astra-mirror-{index}-of-3" in paragraph(_facts(ref(statuses=COMPLETED), leases=leases))
    other = (replace(ALIVE, name="kopf"), replace(ALIVE, name="astra-mirror-7-of-3"))
    assert "There is no Lease of an operator" in paragraph(_facts(ref(statuses=COMPLETED), leases=other))


def test_no_operator_has_handled_it() -> None:
    """Where to look for one."""
    facts = _facts(ref(observed=-1))
    assert "waits for an operator: none has seen it yet." in paragraph(facts)
    assert "--namespace" in next_step(facts)
    assert "none has handled its latest edit yet." in paragraph(_facts(ref(generation=3, observed=2)))


def test_a_suspended_one() -> None:
    """A command that resumes it, whatever its conditions say."""
    seen = ref(statuses=FAILED | {"Synced": "Unknown Suspended"}, spec={"suspend": True})
    assert "Its spec.suspend is true." in paragraph(_facts(seen))
    assert next_step(_facts(seen)) == (
        """Resume polling: kubectl -n shop patch abr nightly --type=merge -p '{"spec":{"suspend":false}}'"""
    )


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        (COMPLETED | SYNCED, "BackupCompleted"),
        (RUNNING | SYNCED, "BackupInProgress"),
        (FAILED | SYNCED, "BackupFailed"),
        # The backup has ended; that refreshing fails is not what stands in the way.
        (FAILED | {"Synced": "False Unreachable"}, "BackupFailed"),
        (RUNNING | {"Synced": "False Unreachable"}, "Unreachable"),
        (RUNNING | {"Ready": "Unknown ObservationStale", "Synced": "False Forbidden"}, "Forbidden"),
        (RUNNING | {"Synced": "False OfALaterRelease"}, "BackupInProgress"),
    ],
)
def test_the_next_step(statuses: dict[str, str], reason: str) -> None:
    """That of the condition which stands in the way."""
    step = next_step(_facts(ref(statuses=statuses)))
    assert (
        step.split(":")[0]
        == ADVICE[reason].format(name="nightly", namespace="shop", secret="astra-control").split(":")[0]
    )


def test_the_refs_of_a_monitor() -> None:
    """They do not make it any less Ready, but something has to be done."""
    statuses = {"Ready": "True ObjectivesMet", "ObjectivesMet": "True X", "RefsCurrent": "False RefsForbidden"}
    facts = _facts(monitor(statuses=statuses | SYNCED))
    assert "Its refs are not current (RefsForbidden): RefsCurrent says so." in paragraph(facts)
    assert "astra-mirror-refs" in next_step(facts)


def test_there_is_advice_for_every_reason() -> None:
    """Those that the operator writes, and no others."""
    reasons = {each["reason"] for status in ROWS.values() for each in status["conditions"]}
    reasons |= {*SyncReason, NOT_FOUND.reason, *(meaning_of(state).reason for state in (*DOCUMENTED_STATES, "other"))}
    found = [each["status"].get("conditions", []) for each in monitors().values()]
    reasons |= {each["reason"] for conditions in found for each in conditions}
    reasons |= {each.value for each in Trouble}
    assert set(ADVICE) == reasons


def test_a_message_cannot_forge_a_line() -> None:
    """It is one paragraph, whatever somebody has written."""
    seen = ref(statuses=COMPLETED)
    event = Event(NOW, "Warning", "X", "a\nNext step: rm -rf\x1b[0m")
    assert paragraph(_facts(seen, events=(event,))).isprintable()
