"""Specs that the API server has admitted: read, or said to be unreadable in words that help."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.shard import Shard
from astra_mirror.core.spec import read_spec
from tests.core.cases import ACCOUNT, APP, BACKUP
from tests.core.test_properties import json_values

GOOD: dict[str, Any] = {"accountID": ACCOUNT, "appID": APP, "backupID": BACKUP}


def test_a_good_spec_is_read() -> None:
    """With its defaults."""
    spec = read_spec(AppBackupRefSpec, GOOD)
    assert isinstance(spec, AppBackupRefSpec)
    assert spec.secret_ref.name == "astra-control"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (GOOD | {"interval": "soon"}, "spec.interval: 'soon' is not a duration"),
        (GOOD | {"interval": "25h"}, "spec.interval: must be from 1s to 24h"),
        (GOOD | {"backupID": "x"}, "spec.backupID: must be a UUID"),
        ({"accountID": ACCOUNT}, "spec.appID: Field required; spec.backupID: Field required"),
        (None, "spec: "),
        ({}, "spec.accountID"),
        (dict.fromkeys([*GOOD, "interval", "readyWhen"], 7), "and 1 more"),
    ],
)
def test_a_bad_one_names_the_fields(spec: Any, words: str) -> None:
    """As the user has written them."""
    failure = read_spec(AppBackupRefSpec, spec)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.INVALID_SPEC
    assert words in failure.message


@given(json_values | st.fixed_dictionaries(dict.fromkeys(GOOD, json_values), optional={"interval": st.text()}))
def test_any_json_is_a_spec_or_a_message(spec: Any) -> None:
    """And one shard of several says so."""
    found = read_spec(AppBackupRefSpec, spec)
    shards = [Shard(index, 3) for index in range(3)]
    if isinstance(found, Failed):
        assert sum(each.owns_unreadable(spec) for each in shards) == 1
    else:
        assert [each.owns_unreadable(spec) for each in shards] == [
            each.owns(found.account_id, found.app_id) for each in shards
        ]


def test_the_shard_that_looks_after_the_app_says_it() -> None:
    """Where both IDs can be read, in any case; else the first shard does."""
    shards = [Shard(index, 3) for index in range(3)]
    bad = GOOD | {"interval": "never", "accountID": ACCOUNT.upper()}
    assert [each.owns_unreadable(bad) for each in shards] == [each.owns(ACCOUNT, APP) for each in shards]
    assert [each.owns_unreadable(GOOD | {"appID": 7}) for each in shards] == [True, False, False]
    assert [each.owns_unreadable("x") for each in shards] == [True, False, False]
