"""Whatever the bytes of a Secret are, they cost linear time and become SecretInvalid for that namespace alone."""

import re
from functools import partial
from typing import Final

import pytest

from dev.hostile import contents
from dev.simulator import Simulator
from tests.cases.support import (
    Tenant,
    apply_all,
    is_answered,
    ref_document,
    secret_document,
    synced,
    synced_within,
    within,
)
from tests.e2e.user import User
from tests.operator_process import StartOperator

_SECONDS: Final = 30.0


def _victim(user: User, astra: Simulator) -> None:
    user.secret_for(astra)
    user.ref("victim", astra.add_backup("stuck", seconds=0.001))


def _lease(user: User) -> str:
    """Who holds the Lease, and how often it changed hands."""
    path = "jsonpath={.spec.holderIdentity} {.spec.leaseTransitions}"
    return user.kubectl("get", "lease", "astra-mirror", "--namespace=astra-mirror-system", "-o", path)


def test_bytes_that_a_parser_stumbles_over(
    user: User, astra: Simulator, tenant: Tenant, start_operator: StartOperator
) -> None:
    """Row `yaml-escape.yaml`, and its kind: SecretInvalid for its namespace; nobody else notices; at a start too."""
    _victim(user, astra)
    all_contents = {**contents.UNREADABLE, **contents.TYPED}
    tenants = {name: tenant() for name in all_contents}
    for name, content in all_contents.items():
        apply_all(tenants[name], [secret_document(dict(content)), ref_document("ref")])
    for _ in range(2):
        operator = start_operator()
        user.wait_reason("victim", "BackupInProgress")
        for name, each in tenants.items():
            found = within(_SECONDS, partial(synced, each), is_answered)
            assert found == "SecretInvalid" or (found == "URLNotAllowed" and name in contents.TYPED), name
        assert operator.is_running
        assert "Traceback" not in operator.log
        assert operator.stop() == 0


def test_a_bad_secret_that_nobody_uses(
    user: User, astra: Simulator, tenant: Tenant, start_operator: StartOperator
) -> None:
    """Row `yaml-escape.yaml`: no ref is needed, and the Secret comes while the operator runs."""
    _victim(user, astra)
    operator = start_operator()
    user.wait_reason("victim", "BackupInProgress")
    for content in (*contents.UNREADABLE.values(), *contents.TYPED.values()):
        apply_all(tenant(), [secret_document(dict(content))])
    astra.requests.clear()
    astra.requests.wait_for(3)
    assert operator.is_running
    assert "Traceback" not in operator.log


@pytest.mark.parametrize(
    ("content", "bounds"),
    [
        pytest.param(contents.certificates(12_000), (3.0, True), id="pem-12000"),
        pytest.param(contents.certificates(9_000), (3.0, False), id="pem-9000"),
        pytest.param(contents.brackets(2_000), (0.5, False), id="brackets-2000"),
        pytest.param(contents.items(490_000), (3.0, True), id="list-490000"),
        pytest.param(contents.items(32_000), (1.5, False), id="list-32000"),
    ],
)
def test_bytes_that_cost_more_than_their_size(
    user: User,
    astra: Simulator,
    tenant: Tenant,
    start_operator: StartOperator,
    content: dict[str, str],
    bounds: tuple[float, bool],
) -> None:
    """Row `large-secret.py`: bounded and linear; SecretInvalid, with the size where that is the reason; no Lease lost.

    What is judged is CPU time, which other processes on the machine do not change: it was 19, 0.9 and 11 seconds.
    """
    cpu, names_the_size = bounds
    _victim(user, astra)
    operator = start_operator("--leader-elect")
    user.wait_reason("victim", "BackupInProgress")
    lease, before = _lease(user), operator.cpu()
    evil = tenant()
    apply_all(evil, [ref_document("ref"), secret_document(dict(content))])
    condition = synced_within(evil, "ref", "SecretInvalid", _SECONDS)
    used = operator.cpu() - before
    assert used < cpu
    if names_the_size:
        assert re.search(r"\b(KiB|MiB|bytes)\b", condition["message"])
    assert _lease(user) == lease
    assert operator.stop() == 0
    again = start_operator("--leader-elect")
    astra.requests.clear()
    astra.requests.wait_for(3)
    assert again.is_running
    assert "lost" not in again.log
    assert synced(evil) == "SecretInvalid"


def test_keys_that_nobody_reads_cost_and_break_nothing(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Row `large-secret.py`: other keys, and a config.yaml beside url and token, cost and break nothing."""
    content = {"url": astra.url, "token": astra.token, "other": "x" * 700_000, **contents.brackets(60_000)}
    apply_all(user, [secret_document(content)])
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait("ref", "Ready")


@pytest.mark.parametrize("length", [0, 1, 7])
def test_short_tokens_are_refused(user: User, astra: Simulator, start_operator: StartOperator, length: int) -> None:
    """Row `the token echoed`: tokens under 8 characters are refused, not cut out; no request is made with one."""
    user.secret(url=astra.url, token="t" * length)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator()
    synced_within(user, "ref", "SecretInvalid", _SECONDS)
    assert not astra.requests.matching()


def test_strange_urls(user: User, astra: Simulator, tenant: Tenant, start_operator: StartOperator) -> None:
    """Row `https://[::1%x.netapp.io]`...: URLNotAllowed or SecretInvalid each, without a traceback."""
    _victim(user, astra)
    tenants = {url: tenant() for url in contents.STRANGE_URLS}
    for url, each in tenants.items():
        content = {"url": url, "token": "a-token-of-some-length"}
        apply_all(each, [secret_document(content), ref_document("ref")])
    operator = start_operator("--allowed-url", "https://*.netapp.io")
    user.wait_reason("victim", "BackupInProgress")
    found = {url: within(_SECONDS, partial(synced, each), is_answered) for url, each in tenants.items()}
    assert {url: each for url, each in found.items() if each not in {"URLNotAllowed", "SecretInvalid"}} == {}
    assert "Traceback" not in operator.log


def test_what_is_allowed_is_not_told(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Row `https://[::1%x.netapp.io]`, beside it: a tenant does not learn the administrator's list, nor an address."""
    user.secret(url="https://elsewhere.example", token="a-token-of-some-length")
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator("--allowed-url", "https://*.hidden.example")
    message = synced_within(user, "ref", "URLNotAllowed", _SECONDS)["message"]
    assert "hidden.example" not in message
    assert "127.0.0.1" not in message
