"""The API server takes each status that the operator may come to, as it is: other ones in each run."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dev.controlplane import ControlPlane
from tests.core.cases import ACCOUNT
from tests.fuzz import schema
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.statuses import Step, steps
from tests.fuzz.test_status import status_after

# To find a smaller one would take a kubectl for each attempt.
_MANY: Final = settings(IN_SECONDS, max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
_EACH: Final = 20
"""Statuses that one kubectl brings to the API server."""


@pytest.fixture(scope="session")
def namespace(installed: ControlPlane) -> str:
    """One with as many refs as statuses are tried at once."""
    spec = dict.fromkeys(("accountID", "appID", "backupID"), ACCOUNT)
    installed.kubectl("create", "namespace", "test-statuses")
    refs = [_document(number, {"spec": spec}) for number in range(_EACH)]
    installed.kubectl("create", "--namespace=test-statuses", "-f", "-", stdin="\n".join(map(json.dumps, refs)))
    return "test-statuses"


def _document(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef", "metadata": {"name": f"ref-{number}"}, **fields}


@_MANY
@given(st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=_EACH))
def test_every_status_is_stored_as_it_is(installed: ControlPlane, namespace: str, histories: list[list[Step]]) -> None:
    """None is refused, and nothing of one is pruned, cut or filled in."""
    statuses = [status_after(history) for history in histories]
    spec = dict.fromkeys(("accountID", "appID", "backupID"), ACCOUNT)
    documents = [_document(number, {"spec": spec, "status": status}) for number, status in enumerate(statuses)]
    arguments = ("replace", "--subresource=status", "--output=json", f"--namespace={namespace}", "-f", "-")
    printed = installed.kubectl(*arguments, stdin="\n".join(map(json.dumps, documents)))
    assert [each["status"] for each in _documents(printed)] == statuses


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON documents in a text, one after the other."""
    decoder, end = json.JSONDecoder(), 0
    while end < len(text):
        found, end = decoder.raw_decode(text, end)
        yield found
        end += len(text[end:]) - len(text[end:].lstrip())


def test_the_schema_of_the_fuzzing_refuses_what_the_api_server_refuses() -> None:
    """It is a reading of the CRD of its own, and must be as strict."""
    good = status_after([])
    for bad in (
        {"state": 7},
        {"state": "x" * 257},
        {"stateUnready": ["x"] * 33},
        {"progress": {"percentDone": 101}},
        {"progress": {"bytesDone": -1}},
        {"progress": {"estimatedCompletionTime": "soon"}},
        {"unknown": 1},
        {"conditions": good["conditions"] * 2},
        {"conditions": [{**good["conditions"][0], "reason": "no reason"}]},
        {"target": {"accountID": ACCOUNT}},
    ):
        with pytest.raises((AssertionError, ValueError)):
            schema.check({**good, **bad}, schema.STATUS)
    schema.check(good, schema.STATUS)
