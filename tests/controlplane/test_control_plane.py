"""The control plane is real, is found or built as documented, and never outlives its parent."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev.controlplane import ControlPlane, KubectlError, toolchain
from dev.gobuild import ToolchainError


def test_namespaces_end_and_service_accounts_appear(control_plane: ControlPlane, namespace: str) -> None:
    """The controller manager does its part."""
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={namespace}", "--timeout=30s")
    control_plane.kubectl("create", "namespace", f"{namespace}-gone")
    control_plane.kubectl("create", "configmap", "x", f"--namespace={namespace}-gone")
    control_plane.kubectl("delete", "namespace", f"{namespace}-gone", "--timeout=60s")


def test_rbac_is_enforced_and_writes_are_logged(control_plane: ControlPlane, namespace: str) -> None:
    """A service account without a role may nothing; the audit log has who wrote what."""
    kubeconfig = control_plane.kubeconfig_for(namespace, "default")
    with pytest.raises(KubectlError, match="forbidden"):
        control_plane.kubectl("get", "secrets", f"--namespace={namespace}", kubeconfig=kubeconfig)
    control_plane.kubectl("create", "configmap", "logged", f"--namespace={namespace}")
    writes = [each for each in control_plane.audit_events() if each["verb"] == "create"]
    assert any(
        each["objectRef"].get("name") == "logged" and each["user"]["username"] == "admin"
        for each in writes
        if "objectRef" in each
    )


def test_a_restart_of_the_api_server_keeps_the_data(control_plane: ControlPlane, namespace: str) -> None:
    """Same port, same objects."""
    control_plane.kubectl("create", "configmap", "kept", f"--namespace={namespace}")
    control_plane.stop_apiserver()
    try:
        with pytest.raises(KubectlError, match="refused"):
            control_plane.kubectl("get", "namespaces")
    finally:
        control_plane.start_apiserver()
    assert "kept" in control_plane.kubectl("get", "configmaps", f"--namespace={namespace}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", maxsplit=1)[1].split()[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_parent(number: signal.Signals) -> None:
    """However the parent ends, the servers end with it and the folder goes."""
    command = [sys.executable, "-m", "dev.controlplane", "up"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        exported = re.fullmatch(r"export KUBECONFIG=(\S+)\n", parent.stdout.readline())
        assert exported is not None
        folder = Path(exported[1]).parent
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 3
        parent.send_signal(number)
        parent.wait(30)
    for pid in children:
        # tail ends when the process does, and by the time-out at the latest.
        subprocess.run(["timeout", "20", "tail", f"--pid={pid}", "-f", "/dev/null"], check=True)
    assert not any(_alive(int(pid)) for pid in children)
    assert not folder.exists()


def _fake(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_kubebuilder_assets_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete folder is used as it is."""
    folder = _fake(tmp_path / "assets", *toolchain.BINARIES, "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    monkeypatch.delenv(toolchain.VARIABLE, raising=False)
    assert toolchain.binaries() == folder


def test_incomplete_assets_are_named_and_nothing_can_be_built_without_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing is said, and then what to install."""
    folder = _fake(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    monkeypatch.delenv(toolchain.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"no `go` on the PATH: install Go 1\.26"):
        toolchain.binaries()
    assert "lacks kube-controller-manager" in capsys.readouterr().err


def test_an_old_go_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the version that it has and the one that it should have."""
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.20.3\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ToolchainError, match=r"go1\.20\.3, too old"):
        toolchain.binaries()
