"""The first line of the log."""

from typing import Any

from astra_mirror.core.journal.line import Line
from astra_mirror.core.journal.start import start_line
from astra_mirror.settings import Settings


def _line(**options: Any) -> Line:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return start_line("0.1.0", Settings(**options).model_dump(), defaults)


def test_the_defaults() -> None:
    """The version, the shard and the namespaces are there in any case, and nothing else is."""
    line = _line(stale_after="15m0s", leader_elect=False)
    assert (line.level, line.text) == ("info", "astra-mirror 0.1.0 starts: shard 0/1, all namespaces")
    assert line.fields == {"version": "0.1.0", "shard": "0/1", "options": {}}


def test_options_that_differ() -> None:
    """As they are typed."""
    line = _line(
        namespace=["shop", "pay"],
        shard="1/3",
        interval="20s",
        stale_after="1h30m",
        request_timeout="500ms",
        leader_elect=True,
        allowed_url=["https://*.netapp.io", "https://acc.example.com"],
    )
    assert line.text == (
        "astra-mirror 0.1.0 starts: shard 1/3, namespaces shop, pay, --interval 20s, --stale-after 1h30m, "
        "--allowed-url https://*.netapp.io,https://acc.example.com, --leader-elect, --request-timeout 0.5s"
    )
    assert line.fields["namespaces"] == ["shop", "pay"]
    assert line.fields["options"] == {
        "--interval": "20s",
        "--stale-after": "1h30m",
        "--allowed-url": "https://*.netapp.io,https://acc.example.com",
        "--leader-elect": "yes",
        "--request-timeout": "0.5s",
    }


def test_user_info_in_a_url() -> None:
    """It is left out, whatever characters the password has."""
    options = {"shard": "0/1", "namespace": [], "proxy_url": "http://me:p@ss/word@proxy.example:3128"}
    options["other"] = ["http://me@a.example", "https://b.example/@"]
    line = start_line("1", options, {"proxy_url": None, "other": []})
    assert line.fields["options"] == {
        "--proxy-url": "http://proxy.example:3128",
        "--other": "http://a.example,https://",
    }
    assert "me" not in line.text.partition("starts")[2].replace("namespaces", "")
