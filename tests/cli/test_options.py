"""The command line, and the messages about invalid options."""

import pytest
from click.testing import CliRunner

from astra_mirror.cli import main
from astra_mirror.settings import Settings


def _run(*arguments: str, **environment: str) -> tuple[int, str]:
    ended = CliRunner().invoke(main, arguments, env={"KUBECONFIG": "/nonexistent", **environment})
    return ended.exit_code, ended.output


def test_help_has_each_exit_code_on_a_line() -> None:
    """The help text has each exit code on a line of its own, without markup of the library."""
    code, text = _run("run", "--help")
    assert code == 0
    assert "\n    0  stopped by SIGTERM or SIGINT\n    1  a failure" in text
    assert "\\b" not in text


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("namespace", "Shop_1", "'Shop_1' is no name of a namespace"),
        ("namespace", "shop,-", "'-' is no name of a namespace"),
        ("namespace", "", "'' is no name of a namespace"),
        ("allowed-url", "", "'' is not scheme://host[:port]"),
        ("lease-namespace", "x" * 64, "is no name of a namespace"),
        ("interval", "15", "15s, 1m30s or 24h"),
        ("interval", "500ms", "must be at least 1s"),
        ("monitor-interval", "9s", "must be from 10s to 24h"),
        ("monitor-interval", "24h1s", "must be from 10s to 24h"),
        ("request-timeout", "0s", "must be longer than nothing"),
        ("allowed-url", "https://a.example,b.example", "'b.example' is not scheme://host[:port]"),
        ("http-address", "8080", "'8080' is not HOST:PORT"),
        ("http-address", "0.0.0.0:65536", "'0.0.0.0:65536' is not HOST:PORT"),
        ("shard", "3/3", "such as 0/3"),
        ("proxy-url", "https://me:pass-word@proxy.example", "it is an https:// proxy, which is not supported"),
        ("proxy-url", "socks5://me:pass-word@proxy.example", "it must be an http:// URL of a valid host"),
        ("proxy-url", "", "it must be an http:// URL of a valid host"),
        ("no-proxy", "10.0.0.0/8", "'10.0.0.0/8' is a network, and only hosts are known here"),
        ("no-proxy", "a.example,b/", "'b/' is not a host, .suffix, *.suffix or an IP address"),
        ("ca-file", "/nonexistent", "/nonexistent cannot be read: No such file or directory"),
        ("ca-file", "README.md", "README.md has no certificate in PEM format"),
        ("log-level", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_bad_option(option: str, value: str, words: str) -> None:
    """The message names the option or the environment variable, and nothing starts."""
    variable = f"ASTRA_MIRROR_{option.upper().replace('-', '_')}"
    for code, text, name in (
        (*_run("run", f"--{option}", value), f"--{option}"),
        (*_run("run", **{variable: value}), variable),
    ):
        assert code == 2
        assert text.startswith(f"astra-mirror: {name}: ")
        assert words in text
        assert "pass-word" not in text


def test_each_bad_option_is_named() -> None:
    """All invalid options are reported at once."""
    code, text = _run("run", "--shard", "x", "--interval", "y", ASTRA_MIRROR_LEADER_ELECT="perhaps")
    assert code == 2
    assert [line.split(": ")[1] for line in text.splitlines()] == [
        "--interval",
        "ASTRA_MIRROR_LEADER_ELECT",
        "--shard",
    ]


def test_what_is_typed_wins() -> None:
    """An option on the command line takes precedence over an invalid environment variable."""
    code, text = _run("run", "--interval", "20s", "--namespace", "a,b", "--namespace", "c", ASTRA_MIRROR_INTERVAL="x")
    assert code == 1
    assert text == "astra-mirror: no cluster credentials: KUBECONFIG is /nonexistent, which does not exist\n"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY"])
def test_the_environments_proxy_is_of_no_use(variable: str) -> None:
    """The start ends, and the message names the variable; without `env` nobody looks at it."""
    environment = {variable: "https://me:pass-word@proxy.example"}
    code, text = _run("run", "--proxy-url", "env", **environment)
    assert code == 2
    assert text.startswith(f"astra-mirror: --proxy-url: {variable} is an https:// proxy, which is not supported")
    assert "pass-word" not in text
    assert _run("run", **environment)[0] == 1


def test_no_settings_show_a_password() -> None:
    """Not where somebody prints or logs them."""
    settings = Settings(proxy_url="http://me:pass-word@proxy.example:3128")
    assert "pass-word" not in f"{settings!r} {settings} {settings.egress!r}"
    assert [str(each) for each in settings.egress.proxies] == ["http://proxy.example:3128"]
