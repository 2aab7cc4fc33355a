"""The sources of the cluster's credentials, and the messages about unusable ones."""

from pathlib import Path

import pytest

from astra_mirror.cluster.kubeconfig import ClusterConfigError, load_configuration

_GOOD = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://cluster.example:6443"}}]
users: [{name: u, user: {token: secret}}]
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a kubeconfig"),
        ("- a", "is not a kubeconfig"),
        ("clusters: 3", "is not a kubeconfig"),
        ("{a: " * 1500, "is not a kubeconfig"),
        ("a: [", "expected the node content"),
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
