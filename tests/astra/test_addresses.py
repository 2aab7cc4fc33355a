"""Which addresses the operator connects to, decided when a name is resolved."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from astra_mirror.astra.addresses import AddressRefusedError, FilteringResolver, is_refused
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Simulator


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "::1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
        "64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b:1::a9fe:a9fe", "::ffff:0:7f00:1", "::127.0.0.1", "fec0::1",
        "fd20:ce::254", "fd00:ec2::23",
    ],
)  # fmt: skip
def test_addresses_that_are_never_called(address: str) -> None:
    """Loopback, link-local and metadata addresses are refused, however they are embedded."""
    assert is_refused(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.1", "52.1.2.3", "2a00::1", "fd12::1"])
def test_addresses_that_may_be_called(address: str) -> None:
    """Private addresses are allowed, because a self-hosted Astra Control Center has one."""
    assert not is_refused(address)


class _Table(AbstractResolver):
    """A resolver with fixed addresses, so that no test depends on a network."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0}
            for each in self._addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_name_that_resolves_to_loopback_is_refused() -> None:
    """Refused addresses of a name are left out when it is resolved, except for a host that an entry names."""
    wildcard = [AllowedURL.parse("https://*.netapp.io")]
    with pytest.raises(AddressRefusedError, match="--allowed-url") as refused:
        await FilteringResolver(wildcard, _Table("127.0.0.1")).resolve("x.netapp.io")
    # What a name resolves to is nothing that a tenant should learn.
    assert "127.0.0.1" not in str(refused.value)
    mixed = await FilteringResolver(wildcard, _Table("127.0.0.1", "10.0.0.1")).resolve("x.netapp.io")
    assert [each["host"] for each in mixed] == ["10.0.0.1"]
    exact = [AllowedURL.parse("https://x.netapp.io")]
    assert await FilteringResolver(exact, _Table("127.0.0.1")).resolve("x.netapp.io")


async def test_a_refused_address_is_url_not_allowed() -> None:
    """A name with loopback addresses only is URLNotAllowed, and the message says what to do."""
    with Simulator.start() as astra:
        port = astra.url.rpartition(":")[2]
        clients = ClientPool([AllowedURL.parse(f"http://*.localhost:{port}")])
        connection = Connection(BaseURL.parse(f"http://x.localhost:{port}"), astra.token)
        backup = astra.add_backup()
        document = Document(backup.account, backup.app, backup.id)
        outcome = await AstraClient(clients, 5).get_backup(connection, document)
        await clients.close()
        assert isinstance(outcome, Failed)
        # Not every system's resolver knows names below localhost; none may lead to the server.
        assert outcome.reason in {SyncReason.URL_NOT_ALLOWED, SyncReason.UNREACHABLE}
        assert not astra.requests.matching()
