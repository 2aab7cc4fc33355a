"""A signal ends the operator, also while it waits for something at its start."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operator_process import run_operator

_KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}}}]
"""


def _until(holds: Callable[[], bool]) -> None:
    pause, end = threading.Event(), time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        pause.wait(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_plugin_that_hangs(number: signal.Signals, tmp_path: Path) -> None:
    """The operator ends at once with 0, and the plugin with it: Kubernetes would kill both after half a minute."""
    plugin, pid = tmp_path / "plugin", tmp_path / "pid"
    plugin.write_text(f"#!/bin/sh\necho $$ > {pid}\nsleep 600\n")
    plugin.chmod(0o755)
    (tmp_path / "kubeconfig").write_text(_KUBECONFIG)
    operator = run_operator(tmp_path / "kubeconfig")
    _until(lambda: pid.exists() and bool(pid.read_text()))
    begun = time.monotonic()
    assert operator.stop(number) == 0
    assert time.monotonic() - begun < 5
    _until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    assert operator.log.endswith("Stopped by a signal\n")
