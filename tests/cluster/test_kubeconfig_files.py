"""Kubeconfigs are read as kubectl reads them: several files, relative paths, and fields that are null or empty."""

import base64
import json
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration

_CERTIFICATE: Final = "client-certificate"


def _content(name: str = "a", user: Any = None, cluster: Any = None, **top: Any) -> dict[str, Any]:
    """A kubeconfig whose entries have this name."""
    content = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example"} | (cluster or {})}],
        "users": [{"name": name, "user": {"token": f"token-{name}"} if user is None else user}],
    }
    return content | top


async def _loaded(folder: Path, *contents: Any) -> ClusterConfig:
    """What is loaded from these kubeconfigs, in this order, each in a folder of its own."""
    paths = []
    for number, content in enumerate(contents):
        path = folder / str(number) / "config"
        path.parent.mkdir(exist_ok=True)
        path.write_text("" if content is None else json.dumps(content))
        paths.append(str(path))
    return await load_configuration({"KUBECONFIG": os.pathsep.join(paths)})


async def test_the_first_current_context_counts(tmp_path: Path) -> None:
    """An empty one, or none, is set by a later file."""
    first, second = _content("a"), _content("b")
    unset = {name: value for name, value in first.items() if name != "current-context"}
    for earlier, later, host in (
        (first, second, "a"),
        (unset, second, "b"),
        (first | {"current-context": ""}, second, "b"),
        (first | {"current-context": None}, second, "b"),
        (first, second | {"current-context": ""}, "a"),
        (None, second, "b"),
        (first, None, "a"),
    ):
        found = await _loaded(tmp_path, earlier, later)
        assert (found.host, found.authorization) == (f"https://{host}.example", f"Bearer token-{host}")
    with pytest.raises(ClusterConfigError, match=r"0/config:.*1/config has no current-context"):
        await _loaded(tmp_path, unset, second | {"current-context": ""})


async def test_the_first_entry_of_a_name_counts(tmp_path: Path) -> None:
    """Whole: no field of a later one is added to it. Each may be in another file."""
    later = _content("a", {_CERTIFICATE: "later", "token": "later"}, {"server": "https://later.example"})
    found = await _loaded(tmp_path, _content("a"), later)
    assert (found.host, found.authorization, found.cert_file) == ("https://a.example", "Bearer token-a", None)
    context = {name: value for name, value in _content("a").items() if name in {"current-context", "contexts"}}
    users = {"users": [{"name": "a", "user": {"token": "other"}}]}
    found = await _loaded(tmp_path, context, users, _content("a"))
    assert (found.host, found.authorization) == ("https://a.example", "Bearer other")


async def test_a_path_is_relative_to_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where KUBECONFIG has a relative path itself."""
    for number in (0, 1):
        (tmp_path / str(number)).mkdir()
        for name in ("ca", "token", "certificate", "key"):
            (tmp_path / str(number) / name).write_text(f"{name}-{number}")
    user = {"tokenFile": "token", _CERTIFICATE: "../1/certificate", "client-key": str(tmp_path / "0" / "key")}
    first, second = _content("a", user), _content("a", cluster={"certificate-authority": "ca"})
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path()):
        found = await _loaded(folder, first | {"clusters": []}, second)
        assert found.authorization == "Bearer token-0"
        assert (found.ca_file, found.cert_file) == (str(tmp_path / "1" / "ca"), str(tmp_path / "1" / "certificate"))
        assert found.key_file == str(tmp_path / "0" / "key")


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    "name", ["certificate-authority", "certificate-authority-data", "proxy-url", "tls-server-name"]
)
async def test_a_field_of_the_cluster_without_a_value(name: str, nothing: str | None, tmp_path: Path) -> None:
    """It is the same as none."""
    assert await _loaded(tmp_path, _content(cluster={name: nothing})) == await _loaded(tmp_path, _content())


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    "name",
    [
        "client-certificate",
        "client-key",
        "client-key-data",
        "username",
        "password",
        "auth-provider",
        "exec",
        "tokenFile",
    ],
)
async def test_a_field_of_the_user_without_a_value(name: str, nothing: str | None, tmp_path: Path) -> None:
    """It is the same as none."""
    found = await _loaded(tmp_path, _content(user={"token": "token-a", name: nothing}))
    assert found == await _loaded(tmp_path, _content())


@pytest.mark.parametrize("nothing", [None, ""])
async def test_credentials_without_a_value(nothing: str | None, tmp_path: Path) -> None:
    """An empty token does not hide a tokenFile; an empty user name is none, and an empty password is one."""
    (tmp_path / "token").write_text("from-a-file")
    found = await _loaded(tmp_path, _content(user={"token": nothing, "tokenFile": str(tmp_path / "token")}))
    assert (found.authorization, found.is_in_file) == ("Bearer from-a-file", True)
    found = await _loaded(tmp_path, _content(user={"username": nothing, "password": nothing}))
    assert found.authorization is None
    found = await _loaded(tmp_path, _content(user={"username": "me", "password": nothing}))
    assert found.authorization == "Basic bWU6"


@pytest.mark.parametrize(
    "content",
    [
        _content(contexts=[{"name": "a", "context": {"cluster": "a"}}]),
        _content(contexts=[{"name": "a", "context": {"cluster": "a"}}], users=None),
        _content(contexts=[{"name": "a", "context": {"cluster": "a", "user": ""}}], users=[]),
        _content(users=[{"name": "a", "user": None}]),
        _content(users=[{"name": "a"}]),
        _content(user={}),
    ],
)
async def test_no_identity(content: dict[str, Any], tmp_path: Path) -> None:
    """A proxy such as `kubectl proxy` may add one."""
    found = await _loaded(tmp_path, content)
    assert (found.host, found.authorization, found.cert_file) == ("https://a.example", None, None)


@pytest.mark.parametrize("users", [None, [], [{"name": "b", "user": {"token": "t"}}]])
async def test_a_user_that_is_unknown(users: Any, tmp_path: Path) -> None:
    """The operator does not go on without an identity where one is meant."""
    with pytest.raises(ClusterConfigError, match=r"the user of the context 'a' in .*0/config is not in users"):
        await _loaded(tmp_path, _content(users=users))


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("https://host/v1/users/me@corp/cluster", "https://host/v1/users/me@corp/cluster"),
        ("https://host:6443/users/me%40corp", "https://host:6443/users/me%40corp"),
        ("https://host/?", "https://host"),
        ("https://host:6443#", "https://host:6443"),
        ("HTTPS://host", "https://host"),
        ("https://host\n", "https://host"),
    ],
)
async def test_an_unusual_server(server: str, host: str, tmp_path: Path) -> None:
    """It is accepted, in a form to which a path can be added, and the certificates are used."""
    (tmp_path / "ca").write_text("ca")
    cluster = {"server": server, "certificate-authority": str(tmp_path / "ca")}
    found = await _loaded(tmp_path, _content(cluster=cluster))
    assert (found.host, found.ca_file) == (host, str(tmp_path / "ca"))


_NO_HOSTS: Final = ["a..b", ".a", "x" * 64, f"{'x' * 64}.example", f"a.{'x' * 64}", ".".join(["abc"] * 70), "a b"]


@pytest.mark.parametrize("host", _NO_HOSTS)
async def test_a_host_that_cannot_be_looked_up(host: str, tmp_path: Path) -> None:
    """It is an error at the start: the failure of each request would be of a kind that nobody expects."""
    with pytest.raises(ClusterConfigError, match=r"the server of the cluster 'a' in .* must be a URL such as"):
        await _loaded(tmp_path, _content(cluster={"server": f"https://{host}:6443"}))
    with pytest.raises(ClusterConfigError, match=r"the kubeconfig's proxy-url must be an .* URL of a valid host"):
        await _loaded(tmp_path, _content(cluster={"proxy-url": f"http://{host}:3128"}))


@pytest.mark.parametrize("name", [*_NO_HOSTS, "\ud800x", "a\0b", "a\nb", 7, True, ["a"]])
async def test_a_server_name_that_tls_cannot_ask_for(name: Any, tmp_path: Path) -> None:
    """The same."""
    with pytest.raises(ClusterConfigError, match=r"the tls-server-name of the cluster 'a' in .* must be a host name"):
        await _loaded(tmp_path, _content(cluster={"tls-server-name": name}))


@pytest.mark.parametrize("name", ["kube", "kube.example.", "x" * 63, "a_b", "10.0.0.1", "::1", "b\u00fccher.example"])
async def test_a_server_name(name: str, tmp_path: Path) -> None:
    """TLS can ask for it."""
    found = await _loaded(tmp_path, _content(cluster={"tls-server-name": name}))
    assert found.server_name == name
    ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=found.server_name)


@pytest.mark.parametrize("server", ["host:6443", "host", "https://", "https://host:0", "https://h?a=b", "https://h#a"])
async def test_a_server_that_is_no_url(server: str, tmp_path: Path) -> None:
    """A host without a scheme is refused, because kubectl would send the token without TLS."""
    with pytest.raises(ClusterConfigError, match="must be a URL such as https://HOST:PORT"):
        await _loaded(tmp_path, _content(cluster={"server": server}))


async def test_credentials_are_sent_over_tls_only(tmp_path: Path) -> None:
    """As by kubectl: over http no token and no password is sent, and no credential plugin is run."""
    script = f"touch {tmp_path / 'run'}"
    plugin = {"command": "/bin/sh", "args": ["-c", script], "apiVersion": "client.authentication.k8s.io/v1"}
    for user in ({"token": "t"}, {"username": "me", "password": "p"}, {"exec": plugin}):
        for server in ("http://kube.example", "HTTP://kube.example:8080"):
            found = await _loaded(tmp_path, _content(user=user, cluster={"server": server}))
            assert (found.host[:5], found.authorization, found.is_in_file) == ("http:", None, False)
    assert not (tmp_path / "run").exists()


async def test_only_a_file_that_does_not_exist_is_skipped(tmp_path: Path) -> None:
    """One that cannot be reached may name another cluster: it is an error, as for kubectl."""
    other = tmp_path / "other"
    other.write_text(json.dumps(_content("b")))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, words in (
        (other / "config", "Not a directory"),
        (loop, "Too many levels of symbolic links"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ClusterConfigError, match=rf"^no cluster credentials: {path} cannot be read: {words}"):
            await load_configuration({"KUBECONFIG": f"{path}:{other}"})
    found = await load_configuration({"KUBECONFIG": f"{tmp_path / 'nowhere' / 'config'}:{other}"})
    assert found.host == "https://b.example"


async def test_what_a_kubeconfig_contains_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the certificates nor the key: the root file system of a pod may be read-only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    data = {f"{name}-data": base64.b64encode(name.encode()).decode() for name in ("client-certificate", "client-key")}
    content = _content(user=data, cluster={"certificate-authority-data": base64.b64encode(b"ca").decode()})
    found = await _loaded(tmp_path, content)
    assert (found.ca_file, found.cert_file, found.key_file) == (None, None, None)
    assert (found.ca_data, found.cert_data, found.key_data) == (b"ca", b"client-certificate", b"client-key")
    assert await _loaded(tmp_path, content) == found
    assert "client-key" not in repr(found)


async def test_of_data_and_a_file_the_data_count(tmp_path: Path) -> None:
    """As for kubectl; each of the three may be the one or the other."""
    for name in ("certificate", "key"):
        (tmp_path / name).write_text(f"{name} in a file")
    user = {
        "client-certificate": str(tmp_path / "certificate"),
        "client-certificate-data": base64.b64encode(b"certificate").decode(),
        "client-key": str(tmp_path / "key"),
    }
    found = await _loaded(tmp_path, _content(user=user))
    assert (found.cert_file, found.cert_data) == (None, b"certificate")
    assert (found.key_file, found.key_data) == (str(tmp_path / "key"), None)


async def test_what_is_nested_beyond_any_kubeconfig_is_none(tmp_path: Path) -> None:
    """PyYAML takes a time that grows with the square of the depth: seconds for the 8 KiB that the fuzzer found."""
    nested = json.loads("[" * 50 + "]" * 50)
    assert (await _loaded(tmp_path, _content("a", extensions=nested))).host == "https://a.example"
    with pytest.raises(ClusterConfigError, match=r"is not a kubeconfig, which is a YAML mapping in UTF-8"):
        await _loaded(tmp_path, _content("a", extensions=json.loads("[" * 100 + "]" * 100)))
