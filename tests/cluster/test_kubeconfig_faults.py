"""An unusable kubeconfig is described without any of its values: they may be tokens, passwords or keys."""

import base64
import json
import logging
import re
import traceback
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.observability.hidden_values import HiddenValues

_SECRET: Final = "eyJhbGciOiJ.marker-of-a-secret"
_OIDC: Final = {
    "client-id": "c",
    "client-secret": "x" + _SECRET,
    "idp-issuer-url": "http://127.0.0.1:9",
    "refresh-token": "r",
}


def _text(user: Any = None, cluster: Any = None, **entry: Any) -> str:
    """A kubeconfig with this user and cluster, or this entry of the user."""
    return json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://kube.example:6443"} | (cluster or {})}],
            "users": [{"name": "u"} | (entry or {"user": user or {"token": _SECRET}})],
        }
    )


def _oidc(**fields: Any) -> dict[str, Any]:
    config = {name: value for name, value in (_OIDC | fields).items() if value is not None}
    return {"auth-provider": {"name": "oidc", "config": config}}


def _plugin(script: str, **fields: Any) -> dict[str, Any]:
    command = {"command": "/bin/sh", "args": ["-c", script], "apiVersion": "client.authentication.k8s.io/v1"}
    return {"exec": {name: value for name, value in (command | fields).items() if value is not None}}


_USER: Final = "the user 'u' in "
_FAULTS: Final = {
    "a token one level too high": (
        _text(token=_SECRET),
        f"{_USER}.* has no mapping named user: its other fields belong in",
    ),
    "a text as a user": (_text(user=_SECRET), f"{_USER}.* has no mapping named user"),
    "OIDC without an id-token": (
        _text(_oidc(**{"refresh-token": _SECRET})),
        f"the auth-provider of {_USER}.* has no id-token, and it is not renewed here: log in again, or use a",
    ),
    "OIDC with a token of another kind": (
        _text(_oidc(**{"id-token": _SECRET})),
        f"the id-token of {_USER}.* is not a JSON web token: log in again",
    ),
    "OIDC with a token that is not JSON": (
        _text(_oidc(**{"id-token": f"a.{_SECRET}"})),
        f"the id-token of {_USER}.* is not a JSON web token: log in again",
    ),
    "OIDC with an expired token": (
        _text(_oidc(**{"id-token": f"e30.eyJleHAiOjF9.{_SECRET.replace('.', '')}"})),
        f"the id-token of {_USER}.* has expired, and it is not renewed here: .*kubectl oidc-login",
    ),
    "OIDC without a configuration": (
        _text({"auth-provider": {"name": "oidc"}, "password": _SECRET}),
        f"auth-provider of {_USER}.* must have the name oidc and a config",
    ),
    "a plugin that writes to stderr": (
        _text(_plugin(f"echo {_SECRET} >&2; exit 1")),
        rf"the credential plugin '/bin/sh' gave no credential for {_USER}.*: run it",
    ),
    "a plugin that writes no JSON": (_text(_plugin(f"echo {_SECRET}")), f"gave no credential for {_USER}.*: run it"),
    "a plugin of another version": (
        _text(_plugin(f"""echo '{{"apiVersion": "{_SECRET}", "kind": "", "status": ""}}'""")),
        f"gave no credential for {_USER}",
    ),
    "a plugin that is not installed": (
        _text(_plugin("", command=f"aws {_SECRET}")),
        f"plugin of {_USER}.* is no program that is installed: arguments belong",
    ),
    "a plugin without a command": (
        _text(_plugin(_SECRET, command=None)),
        rf"\(exec\) of {_USER}.* must have a command and an apiVersion",
    ),
    "a token as an alias": (
        _text().replace(f'"{_SECRET}"', f"*{_SECRET}"),
        r"not valid YAML at line 1, column \d+: .*quotation",
    ),
    "a token as a tag": (_text().replace(f'"{_SECRET}"', f"!{_SECRET}"), r"not valid YAML at line 1, column \d+"),
    "a tab": (
        f"users:\n- name: u\n  user:\n\ttoken: {_SECRET}\n",
        "not valid YAML at line 4, column 1: indent with spaces",
    ),
    "two colons": (f"password: {_SECRET}: x\n", r"not valid YAML at line 1, column \d+"),
    "a control character": (f"token: {_SECRET}\x01", "is not a kubeconfig"),
    "another mapping": (f"token: {_SECRET}", "has no current-context: choose one with kubectl"),
    "a text": (_SECRET, "is not a kubeconfig, which is a YAML mapping"),
    "a list of texts": (
        json.dumps({"users": [_SECRET]} | {"current-context": "c"}),
        "entry 1 of users must have a name",
    ),
    "a key as a path": (
        _text({"client-key": _SECRET, "client-certificate-data": "QUJD"}),
        f"the client-key of {_USER}.* is not the path of a file .*: the content itself belongs in client-key-data",
    ),
    "a long key as a path": (
        _text({"client-key": _SECRET * 200}),
        f"client-key of {_USER}.* the content itself belongs in client-key-data",
    ),
    "a certificate as a path": (
        _text({"client-certificate": f"-----BEGIN\n{_SECRET}"}),
        "the content itself belongs in client-certificate-data",
    ),
    "a token as a path": (
        _text({"tokenFile": _SECRET}),
        f"the tokenFile of {_USER}.*: the content itself belongs in token",
    ),
    "a long token as a path": (_text({"tokenFile": _SECRET * 200}), "the content itself belongs in token"),
    "authorities as a path": (
        _text(cluster={"certificate-authority": _SECRET}),
        "the certificate-authority of the cluster 'k' in .*: the content itself belongs in certificate-authority-data",
    ),
    "a key that is not base64": (
        _text({"client-key-data": f"{_SECRET}x"}),
        f"client-key-data of {_USER}.* is not base64: the path .* in client-key",
    ),
    "a password that is a number": (
        _text({"username": _SECRET, "password": 12345678}),
        f"the password of {_USER}.* must be in quotation marks",
    ),
    "user info in the server": (
        _text(cluster={"server": f"https://me:{_SECRET}@kube.example"}),
        "server of the cluster 'k' in .*, without user name, password, .*: credentials belong in the user's entry",
    ),
    "user info with a slash in the server": (
        _text(cluster={"server": f"https://me:1/{_SECRET}@k"}),
        "without user name",
    ),
    "a port that is none": (
        _text(cluster={"server": f"https://me:{_SECRET}"}),
        "must be a URL such as https://HOST:PORT",
    ),
    "a list as a proxy": (
        _text(cluster={"proxy-url": [_SECRET]}),
        "the proxy-url of the cluster 'k' in .* must be a URL",
    ),
    "a text that looks like a truth value": (
        _text(cluster={"insecure-skip-tls-verify": "false", "proxy-url": f"http://me:{_SECRET}@p"}),
        "the insecure-skip-tls-verify of the cluster 'k' in .* must be true or false, without quotation marks",
    ),
    "a number as a truth value": (
        _text(cluster={"insecure-skip-tls-verify": 1}),
        "insecure-skip-tls-verify of the cluster 'k' in .* must be true or false",
    ),
    "a query in the server": (_text(cluster={"server": f"https://k?token={_SECRET}"}), "without user name"),
    "a slash in the proxy's password": (
        _text(cluster={"proxy-url": f"http://me:12/{_SECRET}@proxy:1"}),
        "proxy-url must be .*write / as %2F, . as %3F",
    ),
    "a question mark in the proxy's password": (
        _text(cluster={"proxy-url": f"http://me:12?{_SECRET}@p"}),
        "proxy-url must be",
    ),
    "a hash in the proxy's password": (
        _text(cluster={"proxy-url": f"http://me:12#{_SECRET}@p"}),
        "proxy-url must be",
    ),
    "a port in the proxy's password": (_text(cluster={"proxy-url": f"http://me:{_SECRET}"}), "proxy-url must be"),
}


async def _fault(environment: dict[str, str]) -> ClusterConfigError:
    with pytest.raises(ClusterConfigError) as caught:
        await load_configuration(environment)
    return caught.value


def _shown(error: BaseException) -> str:
    context = error.__context__
    chain = "" if context is None else _shown(context)
    return f"{error} {error!r} {''.join(traceback.format_exception(error))} {chain}"


@pytest.mark.parametrize(("text", "words"), _FAULTS.values(), ids=_FAULTS)
async def test_no_value_is_quoted(text: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At the start: the error says what is wrong, where, and what to do, and the log says nothing."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "config"
    path.write_text(text)
    error = await _fault({"KUBECONFIG": str(path)})
    assert _SECRET not in _shown(error) + caplog.text
    assert str(path) in str(error)
    assert re.search(words, str(error)), str(error)


@pytest.mark.parametrize(("text", "words"), _FAULTS.values(), ids=_FAULTS)
async def test_no_value_is_quoted_at_a_renewal(
    text: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log line says the same, and the operator goes on with the credentials that it has."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "config"
    path.write_text(text)
    first = ClusterConfig("http://kube.example", "Bearer old-token", None, False, None, None, None, True, None, None)
    load = partial(load_configuration, {"KUBECONFIG": str(path)})
    credentials = Credentials(first, load, lambda _: None, HiddenValues())
    assert not await credentials._renew(first)
    assert _SECRET not in caplog.text
    [line] = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert re.search(f"could not be renewed: no usable cluster credentials.*{words}", line), line
    assert str(path) in line


@pytest.mark.parametrize(
    "value",
    [
        _text(),
        f"apiVersion: v1\nusers:\n- name: u\n  user:\n    token: {_SECRET}\n",
        f"token: {_SECRET}\n" * 500,
        _SECRET,
        base64.b64encode(_SECRET.encode()).decode(),
        f"/nowhere:{_SECRET}",
        f"~{_SECRET}~x ",
        f"{_SECRET}\0",
    ],
)
async def test_a_value_of_kubeconfig_that_is_no_path(value: str) -> None:
    """It may be the content of a kubeconfig: the variable is named instead."""
    shown = _shown(await _fault({"KUBECONFIG": value}))
    assert _SECRET not in shown
    assert base64.b64encode(_SECRET.encode()).decode() not in shown
    assert (
        "no cluster credentials: KUBECONFIG is not the path of a file that exists: set it to the path of a kubeconfig"
        in shown
    )


def test_a_configuration_is_shown_without_its_credentials() -> None:
    """In the error of a failed assertion, or in a debugger."""
    config = ClusterConfig(
        "https://kube.example", f"Bearer {_SECRET}", None, False, None, None, None, True, None, f"http://me:{_SECRET}@p"
    )
    assert _SECRET not in repr(config)
    assert "https://kube.example" in repr(config)
