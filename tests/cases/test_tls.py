"""Certificates: which ones of a `ca.crt` are anchors, and what people are told when none is."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.cases.support import apply_all, raw_status, secret_document, within
from tests.e2e.user import User
from tests.operator_process import StartOperator


class _Chain:
    """A root, an authority that issues certificates, and a server's certificate, as a company's own often are."""

    def __init__(self, folder: Path) -> None:
        self.root = trustme.CA()
        self.issuer = self.root.create_child_ca()
        server = self.issuer.issue_cert("127.0.0.1")
        self.leaf = server.cert_chain_pems[0].bytes().decode()
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.chain.write_bytes(b"".join(each.bytes() for each in server.cert_chain_pems))
        server.private_key_pem.write_to_path(self.key)

    def pem(self, which: str) -> str:
        """The root's, the issuer's or the server's own certificate, or several of them."""
        of = {
            "root": self.root.cert_pem.bytes().decode(),
            "issuer": self.issuer.cert_pem.bytes().decode(),
            "server": self.leaf,
            "stranger": trustme.CA().cert_pem.bytes().decode(),
        }
        return "".join(of[each] for each in which.split("+"))


@pytest.fixture
def chain(tmp_path: Path) -> _Chain:
    """Certificates."""
    return _Chain(tmp_path)


@pytest.fixture
def tls(astra: Simulator, chain: _Chain) -> Iterator[FaultProxy]:
    """The simulator behind TLS with that chain."""
    with FaultProxy(astra.url, certificate=chain.chain, key=chain.key) as proxy:
        yield proxy


@pytest.mark.parametrize("which", ["root", "issuer", "server", "stranger+server", "stranger+issuer"])
def test_an_anchor_of_each_kind(
    user: User, astra: Simulator, chain: _Chain, tls: FaultProxy, start_operator: StartOperator, which: str
) -> None:
    """Row `ca.crt with the issuing CA alone, or the server's own certificate`: taken, as curl and kubectl take it."""
    user.secret(url=tls.url, token=astra.token, ca_crt=chain.pem(which))
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator("--allowed-url", tls.url)
    user.wait("ref", "Ready")


def test_an_event_for_each_new_cause(
    user: User, astra: Simulator, chain: _Chain, tls: FaultProxy, start_operator: StartOperator
) -> None:
    """Row `DNS, then no CA, then a wrong CA`: an Event for each new reason, or new words after the Secret changed."""
    user.ref("ref", astra.add_backup("completes", seconds=0))
    unknown = "https://no-such-host.invalid"
    steps = [
        ("Unreachable", {"url": unknown, "token": astra.token}),
        ("TLSVerificationFailed", {"url": tls.url, "token": astra.token}),
        ("TLSVerificationFailed", {"url": tls.url.replace("127.0.0.1", "localhost"), "token": astra.token}),
    ]
    steps[2][1]["ca.crt"] = chain.pem("root")
    options = [each for url in {unknown, *(content["url"] for _, content in steps)} for each in ("--allowed-url", url)]
    messages: list[str] = []
    for number, (wanted, content) in enumerate(steps):
        apply_all(user, [secret_document(content)])
        if number == 0:
            start_operator(*options)
        message = _new_message(user, wanted, messages)
        messages.append(message)
        within(10, partial(_notes, user), partial(_has, message))


def _new_message(user: User, wanted: str, known: list[str]) -> str:
    """Synced's message, once its reason is `wanted` and it is none of those that are known."""

    def look() -> tuple[str, str]:
        synced = [each for each in raw_status(user, "ref").get("conditions", ()) if each["type"] == "Synced"]
        return (synced[0]["reason"], synced[0]["message"]) if synced else ("", "")

    return within(25, look, lambda seen: seen[0] == wanted and seen[1] not in known)[1]


def _has(message: str, notes: str) -> bool:
    return message in notes


def _notes(user: User) -> str:
    found = json.loads(user.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
    return "\n".join(each["note"] for each in found)
