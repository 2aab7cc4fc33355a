"""The sources of the cluster's credentials, and the messages about unusable ones."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astra_mirror import lifecycle
from astra_mirror.cluster.kubeconfig import ClusterConfigError, load_configuration
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.logs import NamespaceLimit
from astra_mirror.settings import Settings

_GOOD = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://cluster.example:6443"}}]
users: [{name: u, user: {token: secret}}]
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no current-context"),
        ("- a", "is not a kubeconfig"),
        ("clusters: 3", "is not a kubeconfig"),
        ("{a: " * 1500, "is not a kubeconfig"),
        ("a: [", "is not valid YAML at line 1, column 5"),
        ("contexts: []", "current-context"),
        (_GOOD.replace("current-context: c", "current-context: other"), "other"),
    ],
)
async def test_a_kubeconfig_of_no_use(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the file, and what is wrong with it."""
    path = tmp_path / "config"
    path.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ClusterConfigError) as caught:
        await load_configuration()
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


async def test_no_credentials_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what is missing: the file in KUBECONFIG, or every source."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterConfigError, match=r"KUBECONFIG is .*nowhere, which does not exist"):
        await load_configuration()
    monkeypatch.setenv("KUBECONFIG", "")
    with pytest.raises(ClusterConfigError, match=r"there is no ~/\.kube/config, and this is not a pod"):
        await load_configuration()


async def test_as_kubectl_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several files those that exist are used; without KUBECONFIG, or with an empty one, the default file."""
    (tmp_path / ".kube").mkdir()
    usual = tmp_path / ".kube" / "config"
    usual.write_text(_GOOD)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", f"{tmp_path / 'nowhere'}:{usual}"):
        monkeypatch.setenv("KUBECONFIG", value)
        assert (await load_configuration()).host == "https://cluster.example:6443"


async def test_failures_that_nobody_handles_are_reported_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those while the credentials are loaded: asyncio's own report would quote a request."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterConfigError):
        await lifecycle.run(Settings(), NamespaceLimit(time.monotonic), HiddenValues())
    assert asyncio.get_running_loop().get_exception_handler() is not None


_FAILING = """
from astra_mirror import cli, lifecycle

async def run(settings, limit, hidden):
    hidden.hide(["a-token-of-the-operator"])
    raise ERROR("a-token-of-the-operator was refused")

lifecycle.run = run
cli.main(["run", "--log-format", "FORMAT"])
"""


def _failing(error: str, log_format: str) -> str:
    environment = {**os.environ, "PYTHONPATH": "operator"}
    program = [sys.executable, "-c", _FAILING.replace("ERROR", error).replace("FORMAT", log_format)]
    ended = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "a-token" not in ended.stderr
    assert "was refused" in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(("error", "start"), [("OSError", "astra-mirror: "), ("RuntimeError", "Traceback")])
def test_an_error_that_ends_the_process(error: str, start: str) -> None:
    """It is printed without the operator's credentials, whether it was foreseen or not."""
    assert _failing(error, "text").startswith(start)


@pytest.mark.parametrize(("error", "level"), [("OSError", "ERROR"), ("RuntimeError", "CRITICAL")])
def test_an_error_that_ends_the_process_in_json(error: str, level: str) -> None:
    """It is one line of JSON; the traceback of one that was not foreseen is a field of it."""
    [line] = map(json.loads, _failing(error, "json").splitlines())
    assert line["level"] == level
    assert ("Traceback" in line.get("exc_info", "")) == (error == "RuntimeError")
