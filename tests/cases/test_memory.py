"""Memory that a tenant can make the operator hold is bounded, and waiting for room costs nobody else's time."""

import time
from itertools import pairwise

import trustme

from dev.hostile.held_lists import HeldLists
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.cases.support import Tenant, always, apply_all, reasons, ref_document, secret_document, within
from tests.e2e.user import User
from tests.operator_process import StartOperator


def test_a_bundle_that_is_edited_in_a_loop(tenant: Tenant, start_operator: StartOperator) -> None:
    """Row `one's own ca.crt edited 3 times a second`: TLS contexts are bounded. It was 0.85 MiB an edit for ever."""
    evil = tenant()
    with Simulator.start(tls=True) as astra:
        assert astra.ca_pem is not None
        content = {"url": astra.url, "token": astra.token}
        apply_all(evil, [secret_document({**content, "ca.crt": astra.ca_pem})])
        evil.ref("ref", astra.add_backup("stuck", seconds=0.001))
        operator = start_operator("--allowed-url", astra.url)
        evil.wait_reason("ref", "BackupInProgress")
        # What an edit needs in any case is there after some of them.
        edits = [astra.ca_pem + trustme.CA().cert_pem.bytes().decode() for _ in range(100)]
        for ca_crt in edits[:10]:
            apply_all(evil, [secret_document({**content, "ca.crt": ca_crt})])
            time.sleep(0.3)
        before = operator.memory()
        for ca_crt in edits[10:]:
            apply_all(evil, [secret_document({**content, "ca.crt": ca_crt})])
            time.sleep(0.2)
        grown = operator.memory() - before
        assert operator.is_running
        assert grown < 20
        # The last edit counts, as the first did.
        token = astra.add_token()
        astra.revoke(astra.token)
        apply_all(evil, [secret_document({**content, "token": token, "ca.crt": astra.ca_pem})])
        within(25, lambda: reasons(evil, "Synced")["ref"], lambda seen: seen == "Observed")
        astra.requests.clear()
        astra.requests.wait_for(3)


def test_lists_that_are_held(user: User, astra: Simulator, tenant: Tenant, start_operator: StartOperator) -> None:
    """Row `held-lists.py, 320 refs, 80 apps`: one bound for all bodies together; another tenant's polls are on time.

    It was 784 MiB. 64 MiB for lists, 8 for single backups, as much again for what parsing and the allocator take,
    and an idle process of 101 MiB stay under 300.
    """
    evil = tenant()
    user.secret_for(astra)
    user.ref("victim", astra.add_backup("stuck", seconds=0.001))
    with HeldLists() as lists:
        operator = start_operator("--allowed-url", lists.url)
        user.wait_reason("victim", "BackupInProgress")
        apply_all(evil, [secret_document({"url": lists.url, "token": "a-token-of-some-length"})])
        refs = [
            ref_document(f"r{number}", appID=uuid_of(f"app {number % 80}"), accountID=uuid_of(f"of {number % 8}"))
            for number in range(320)
        ]
        apply_all(evil, refs)
        within(60, lambda: lists.asked, lambda asked: asked >= 8)
        astra.requests.clear()
        always(35, lambda: operator.is_running, bool)
        peak = operator.memory("VmHWM")
        asked = [each.at for each in astra.requests.matching()]
    assert peak < 300
    late = sorted(after - before for before, after in pairwise(asked))
    assert late[len(late) * 9 // 10] < 2.2
    assert reasons(user, "Synced")["victim"] == "Observed"
