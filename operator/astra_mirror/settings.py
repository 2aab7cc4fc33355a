"""The options, defined once for the command line, the environment variables, the help text and the validation."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.urls import AllowedURL
from astra_mirror.support.durations import Seconds

ENV_PREFIX: Final = "ASTRA_MIRROR_"


def _list(value: object) -> object:
    """A list of strings, from one string or several, each of which may have commas."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return [part.strip() for each in value for part in str(each).split(",")]
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than nothing")
    return seconds


def _at_least_a_second(seconds: float) -> float:
    if seconds < 1:
        raise ValueError("must be at least 1s")
    return seconds


def _interval_of_monitors(seconds: float) -> float:
    if not 10 <= seconds <= 86_400:
        raise ValueError("must be from 10s to 24h")
    return seconds


def _namespace(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        raise ValueError(f"{name!r} is no name of a namespace: lower-case letters, digits and hyphens, 63 at most")
    return name


def _allowed_urls(texts: list[str]) -> list[str]:
    for text in texts:
        AllowedURL.parse(text)
    return texts


def _shard(text: str) -> str:
    Shard.parse(text)
    return text


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text!r} is not HOST:PORT, such as :8080, 127.0.0.1:8080 or [::1]:8080")
    return text


_Interval = Annotated[Seconds, AfterValidator(_at_least_a_second)]
_Namespace = Annotated[str, AfterValidator(_namespace)]


def _option(default: Any, description: str, metavar: str = "") -> Any:  # noqa: ANN401 - as pydantic's Field
    """A field with a default, a description, and the name of its value in the help text."""
    return Field(
        default=default, description=description, json_schema_extra={"metavar": metavar}, validate_default=True
    )


class Settings(BaseSettings):
    """The options of `astra-mirror run`. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True)

    namespace: Annotated[list[_Namespace], BeforeValidator(_list), NoDecode] = _option(
        [], "Namespace to look after; may be repeated; all of them when left out", "NAME"
    )
    interval: _Interval = _option("15s", "Time between polls of a backup that is not settled", "DURATION")
    settled_interval: _Interval = _option(
        "15m", "Time between polls of a backup that has completed, failed or is gone", "DURATION"
    )
    monitor_interval: Annotated[Seconds, AfterValidator(_interval_of_monitors)] = _option(
        "5m", "Time between two reads of the list of an app that a monitor looks at, from 10s to 24h", "DURATION"
    )
    stale_after: _Interval = _option(
        "15m", "Age at which an observation no longer counts; never less than three intervals", "DURATION"
    )
    allowed_url: Annotated[list[str], BeforeValidator(_list), AfterValidator(_allowed_urls), NoDecode] = _option(
        ["https://*.netapp.io"],
        "Address that Secrets may name, scheme://host[:port]; the host may start with *.; may be repeated",
        "URL",
    )
    http_address: Annotated[str, AfterValidator(_address)] = _option(
        ":8080",
        "Where /healthz, /readyz and /metrics are served; without a host, at all addresses of both families",
        "HOST:PORT",
    )
    leader_elect: bool = _option(False, "Work only while holding a Lease")
    lease_namespace: _Namespace | None = _option(
        None, "Namespace of the Lease; the pod's own when left out, else astra-mirror-system", "NAME"
    )
    shard: Annotated[str, AfterValidator(_shard)] = _option(
        "0/1", "Look after the I-th of N parts of the apps, I from 0 to N-1", "I/N"
    )
    request_timeout: Annotated[Seconds, AfterValidator(_positive)] = _option(
        "10s", "Time that one request to Astra Control may take in all", "DURATION"
    )
    require_tls_verification: bool = _option(
        False, "Refuse Secrets that switch the verification of Astra Control's certificate off"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = _option(
        "info", "Least level that is logged", "debug|info|warning|error"
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = _option(
        "text", "Format of the log", "text|json"
    )

    @property
    def pace(self) -> Pace:
        """The polling intervals."""
        return Pace(self.interval, self.settled_interval, self.stale_after, self.monitor_interval)

    @property
    def allowed(self) -> tuple[AllowedURL, ...]:
        """The values of --allowed-url, parsed."""
        return tuple(map(AllowedURL.parse, self.allowed_url))
