"""The command line, and the messages about invalid options."""

import json
import re

import pytest
from click.testing import CliRunner

from astra_mirror.cli import main


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


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--log-level", "INFO", "--log-format", "Text"], {}),
        ([], {"ASTRA_MIRROR_LOG_LEVEL": "INFO"}),
        (["--leader-elect=true", "--require-tls-verification=no"], {}),
        (["--leader-elect=false"], {}),
        (["--allowed-url", "https://*.netapp.io/,https://acc.example.com:8443/"], {}),
    ],
)
def test_as_people_write_them(arguments: list[str], environment: dict[str, str]) -> None:
    """Levels in capitals, flags with a value, a slash at the end of a URL: all get as far as the credentials."""
    code, text = _run("run", *arguments, **environment)
    assert code == 1
    assert text.startswith("astra-mirror: no cluster credentials")


def test_a_flag_with_another_value() -> None:
    """What is neither yes nor no is no flag."""
    code, text = _run("run", "--leader-elect=perhaps")
    assert code == 2
    assert "--leader-elect: 'perhaps' is neither yes nor no" in text


def test_a_misspelt_variable() -> None:
    """It ends the start with the nearest name, among the other errors; what a Service link makes is ignored."""
    code, text = _run(
        "run", ASTRA_MIRROR_INTERVALL="20s", ASTRA_MIRROR_SHARD="x", ASTRA_MIRROR_PORT="tcp://10.0.0.1:80"
    )
    assert code == 2
    first, second = text.splitlines()
    assert first == (
        "astra-mirror: ASTRA_MIRROR_INTERVALL: there is no such option; the nearest is ASTRA_MIRROR_INTERVAL"
    )
    assert second.startswith("astra-mirror: ASTRA_MIRROR_SHARD: ")
    code, text = _run("run", ASTRA_MIRROR_PORT_8080_TCP="tcp://10.0.0.1:80", ASTRA_MIRROR_SERVICE_HOST="10.0.0.1")
    assert code == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--log-format", "json"], {}, "no cluster credentials"),
        ([], {"ASTRA_MIRROR_LOG_FORMAT": "JSON"}, "no cluster credentials"),
        (["--log-format=json", "--shard", "x"], {}, "--shard: "),
        (["--log-format=json", "--shrad", "x"], {}, "No such option"),
        (["--leader-elect=perhaps"], {"ASTRA_MIRROR_LOG_FORMAT": "json"}, "neither yes nor no"),
        ([], {"ASTRA_MIRROR_LOG_FORMAT": "json", "ASTRA_MIRROR_INTERVALL": "1s"}, "ASTRA_MIRROR_INTERVALL"),
    ],
)
def test_errors_at_the_start_in_json(arguments: list[str], environment: dict[str, str], words: str) -> None:
    """With --log-format json each is a line of JSON as those of the log are, whatever is wrong."""
    code, text = _run("run", *arguments, **environment)
    assert code in {1, 2}
    [line] = map(json.loads, text.splitlines())
    assert line["level"] == "ERROR"
    assert words in line["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
