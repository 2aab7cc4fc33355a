"""Which requests to Astra Control go through a proxy: what --proxy-url and --no-proxy say.

The proxy looks the host's name up, so nothing here knows addresses. The connection to the API server has rules of its
own (core/proxies.py), and these options do not concern it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self

from astra_mirror.core.proxies import (
    UnsupportedProxyError,
    basic_authorization,
    checked_proxy,
    secrets_of,
    with_scheme,
    without_credentials,
)
from astra_mirror.core.urls import BaseURL

ENVIRONMENT: Final = "env"
"""The value of --proxy-url that stands for the usual environment variables."""
_SCHEMES: Final = ("http",)
_HAS_PORT: Final = re.compile(r"(\[.*\]|[^:]*):[0-9]+")
_NETWORK: Final = re.compile(r"[0-9a-f.:]+/[0-9]+")
_HTTPS_PROXY: Final = (
    "{source} is an https:// proxy, which is not supported, because the TLS settings of a Secret would apply to the "
    "proxy's certificate as well: use the proxy's http:// port"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: `http://host[:port]`, without the user name and the password.
        authorization: the value of the header Proxy-Authorization; None without a user name.
        secrets: what must not be shown.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str, source: str) -> Self:
        """Parse the URL of a proxy.

        Args:
            text: the URL.
            source: where it is from, for the message.

        Raises:
            UnsupportedProxyError: it is none. The message quotes nothing of it, because it may have a password.
        """
        text = text.strip()
        if text.lower().startswith("https://"):
            raise UnsupportedProxyError(_HTTPS_PROXY.format(source=source))
        url, user = without_credentials(checked_proxy(text, source, _SCHEMES))
        try:
            # Libraries do not agree on what else might be a host.
            url = str(BaseURL.parse(url))
        except ValueError as error:
            raise UnsupportedProxyError(f"{source} is no URL of a proxy: {error}") from None
        authorization = None if user is None else basic_authorization(*user)
        return cls(url, authorization, tuple(filter(None, secrets_of(text))))

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Hosts that are connected to directly.

    Attributes:
        host: a DNS name or an IP address, as in `BaseURL.host`.
        port: the port; None for any.
        is_itself: whether it stands for this host.
        is_suffix: whether it stands for the names below it.
    """

    host: str
    port: int | None
    is_itself: bool
    is_suffix: bool

    @classmethod
    def parse(cls, text: str, *, is_variable: bool = False) -> Self:
        """Parse an entry of --no-proxy: a host, `.suffix`, `*.suffix` or an IP address, with or without a port.

        Args:
            text: the entry.
            is_variable: whether it is from NO_PROXY, where a name stands for the names below it as well.

        Raises:
            ValueError: it is none; the message says what an entry looks like.
        """
        entry = text.strip().lower()
        if _NETWORK.fullmatch(entry):
            raise ValueError(f"{entry!r} is a network, and only hosts are known here: write their names or addresses")
        is_suffix = entry.startswith((".", "*."))
        authority = entry.removeprefix("*").removeprefix(".") if is_suffix else entry
        if _address(authority) is not None and ":" in authority:
            authority = f"[{authority}]"
        try:
            url = BaseURL.parse(f"http://{authority}")
        except ValueError:
            url = None
        is_address = url is not None and _address(url.host) is not None
        if url is None or "/" in authority or (is_suffix and is_address):
            # A URL may have a password.
            shown = "an entry" if "@" in text else repr(text)
            raise ValueError(f"{shown} is not a host, .suffix, *.suffix or an IP address, each with an optional :port")
        port = url.port if _HAS_PORT.fullmatch(authority) else None
        return cls(url.host, port, not is_suffix, is_suffix or (is_variable and not is_address))

    def matches(self, url: BaseURL) -> bool:
        """Whether requests to this URL are sent directly."""
        if self.port is not None and self.port != url.port:
            return False
        return (self.is_itself and url.host == self.host) or (self.is_suffix and url.host.endswith(f".{self.host}"))


@dataclass(frozen=True, slots=True)
class Egress:
    """How Astra Control is reached.

    Attributes:
        https: the proxy for https:// URLs, which tunnels; None for a direct connection.
        http: the proxy for http:// URLs, which gets each request in absolute form.
        excluded: what is reached without these.
        ignored: the entries of NO_PROXY that are not used for Astra Control.
    """

    https: Proxy | None = None
    http: Proxy | None = None
    excluded: tuple[Exclusion, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, proxy_url: str | None, no_proxy: Iterable[str], environment: Mapping[str, str]) -> Self:
        """What the options say.

        Args:
            proxy_url: the value of --proxy-url.
            no_proxy: the values of --no-proxy.
            environment: the process's environment variables.

        Raises:
            ValueError: a proxy is not supported, or an entry is none.
        """
        excluded = tuple(map(Exclusion.parse, no_proxy))
        if proxy_url is None:
            return cls()
        if proxy_url.strip() == ENVIRONMENT:
            return cls._from_environment(excluded, environment)
        try:
            proxy = Proxy.parse(proxy_url, "it")
        except UnsupportedProxyError as error:
            raise UnsupportedProxyError(
                f"{error}; or env, for the proxies that HTTPS_PROXY and HTTP_PROXY name"
            ) from None
        return cls(proxy, proxy, excluded)

    @classmethod
    def _from_environment(cls, excluded: tuple[Exclusion, ...], environment: Mapping[str, str]) -> Self:
        https, http = (_from_variable(name, environment) for name in ("HTTPS_PROXY", "HTTP_PROXY"))
        entries = [each.strip() for each in _variable("NO_PROXY", environment).split(",") if each.strip()]
        if "*" in entries:
            return cls()
        known, ignored = list(excluded), []
        for each in entries:
            try:
                known.append(Exclusion.parse(each, is_variable=True))
            except ValueError:
                ignored.append(each)
        return cls(https, http, tuple(known), tuple(ignored))

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """The proxies, each once."""
        return tuple(dict.fromkeys(each for each in (self.https, self.http) if each is not None))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of the proxies."""
        return tuple(secret for each in self.proxies for secret in each.secrets)

    def proxy_for(self, url: BaseURL) -> Proxy | None:
        """The proxy that a request to this URL goes through; None for a direct connection."""
        proxy = self.https if url.scheme == "https" else self.http
        return None if any(each.matches(url) for each in self.excluded) else proxy


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _from_variable(name: str, environment: Mapping[str, str]) -> Proxy | None:
    value = _variable(name, environment).strip()
    return Proxy.parse(with_scheme(value), name) if value else None


def _address(host: str) -> object:
    try:
        return ip_address(host)
    except ValueError:
        return None
