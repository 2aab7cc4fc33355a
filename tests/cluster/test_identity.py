"""The identity of a kubeconfig's user is the one that kubectl would have."""

import base64
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration


async def _loaded(folder: Path, user: dict[str, Any]) -> ClusterConfig:
    path = folder / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": {"server": "https://kube.example"}}],
                "users": [{"name": "a", "user": user}],
            }
        )
    )
    return await load_configuration({"KUBECONFIG": str(path)})


def _web_token(**claims: Any) -> str:
    # The claims contain what differs between base64 and its variant for URLs.
    payload = json.dumps(claims | {"name": "\u00ff\u00fe?>~"}, ensure_ascii=False).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


def _oidc(token: str | None, **config: str) -> dict[str, Any]:
    return {"auth-provider": {"name": "oidc", "config": config | ({"id-token": token} if token else {})}}


async def test_the_token_in_the_file_is_newer(tmp_path: Path) -> None:
    """Beside a token, the one in the file counts, and the token where the file has none; it is read again."""
    token_file = tmp_path / "token"
    both = {"token": "of-the-kubeconfig", "tokenFile": str(token_file)}
    for content, expected in (("of-the-file\n", "of-the-file"), ("", "of-the-kubeconfig")):
        token_file.write_text(content)
        found = await _loaded(tmp_path, both)
        assert (found.authorization, found.is_in_file) == (f"Bearer {expected}", True)
    token_file.unlink()
    assert (await _loaded(tmp_path, both)).authorization == "Bearer of-the-kubeconfig"


@pytest.mark.parametrize("content", ["", "\n", " "])
async def test_a_file_without_a_token(content: str, tmp_path: Path) -> None:
    """The operator does not go on without an identity."""
    (tmp_path / "token").write_text(content)
    with pytest.raises(ClusterConfigError, match=r"the file that the tokenFile of the user 'a' in .* names has no"):
        await _loaded(tmp_path, {"tokenFile": "token"})


@pytest.mark.parametrize("seconds", [3600, 60, None])
async def test_a_valid_id_token(seconds: int | None, tmp_path: Path) -> None:
    """It is used until it expires, also where it could not be renewed."""
    token = _web_token() if seconds is None else _web_token(exp=time.time() + seconds)
    assert "-" in token or "_" in token
    assert (await _loaded(tmp_path, _oidc(token))).authorization == f"Bearer {token}"


@pytest.mark.parametrize("seconds", [None, 1, 10**9])
async def test_an_id_token_is_not_renewed(seconds: int | None, tmp_path: Path) -> None:
    """The client library would do so without verifying who its server is; the identity provider sees no request."""
    token = None if seconds is None else _web_token(exp=time.time() - seconds)
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(0)
        config = {
            "client-id": "c",
            "client-secret": "s",
            "idp-issuer-url": f"https://127.0.0.1:{provider.getsockname()[1]}",
            "refresh-token": "r",
        }
        with pytest.raises(ClusterConfigError, match=r"id-token.*, and it is not renewed here: log in again, "):
            await _loaded(tmp_path, _oidc(token, **config))
        with pytest.raises(BlockingIOError):
            provider.accept()


@pytest.mark.parametrize("name", ["gcp", "azure", None])
async def test_other_identity_providers(name: str | None, tmp_path: Path) -> None:
    """Kubectl has none any more, and the client library would ignore most of them."""
    provider = {"name": name, "config": {"cmd-path": "/bin/false", "cmd-args": ""}}
    with pytest.raises(ClusterConfigError, match=r"auth-provider of .* must have the name oidc .* use a credential pl"):
        await _loaded(tmp_path, {"auth-provider": provider})


async def test_the_user_to_act_as(tmp_path: Path) -> None:
    """It is named by the headers that client-go sends."""
    user = {
        "token": "t",
        "as": "limit\u00e9",
        "as-uid": "7",
        "as-groups": ["one", "two"],
        "as-user-extra": {"example.org/Scope%": ["a", "b"], "empty": []},
    }
    assert (await _loaded(tmp_path, user)).impersonation == (
        ("Impersonate-User", "limit\u00e9"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "one"),
        ("Impersonate-Group", "two"),
        ("Impersonate-Extra-example.org%2FScope%25", "a"),
        ("Impersonate-Extra-example.org%2FScope%25", "b"),
    )
    nobody: dict[str, Any] = {"token": "t", "as": "", "as-uid": None, "as-groups": [], "as-user-extra": {}}
    assert (await _loaded(tmp_path, nobody)).impersonation == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"as": 7},
        {"as": "a\nb"},
        {"as": "a", "as-uid": 7},
        {"as": "a", "as-groups": "one"},
        {"as": "a", "as-groups": ["a\ud800"]},
        {"as": "a", "as-user-extra": ["one"]},
        {"as": "a", "as-user-extra": {"one": "two"}},
        {"as": "a", "as-user-extra": {"a\nb": ["c"]}},
    ],
)
async def test_a_user_to_act_as_that_no_header_can_name(fields: dict[str, Any], tmp_path: Path) -> None:
    """The operator does not go on with its full identity."""
    with pytest.raises(ClusterConfigError, match=r"as and as-uid of the user 'a' in .* must be texts, as-groups a li"):
        await _loaded(tmp_path, {"token": "t"} | fields)


@pytest.mark.parametrize("fields", [{"as-uid": "7"}, {"as-groups": ["one"]}, {"as-user-extra": {"one": ["two"]}}])
async def test_nobody_to_act_as(fields: dict[str, Any], tmp_path: Path) -> None:
    """Groups without a user are an error, as for kubectl."""
    with pytest.raises(ClusterConfigError, match="but no as: add the user to act as"):
        await _loaded(tmp_path, {"token": "t"} | fields)
