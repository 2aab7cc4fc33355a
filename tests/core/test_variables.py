"""Environment variables that are misspelt options, and those that Kubernetes adds for Services."""

import pytest

from astra_mirror.core.variables import misspelt

OPTIONS = ["ASTRA_MIRROR_INTERVAL", "ASTRA_MIRROR_LOG_LEVEL", "ASTRA_MIRROR_STALE_AFTER"]


def _misspelt(name: str, value: str = "x") -> list[tuple[str, str]]:
    return list(misspelt("ASTRA_MIRROR_", OPTIONS, {name: value, "PATH": "/bin"}))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ASTRA_MIRROR_INTERVALL", "ASTRA_MIRROR_INTERVAL"),
        ("ASTRA_MIRROR_LOGLEVEL", "ASTRA_MIRROR_LOG_LEVEL"),
        ("ASTRA_MIRROR_STALEAFTER", "ASTRA_MIRROR_STALE_AFTER"),
        ("astra_mirror_stale_afer", "ASTRA_MIRROR_STALE_AFTER"),
        ("ASTRA_MIRROR_", "ASTRA_MIRROR_INTERVAL"),
    ],
)
def test_a_misspelt_option(name: str, nearest: str) -> None:
    """It is found with the option that was probably meant."""
    assert _misspelt(name) == [(name, nearest)]


@pytest.mark.parametrize("name", [*OPTIONS, "astra_mirror_interval", "ASTRA_MIRRORS_INTERVAL", "ASTRA_MIRROR"])
def test_what_is_an_option_or_none_of_ours(name: str) -> None:
    """Options are known in any case of letters, and variables of other programs are not looked at."""
    assert _misspelt(name) == []


@pytest.mark.parametrize(
    "name",
    [
        "ASTRA_MIRROR_PORT",
        "ASTRA_MIRROR_PORT_8080_TCP",
        "ASTRA_MIRROR_PORT_8080_TCP_ADDR",
        "ASTRA_MIRROR_PORT_8080_TCP_PORT",
        "ASTRA_MIRROR_PORT_8080_TCP_PROTO",
        "ASTRA_MIRROR_SERVICE_HOST",
        "ASTRA_MIRROR_SERVICE_PORT",
        "ASTRA_MIRROR_SERVICE_PORT_HTTP",
        "ASTRA_MIRROR_METRICS_SERVICE_HOST",
        "ASTRA_MIRROR_METRICS_PORT_9090_UDP_ADDR",
    ],
)
def test_a_service_link(name: str) -> None:
    """What Kubernetes adds for a Service named astra-mirror, or astra-mirror-metrics, is ignored for its name alone."""
    assert _misspelt(name) == []


def test_the_address_of_another_service() -> None:
    """Only its value tells the link to a Service named astra-mirror-http from an option that does not exist."""
    assert _misspelt("ASTRA_MIRROR_HTTP_PORT", "tcp://10.96.0.7:8080") == []
    assert _misspelt("ASTRA_MIRROR_HTTP_PORT", "8080")
