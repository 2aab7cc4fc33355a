"""Credential plugins are run as kubectl runs them, and none of them outlives its time."""

import asyncio
import base64
import json
import logging
import os
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any, Final

import pytest

from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.observability.hidden_values import HiddenValues

_VERSION: Final = "client.authentication.k8s.io/v1"


def _answer(**status: Any) -> str:
    return json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status})


def _kubeconfig(folder: Path, script: str, command: str = "plugin", **user: Any) -> Path:
    """A kubeconfig in a folder, with a plugin in bin/ beside it."""
    plugin = folder / "bin" / "plugin"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o700)
    fields = {"apiVersion": _VERSION, "command": command} | user.pop("exec", {})
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": {"server": "https://kube.example"}}],
                "users": [{"name": "a", "user": {"exec": fields} | user}],
            }
        )
    )
    return path


async def _loaded(path: Path, seconds: float = 20.0) -> ClusterConfig:
    return await load_configuration({"KUBECONFIG": str(path)}, plugin_seconds=seconds)


@pytest.mark.parametrize("command", ["./bin/plugin", "bin/plugin", "../here/bin/plugin"])
async def test_a_command_is_relative_to_its_own_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it has a separator; the current directory does not matter."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir("/")
    path = _kubeconfig(tmp_path / "here", f"echo '{_answer(token='t')}'", command)
    assert (await _loaded(path)).authorization == "Bearer t"


async def test_a_command_without_a_separator_is_looked_up_in_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not in the kubeconfig's folder; it is given its arguments, its variables and what kubectl tells a plugin."""
    script = f"""
[ "$1:$SOME" = "one:value" ] || exit 1
case $KUBERNETES_EXEC_INFO in *ExecCredential*) echo '{_answer(token="t")}'; esac
"""
    more = {"args": ["one"], "env": [{"name": "SOME", "value": "value"}]}
    path = _kubeconfig(tmp_path, script, exec=more)
    with pytest.raises(ClusterConfigError, match="is no program that is installed"):
        await _loaded(path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert (await _loaded(path)).authorization == "Bearer t"


async def test_a_plugin_that_writes_many_errors(tmp_path: Path) -> None:
    """They fill no pipe on which the plugin would wait."""
    script = f"head -c 400000 /dev/zero >&2\necho '{_answer(token='t')}'"
    assert (await _loaded(_kubeconfig(tmp_path, script, "bin/plugin"))).authorization == "Bearer t"


async def _ends(process: int) -> bool:
    """Whether a process ends within some seconds."""
    for _ in range(100):
        if not _is_alive(process):
            return True
        await asyncio.sleep(0.05)
    return False


def _is_alive(process: int) -> bool:
    """A zombie has only not been waited for yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _text(path: Path) -> str:
    """The content of a file; empty for none."""
    return path.read_text() if path.exists() else ""


async def _is_written(path: Path) -> None:
    for _ in range(1000):
        if _text(path):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"nobody has written {path}")


async def test_a_plugin_without_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is a renewal that has failed: one log line, no process that stays behind, and another attempt later."""
    script = f"echo $$ > {tmp_path}/pids; sleep 600 & echo $! >> {tmp_path}/pids; wait"
    path = _kubeconfig(tmp_path, script, "bin/plugin")
    first = ClusterConfig("https://kube.example", "Bearer old", None, False, None, None, None, True, None, None)
    credentials = Credentials(first, partial(_loaded, path, 1.0), lambda _: None, HiddenValues())
    with caplog.at_level(logging.WARNING):
        assert not await credentials._renew(first)
    [line] = [each.getMessage() for each in caplog.records]
    assert "bin/plugin' has not ended within 1 seconds for the user 'a' in" in line
    plugin, child = map(int, (tmp_path / "pids").read_text().split())
    assert await _ends(plugin)
    assert await _ends(child)
    _kubeconfig(tmp_path, f"echo '{_answer(token='new')}'", "bin/plugin")
    await asyncio.sleep(1.0)
    assert await credentials._renew(first)
    assert credentials._config.authorization == "Bearer new"


@pytest.mark.parametrize("script", ["yes", "trap '' PIPE; while :; do yes | head -c 100000; done"])
async def test_a_plugin_whose_output_has_no_end(script: str, tmp_path: Path) -> None:
    """It is killed long before its time is over, and its output takes no memory."""
    path = _kubeconfig(tmp_path, f"echo $$ > {tmp_path}/pid; {script}", "bin/plugin")
    before = getrusage(RUSAGE_SELF).ru_maxrss
    with pytest.raises(ClusterConfigError, match=r"bin/plugin' wrote more than 1 MiB to its standard output for the"):
        await _loaded(path)
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert await _ends(int((tmp_path / "pid").read_text()))


async def test_a_large_answer(tmp_path: Path) -> None:
    """Up to a mebibyte it is read, and nothing is lost of it; one byte more is too much."""
    (tmp_path / "answer").write_text(_answer(token="t").ljust(2**20))
    path = _kubeconfig(tmp_path, f"cat {tmp_path}/answer", "bin/plugin")
    assert (await _loaded(path)).authorization == "Bearer t"
    (tmp_path / "answer").write_text(_answer(token="t").ljust(2**20 + 1))
    with pytest.raises(ClusterConfigError, match=r"bin/plugin' wrote more than 1 MiB"):
        await _loaded(path)


async def test_a_plugin_whose_child_keeps_its_output_open(tmp_path: Path) -> None:
    """A program in another process group is left alone, but nobody waits for it."""
    path = _kubeconfig(tmp_path, f"setsid sleep 30 & echo $! > {tmp_path}/pid", "bin/plugin")
    before = time.monotonic()
    with pytest.raises(ClusterConfigError, match="has not ended within"):
        await _loaded(path, 1.0)
    assert time.monotonic() - before < 10
    os.kill(int((tmp_path / "pid").read_text()), 9)


async def test_an_end_while_the_plugin_runs(tmp_path: Path) -> None:
    """The operator's end ends the plugin too."""
    script = f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 600"
    path = _kubeconfig(tmp_path, script, "bin/plugin")
    loading = asyncio.create_task(_loaded(path))
    await _is_written(tmp_path / "pid")
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert await _ends(int((tmp_path / "pid").read_text()))


async def test_a_client_certificate(tmp_path: Path) -> None:
    """A plugin may give one, alone or with a token; both or none of certificate and key."""
    pair = {"clientCertificateData": "a certificate", "clientKeyData": "a key"}
    for status, authorization in ((pair, None), (pair | {"token": "t"}, "Bearer t")):
        found = await _loaded(_kubeconfig(tmp_path, f"echo '{_answer(**status)}'", "bin/plugin"))
        assert found.authorization == authorization
        assert (found.cert_data, found.key_data) == (b"a certificate", b"a key")
    for name, value in pair.items():
        path = _kubeconfig(tmp_path, f"echo '{_answer(**{name: value}, token='t')}'", "bin/plugin")
        with pytest.raises(ClusterConfigError, match="gave no credential"):
            await _loaded(path)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "{}",
        _answer(),
        _answer(token=7),
        _answer(token="t").replace("/v1", "/v2"),
        _answer(token="t", expirationTimestamp="soon"),
        _answer(token="t", expirationTimestamp=7),
        _answer(token="t", expirationTimestamp="2030-01-01T00:00:00+24:00"),
        _answer(token="t", expirationTimestamp="2030-01-01T00:00:00-99:99"),
        _answer(token="t", expirationTimestamp="0001-01-01T00:00:00+23:00"),
        _answer(token="t", expirationTimestamp="9999-12-31T23:59:59-23:00"),
        json.dumps({"apiVersion": _VERSION, "status": "t"}),
        "[" * 100_000,
    ],
)
async def test_an_answer_without_a_credential(answer: str, tmp_path: Path) -> None:
    """The operator does not go on without an identity."""
    (tmp_path / "answer").write_text(answer)
    path = _kubeconfig(tmp_path, f"cat {tmp_path}/answer", "bin/plugin")
    with pytest.raises(ClusterConfigError, match=r"bin/plugin' gave no credential for the user 'a' in .*: run it to"):
        await _loaded(path)


@pytest.mark.parametrize("written", ["09:00:00-05:30", "23:30:00+09:00", "14:30:00Z", "14:30:00"])
async def test_an_end_in_another_time_zone(written: str, tmp_path: Path) -> None:
    """It is known in UTC, so that no time zone can make a comparison fail later."""
    answer = _answer(token="t", expirationTimestamp=f"2030-01-01T{written}")
    found = await _loaded(_kubeconfig(tmp_path, f"echo '{answer}'", "bin/plugin"))
    assert found.expires_at is not None
    assert found.expires_at.tzinfo is UTC
    assert found.expires_at == datetime(2030, 1, 1, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize("given", [{"token": "of-the-user"}, {"username": "me", "password": "p"}])
async def test_a_user_with_other_credentials(given: dict[str, str], tmp_path: Path) -> None:
    """As in client-go: they are used, and the plugin is not run."""
    path = _kubeconfig(tmp_path, f"touch {tmp_path}/run", "bin/plugin", **given)
    basic = f"Basic {base64.b64encode(b'me:p').decode()}"
    assert (await _loaded(path)).authorization in {"Bearer of-the-user", basic}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "more",
    [
        {"args": "one"},
        {"args": [1]},
        {"env": {"SOME": "value"}},
        {"env": ["SOME"]},
        {"env": [{"name": "A", "value": 1}]},
    ],
)
async def test_arguments_of_the_wrong_kind(more: dict[str, Any], tmp_path: Path) -> None:
    """The error says what they must be."""
    with pytest.raises(ClusterConfigError, match=r"env of the credential plugin of the user 'a' in .* must"):
        await _loaded(_kubeconfig(tmp_path, "", exec=more))
