"""The cluster is found as kubectl finds it, and whoever asks is found out again when that is refused."""

import asyncio
import base64
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from astra_mirror.kubectl.connection import connect
from astra_mirror.kubectl.core.choice import Place
from astra_mirror.kubectl.errors import NoClusterError
from dev.controlplane import ControlPlane
from tests.e2e.user import User
from tests.kubectl.core.objects import COMPLETED, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_ref

PLUGIN = "client.authentication.k8s.io/v1"


def _kubeconfig(path: Path, name: str = "a", user: dict[str, Any] | None = None, **context: str) -> Path:
    content = {
        "current-context": name,
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, **context}},
            {"name": f"other-{name}", "context": {"cluster": name, "user": name, "namespace": "of-the-other"}},
        ],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example/"}}],
        "users": [{"name": name, "user": user or {"token": f"token-{name}"}}],
    }
    path.write_text(json.dumps(content))
    return path


async def _found(place: Place, **environment: str) -> tuple[str, str]:
    connection = await connect(place, environment)
    await connection.close()
    return connection.url, connection.namespace


async def test_where_a_kubeconfig_is_looked_for(tmp_path: Path) -> None:
    """What is named, else KUBECONFIG, else ~/.kube/config; of several files the first that sets the context."""
    one, two = _kubeconfig(tmp_path / "one"), _kubeconfig(tmp_path / "two", "b", namespace="shop")
    (tmp_path / ".kube").mkdir()
    _kubeconfig(tmp_path / ".kube" / "config", "home")
    home = {"HOME": str(tmp_path)}
    assert await _found(Place(), **home) == ("https://home.example", "default")
    assert await _found(Place(), KUBECONFIG=f"/nowhere{os.pathsep}{two}{os.pathsep}{one}", **home) == (
        "https://b.example",
        "shop",
    )
    assert await _found(Place(kubeconfig=str(one)), KUBECONFIG=str(two), **home) == ("https://a.example", "default")


async def test_which_context_and_namespace(tmp_path: Path) -> None:
    """What is typed, else what the context says, else default."""
    path = _kubeconfig(tmp_path / "config", namespace="shop")
    assert await _found(Place(), KUBECONFIG=str(path)) == ("https://a.example", "shop")
    assert await _found(Place(namespace="typed"), KUBECONFIG=str(path)) == ("https://a.example", "typed")
    other = Place(context="other-a")
    assert await _found(other, KUBECONFIG=str(path)) == ("https://a.example", "of-the-other")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(context="missing"), "has no context 'missing': see kubectl config get-contexts"),
        (Place(kubeconfig="/nowhere"), "--kubeconfig: there is no file /nowhere"),
    ],
)
async def test_what_is_not_there(place: Place, words: str, tmp_path: Path) -> None:
    """The error says what, and what to do."""
    with pytest.raises(NoClusterError, match=words):
        await connect(place, {"KUBECONFIG": str(_kubeconfig(tmp_path / "config"))})


async def test_a_kubeconfig_that_cannot_be_reached(tmp_path: Path) -> None:
    """It may name another cluster, so the next one is not used in its place."""
    path = _kubeconfig(tmp_path / "config")
    for place in (Place(), Place(kubeconfig=f"{path}/config")):
        with pytest.raises(NoClusterError, match="config/config cannot be read: Not a directory"):
            await connect(place, {"KUBECONFIG": f"{path}/config{os.pathsep}{path}"})


async def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    """Where this is no pod."""
    with pytest.raises(NoClusterError, match=r"no kubeconfig was found: set KUBECONFIG, or write ~/\.kube/config"):
        await connect(Place(), {"HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"token": "a\nb"}, "the token of the user 'a' in .* has a control character in it"),
        (
            {"client-certificate-data": "QQ==", "client-key-data": "QQ=="},
            "the certificates in the kubeconfig are of no",
        ),
        ({"exec": {"command": "/bin/false", "apiVersion": PLUGIN}}, "gave no credential for the user 'a' in"),
    ],
)
async def test_credentials_that_are_of_no_use(user: dict[str, Any], words: str, tmp_path: Path) -> None:
    """The error quotes no value."""
    path = _kubeconfig(tmp_path / "config", user=user)
    with pytest.raises(NoClusterError, match=words) as caught:
        await connect(Place(), {"KUBECONFIG": str(path)})
    assert caught.value.__context__ is None


def test_flags_after_the_name_of_the_plugin(plugin: Plugin, user: User) -> None:
    """Before the command and after it; kubectl itself accepts none before the plugin's name."""
    write_ref(user, "mine", COMPLETED | SYNCED)
    elsewhere = ("--kubeconfig", str(plugin.kubeconfig), "--context", "astra-mirror-dev", "-n", user.namespace)
    for arguments in (("wait", "mine", *elsewhere), (*elsewhere, "wait", "mine")):
        assert plugin.run(*arguments, KUBECONFIG="/nowhere").returncode == 0
    ended = plugin.run("list", "--context", "missing")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "has no context 'missing'" in ended.stderr
    assert "flags cannot be placed before plugin name" in plugin.shell("kubectl -n x abr list").stderr


def test_a_kubeconfig_from_a_process(plugin: Plugin, user: User) -> None:
    """It is read once, so a pipe will do, as for kubectl."""
    write_ref(user, "mine", COMPLETED | SYNCED)
    ended = plugin.shell("cat $KUBECONFIG | kubectl abr wait mine --kubeconfig /dev/stdin")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "succeeded: mine")


def test_a_token_from_a_credential_plugin_is_renewed(plugin: Plugin, user: User, tmp_path: Path) -> None:
    """It has expired: the credential plugin is asked again, and its errors are shown."""
    write_ref(user, "mine", COMPLETED | SYNCED)
    content = yaml.safe_load(plugin.kubeconfig.read_text())
    token = content["users"][0]["user"]["token"]
    script = f"""
echo run >> {tmp_path}/runs
echo please log in >&2
expires=2099-01-01T00:00:00Z
[ $(wc -l < {tmp_path}/runs) -gt 1 ] || expires=2020-01-01T00:00:00Z
status='{{"token": "{token}", "expirationTimestamp": "'$expires'"}}'
echo '{{"apiVersion": "{PLUGIN}", "kind": "ExecCredential", "status": '"$status"'}}'
"""
    content["users"][0]["user"] = {
        "exec": {"command": "/bin/sh", "args": ["-c", script], "apiVersion": PLUGIN, "interactiveMode": "IfAvailable"}
    }
    plugin.kubeconfig.write_text(yaml.safe_dump(content))
    ended = plugin.run("wait", "mine")
    assert ended.returncode == 0
    assert "please log in" in ended.stderr
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_credential_plugin_that_asks(plugin: Plugin, user: User) -> None:
    """On a terminal, somebody may have to type something; without one it is told that it must not ask."""
    write_ref(user, "mine", COMPLETED | SYNCED)
    content = yaml.safe_load(plugin.kubeconfig.read_text())
    token = content["users"][0]["user"]["token"]
    answer = f'{{"apiVersion": "{PLUGIN}", "kind": "ExecCredential", "status": {{"token": "{token}"}}}}'
    script = f"""
case $KUBERNETES_EXEC_INFO in *'"interactive": true'*) ;; *) echo cannot ask >&2; exit 1;; esac
printf 'code? ' >&2; read code; [ "$code" = 1234 ] && echo '{answer}'
"""
    content["users"][0]["user"] = {"exec": {"command": "/bin/sh", "args": ["-c", script], "apiVersion": PLUGIN}}
    plugin.kubeconfig.write_text(yaml.safe_dump(content))
    with plugin.terminal("wait", "mine") as terminal:
        terminal.wait_for("code? ")
        terminal.type("1234\n")
        assert terminal.end() == 0
    ended = plugin.run("wait", "mine")
    assert ended.returncode == 3
    assert "cannot ask" in ended.stderr


def test_a_client_certificate_stays_in_no_file(
    installed: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads files alone: there are some for that moment, and none afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    chain, key = installed.certificate_for("somebody")
    user = {
        f"client-{name}-data": base64.b64encode(path.read_bytes()).decode()
        for name, path in (("certificate", chain), ("key", key))
    }
    folder = tmp_path / "kubeconfig"
    folder.mkdir()
    asyncio.run(_found(Place(), KUBECONFIG=str(_kubeconfig(folder / "config", user=user))))
    assert [each.name for each in tmp_path.iterdir()] == ["kubeconfig"]
