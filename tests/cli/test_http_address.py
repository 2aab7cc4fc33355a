"""--http-address as the process serves it: on both families, on one address, and not at all."""

import socket
import urllib.request
from pathlib import Path

import pytest

from tests.operator_process import Operator, run_operator

_KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: some-token}}]
"""
"""Of an API server that is away, which ends nothing."""


def _operator(folder: Path, address: str) -> Operator:
    path = folder / "kubeconfig"
    path.write_text(_KUBECONFIG)
    return run_operator(path, "--http-address", address)


def _get(host: str, port: str) -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("address", [":0", "[::]:0"])
def test_both_families(address: str, tmp_path: Path) -> None:
    """One socket serves IPv4 and IPv6, by default as well as by the name of all IPv6 addresses."""
    operator = _operator(tmp_path, address)
    try:
        port = operator.wait_for_log(r"Serving HTTP on \[::\]:(\d+)")[1]
        assert _get("[::1]", port) == "ok\n"
        if address == ":0":
            assert _get("127.0.0.1", port) == "ok\n"
    finally:
        assert operator.stop() == 0


def test_an_address_in_use(tmp_path: Path) -> None:
    """Where neither family can be bound, the process ends, and says why."""
    with socket.create_server(("", 0)) as taken:
        operator = _operator(tmp_path, f":{taken.getsockname()[1]}")
        assert operator.wait() == 1
    assert "in use" in operator.log.splitlines()[-1]
