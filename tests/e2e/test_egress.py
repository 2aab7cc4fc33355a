"""The operator behind a real proxy, with the administrator's own authorities, and a password that nobody sees."""

import base64
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.operator_process import Operator, StartOperator, run_operator
from tests.proxy_process import PASSWORD, USER, ProxyProcess, running_proxy

_BASIC: Final = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
StartBehind = Callable[..., Operator]


@pytest.fixture
def proxy(astra: Simulator) -> Iterator[ProxyProcess]:
    """A proxy with a password, which alone knows that astra.example is the simulator."""
    with running_proxy(example=astra.url.partition("://")[2].partition(":")[0], password=PASSWORD) as proxy:
        yield proxy


@pytest.fixture
def secure() -> Iterator[Simulator]:
    """An Astra Control with TLS and an authority that nobody knows."""
    host = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    with Simulator.start(host=host, tls=True) as secure:
        yield secure


@pytest.fixture
def start_behind(installed: ControlPlane) -> Iterator[StartBehind]:
    """Starts operators under the shipped RBAC with these options, and with variables by keyword."""
    running: list[Operator] = []
    kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror")

    def start(*options: str, **environment: str) -> Operator:
        running.append(run_operator(kubeconfig, *options, environment=environment))
        return running[-1]

    yield start
    for operator in running:
        operator.stop()


def _by_name(astra: Simulator) -> str:
    """Its URL by the name that only the proxy knows."""
    return f"http://astra.example:{astra.url.rpartition(':')[2]}"


def _message(status: dict[str, Any]) -> str:
    return str(condition(status, "Synced")["message"])


def _write_authority(path: Path, pem: str) -> None:
    """Replace the file as a whole, as a mounted ConfigMap is."""
    new = path.with_suffix(".new")
    new.write_text(pem)
    new.replace(path)


def test_through_a_proxy_with_a_password(
    installed: ControlPlane,
    user: User,
    astra: Simulator,
    secure: Simulator,
    proxy: ProxyProcess,
    start_behind: StartBehind,
    tmp_path: Path,
) -> None:
    """Both schemes go through it, the API server's requests do not, and the password is nowhere to be seen."""
    authority = tmp_path / "ca.pem"
    authority.write_text(secure.ca_pem or "")
    options = ["--allowed-url", f"{_by_name(astra)},{secure.url}", "--ca-file", str(authority), "--log-level", "debug"]
    options += ["--settled-interval", "1s"]
    operator = start_behind(*options, ASTRA_MIRROR_PROXY_URL=f"{proxy.url_with(PASSWORD)}\n")
    user.secret(url=_by_name(astra), token=astra.token)
    user.ref("plain", astra.add_backup("completes", seconds=0))
    user.wait("plain", "Ready")
    user.secret(url=secure.url, token=secure.token)
    user.ref("tunnelled", secure.add_backup("completes", seconds=0))
    user.wait("tunnelled", "Ready")
    host = secure.url.removeprefix("https://")
    assert f"CONNECT {host} proxy-authorization" in proxy.requests
    absolute = rf"GET {_by_name(astra).removeprefix('http://')}/accounts/\S+ authorization,proxy-authorization"
    assert [each for each in proxy.requests if re.fullmatch(absolute, each)]
    server = installed.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").rpartition(":")[2]
    assert not [each for each in proxy.requests if f":{server}" in each]
    proxy.stop()
    status = user.wait_reason("tunnelled", "Unreachable", condition="Synced")
    assert f"{secure.url} cannot be reached: the proxy cannot be used: the connection was refused" in _message(status)
    seen = "".join((operator.log, operator.http("/metrics"), user.kubectl("get", "abr,events", "-o", "yaml")))
    assert not [each for each in (PASSWORD, "sesame", _BASIC, f"{USER}:") if each in seen]


def test_a_wrong_password(user: User, astra: Simulator, proxy: ProxyProcess, start_behind: StartBehind) -> None:
    """The status says whose fault it is; a command line with the URL is kept out of the log as well."""
    url = proxy.url_with("entirely-wrong")
    operator = start_behind("--allowed-url", _by_name(astra), "--proxy-url", url, "--log-level", "debug")
    user.secret(url=_by_name(astra), token=astra.token)
    user.ref("mine", astra.add_backup("completes", seconds=0))
    status = user.wait_reason("mine", "Unreachable", condition="Synced")
    assert "the proxy does not accept the operator's user name and password (407)" in _message(status)
    assert condition(status, "Reconciling")["status"] == "True"
    assert "entirely-wrong" not in operator.log + operator.http("/metrics") + str(status)
    assert not astra.requests.matching()


def test_the_environments_proxy(
    user: User, astra: Simulator, secure: Simulator, proxy: ProxyProcess, start_behind: StartBehind
) -> None:
    """`env` takes HTTP_PROXY, and NO_PROXY for what is called directly; a network in it is one line of the log."""
    operator = start_behind(
        *("--proxy-url", "env", "--allowed-url", f"{_by_name(astra)},{secure.url}"),
        HTTP_PROXY=proxy.url_with(PASSWORD),
        HTTPS_PROXY="http://127.0.0.1:1",
        NO_PROXY=f"10.0.0.0/8,{secure.url.partition('://')[2]},127.0.0.0/8,{PASSWORD}",
    )
    user.secret(url=_by_name(astra), token=astra.token)
    user.ref("proxied", astra.add_backup("completes", seconds=0))
    user.wait("proxied", "Ready")
    user.secret(url=secure.url, token=secure.token, ca_crt=secure.ca_pem or "")
    user.ref("direct", secure.add_backup("completes", seconds=0))
    user.wait("direct", "Ready")
    assert not [each for each in proxy.requests if each.startswith("CONNECT")]
    [line] = [each for each in operator.log.splitlines() if "NO_PROXY" in each]
    assert line.endswith("only names and addresses of hosts count: 10.0.0.0/8, 127.0.0.0/8, [hidden]")
    assert PASSWORD not in operator.log


def test_without_the_option_the_environment_has_no_effect(
    user: User, astra: Simulator, start_operator: StartOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither have its proxies, nor has --no-proxy alone."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    start_operator("--no-proxy", "astra.example")
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("completes", seconds=0))
    user.wait("mine", "Ready")


def test_an_authority_that_comes_later(
    user: User, secure: Simulator, start_behind: StartBehind, tmp_path: Path
) -> None:
    """The file is read again when it changes, without a restart; a new connection is trusted at once."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(trustme.CA().cert_pem.bytes())
    operator = start_behind("--allowed-url", secure.url, "--ca-file", str(authority))
    user.secret(url=secure.url, token=secure.token)
    user.ref("mine", secure.add_backup("completes", seconds=0))
    user.wait_reason("mine", "TLSVerificationFailed", condition="Synced")
    _write_authority(authority, secure.ca_pem or "")
    operator.wait_for_log(r"--ca-file: \S+ has changed; the number of certificates in it is 1")
    # Another token is another connection, whose circuit breaker is closed.
    user.secret(url=secure.url, token=secure.add_token())
    user.wait("mine", "Ready")


def test_verification_that_is_required(user: User, secure: Simulator, start_behind: StartBehind) -> None:
    """A Secret that switches it off is of no use, and says what to do; mended, it is."""
    start_behind("--allowed-url", secure.url, "--require-tls-verification")
    toolkit = (
        f"headers: {{Authorization: Bearer {secure.token}}}\nuid: x\nastra_project: {secure.url}\nverifySSL: false\n"
    )
    user.secret(config_yaml=toolkit)
    user.ref("mine", secure.add_backup("completes", seconds=0))
    status = user.wait_reason("mine", "SecretInvalid", condition="Synced")
    assert "switches the verification of certificates off, which the operator's administrator does" in _message(status)
    assert condition(status, "Stalled")["status"] == "True"
    assert not secure.requests.matching()
    user.secret(config_yaml=toolkit.replace("verifySSL: false", "verifySSL: true"), ca_crt=secure.ca_pem or "")
    user.wait("mine", "Ready")
