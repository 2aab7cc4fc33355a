"""The command line, and the messages about invalid options."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from astra_mirror.cli import main
from astra_mirror.settings import Settings


def _run(*arguments: str, **environment: str) -> tuple[int, str]:
    """For what ends before the operator starts: that sets up the process, such as what is logged, for good."""
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


@pytest.mark.parametrize(("value", "seconds"), [("10s", 10.0), ("40s", 40.0), ("24h", 86_400.0)])
def test_the_interval_of_monitors(value: str, seconds: float) -> None:
    """It reaches the engine; the least and the most are accepted."""
    assert Settings(monitor_interval=value).pace.monitor_interval == seconds


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
    options = ["--interval", "20s", "--namespace", "a,b", "--namespace", "c"]
    environment = {**os.environ, "PYTHONPATH": "operator", "KUBECONFIG": "/nonexistent", "ASTRA_MIRROR_INTERVAL": "x"}
    program = [sys.executable, "-m", "astra_mirror", "run", *options]
    ended = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "astra-mirror: no cluster credentials: KUBECONFIG is /nonexistent, which does not exist\n"
