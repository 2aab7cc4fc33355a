"""What a failure says about the refs that the request was not made for."""

import pytest

from astra_mirror.core.fallback import AfterList, after_list, concerns_all
from astra_mirror.core.outcome import Failed, SyncReason

SHARED = {SyncReason.UNAUTHORIZED, SyncReason.RATE_LIMITED}
OF_THE_SERVER = {SyncReason.UNREACHABLE, SyncReason.SERVER_ERROR, SyncReason.URL_NOT_ALLOWED}
REASONS = sorted(set(SyncReason) - {SyncReason.OBSERVED})


@pytest.mark.parametrize("reason", REASONS)
def test_what_follows_a_list_that_failed(reason: SyncReason) -> None:
    """A refused token is everybody's; of a dead server one request finds out; anything else is the list's own."""
    expected = AfterList.ASK_APART
    if reason in SHARED:
        expected = AfterList.SHARE
    if reason in OF_THE_SERVER:
        expected = AfterList.ONE_AHEAD
    assert after_list(Failed(reason, "no")) is expected


@pytest.mark.parametrize("reason", REASONS)
def test_whom_a_single_failure_concerns(reason: SyncReason) -> None:
    """Those who wait behind it, unless it comes from the one backup that was asked for."""
    assert concerns_all(Failed(reason, "no")) is (reason in SHARED | OF_THE_SERVER)
