"""The plugin, and a fault proxy between it and the API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from tests.kubectl.plugin import Plugin


@pytest.fixture
def plugin(installed: ControlPlane, namespace: str, tmp_path: Path) -> Plugin:
    """The plugin of an administrator who has chosen the test's namespace."""
    return Plugin(installed, installed.kubeconfig, namespace, tmp_path)


@pytest.fixture
def proxy(installed: ControlPlane) -> Iterator[FaultProxy]:
    """A fault proxy before the API server."""
    certificate, key = installed.certificate_for("127.0.0.1")
    with FaultProxy(installed.url, authority=installed.authority_pem, certificate=certificate, key=key) as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(installed: ControlPlane, proxy: FaultProxy, namespace: str, tmp_path: Path) -> Iterator[Plugin]:
    """The plugin of somebody who may edit the test's namespace, which reaches the API server by the fault proxy."""
    account = "somebody"
    where = f"--namespace={namespace}"
    installed.kubectl("create", "serviceaccount", account, where)
    installed.kubectl(
        "create", "rolebinding", account, "--clusterrole=edit", f"--serviceaccount={namespace}:{account}", where
    )
    home = tmp_path / "behind-proxy"
    home.mkdir()
    yield Plugin(installed, installed.kubeconfig_for(namespace, account, server=proxy.url), namespace, home)
    proxy.clear()


@pytest.fixture
def reader_of_one(installed: ControlPlane, namespace: str, tmp_path: Path) -> Plugin:
    """The plugin of somebody who may look at the ref `mine` alone."""
    account, where = "reader", f"--namespace={namespace}"
    installed.kubectl("create", "serviceaccount", account, where)
    which = ("--resource=appbackuprefs.astra-mirror.io", "--resource-name=mine")
    installed.kubectl("create", "role", account, "--verb=get,list,watch", *which, where)
    installed.kubectl(
        "create", "rolebinding", account, f"--role={account}", f"--serviceaccount={namespace}:{account}", where
    )
    home = tmp_path / "reader"
    home.mkdir()
    return Plugin(installed, installed.kubeconfig_for(namespace, account), namespace, home)


@pytest.fixture
def viewer(installed: ControlPlane, namespace: str, tmp_path: Path) -> Plugin:
    """The plugin of somebody who may only look at the test's namespace."""
    account, where = "viewer", f"--namespace={namespace}"
    installed.kubectl("create", "serviceaccount", account, where)
    installed.kubectl(
        "create", "rolebinding", account, "--clusterrole=view", f"--serviceaccount={namespace}:{account}", where
    )
    home = tmp_path / "viewer"
    home.mkdir()
    return Plugin(installed, installed.kubeconfig_for(namespace, account), namespace, home)
