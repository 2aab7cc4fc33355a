"""What a failure says about the refs that the request was not made for."""

import pytest

from astra_mirror.core.list_fallback import (
    AfterList,
    AfterSingle,
    after_list,
    after_single,
    explains_list_failure,
    is_refusal,
)
from astra_mirror.core.outcome import Failed, SyncReason

OF_THE_SERVER = {SyncReason.UNREACHABLE, SyncReason.SERVER_ERROR, SyncReason.URL_NOT_ALLOWED}
REFUSED = {SyncReason.UNAUTHORIZED, SyncReason.FORBIDDEN, SyncReason.RATE_LIMITED}
CERTIFICATE = {SyncReason.TLS_VERIFICATION_FAILED}
_BEYOND_THE_APP = (REFUSED | OF_THE_SERVER | CERTIFICATE) - {SyncReason.FORBIDDEN}
REASONS = sorted(set(SyncReason) - {SyncReason.OBSERVED})


@pytest.mark.parametrize("reason", REASONS)
def test_what_follows_a_list_that_failed(reason: SyncReason) -> None:
    """One single request decides about a refused token, missing rights, a rate limit, a server that is away."""
    is_open = reason in REFUSED | OF_THE_SERVER | CERTIFICATE
    assert after_list(Failed(reason, "no")) is (AfterList.CANARY if is_open else AfterList.AVOID_LIST)


@pytest.mark.parametrize("reason", REASONS)
def test_whom_a_single_failure_concerns(reason: SyncReason) -> None:
    """Those who wait behind it share a failure of the server; what has a breaker, the breaker says to each of them."""
    is_shared = reason in OF_THE_SERVER | {SyncReason.RATE_LIMITED}
    assert after_single(Failed(reason, "no")) is (AfterSingle.SHARE if is_shared else AfterSingle.ASK_AGAIN)
    assert after_single(Failed(reason, "no", retry_after=5)) is AfterSingle.ASK_AGAIN


@pytest.mark.parametrize("reason", REASONS)
def test_when_a_single_failure_speaks_against_the_list_before_it(reason: SyncReason) -> None:
    """Unless it is one that the list would share."""
    assert explains_list_failure(Failed(reason, "no")) is (reason in _BEYOND_THE_APP)


@pytest.mark.parametrize("reason", REASONS)
def test_which_lists_are_left_alone_at_once(reason: SyncReason) -> None:
    """Those that are refused by a status code that would hold for all, or with a Retry-After."""
    assert is_refusal(Failed(reason, "no")) is (reason in REFUSED)
    assert is_refusal(Failed(reason, "no", retry_after=5))
