"""The options, defined once for the command line, the environment variables, the help text and the validation."""

import os
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from astra_mirror.core.egress import Egress
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.urls import AllowedURL
from astra_mirror.support.ca_file import read_ca_file
from astra_mirror.support.durations import Seconds

ENV_PREFIX: Final = "ASTRA_MIRROR_"


def _list(value: object) -> object:
    """A list of strings, from one string or several, each of which may have commas."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return [part.strip() for each in value for part in str(each).split(",")]
    return value


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


def _proxy_url(url: SecretStr) -> SecretStr:
    Egress.parse(url.get_secret_value(), (), os.environ)
    return url


def _no_proxy(entries: list[str]) -> list[str]:
    Egress.parse(None, entries, os.environ)
    return entries


def _ca_file(path: str) -> str:
    read_ca_file(path)
    return path


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
    proxy_url: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = _option(
        None,
        "Proxy for requests to Astra Control, http://[user:password@]host:port; env: as HTTPS_PROXY, HTTP_PROXY and "
        "NO_PROXY say; none when left out",
        "URL|env",
    )
    no_proxy: Annotated[list[str], BeforeValidator(_list), AfterValidator(_no_proxy), NoDecode] = _option(
        [],
        "Host that is connected to without the proxy: a name, .suffix, *.suffix or an IP address, with an optional "
        ":port; may be repeated",
        "HOST",
    )
    ca_file: Annotated[str, AfterValidator(_ca_file)] | None = _option(
        None,
        "File with certificate authorities, in PEM, to trust for Astra Control in addition to the public ones; it is "
        "read again when it changes",
        "FILE",
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
    log_level: Literal["debug", "info", "warning", "error"] = _option(
        "info", "Least level that is logged", "debug|info|warning|error"
    )
    log_format: Literal["text", "json"] = _option("text", "Format of the log", "text|json")

    @property
    def pace(self) -> Pace:
        """The polling intervals."""
        return Pace(self.interval, self.settled_interval, self.stale_after, self.monitor_interval)

    @property
    def allowed(self) -> tuple[AllowedURL, ...]:
        """The values of --allowed-url, parsed."""
        return tuple(map(AllowedURL.parse, self.allowed_url))

    @property
    def egress(self) -> Egress:
        """The values of --proxy-url and --no-proxy, parsed."""
        url = None if self.proxy_url is None else self.proxy_url.get_secret_value()
        return Egress.parse(url, self.no_proxy, os.environ)
