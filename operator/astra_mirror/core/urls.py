"""Which hosts the operator may call: the administrator's list, against URLs that Secret authors write.

Without such a list, anyone who may write a Secret and a ref could make the operator, with its place in the network,
send requests to any address.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE | re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A remote's address: `scheme://host[:port]`, without a path. `host` is in lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @classmethod
    def parse(cls, text: str) -> "BaseURL":
        """Read a URL as a Secret holds it.

        Raises:
            ValueError: it is no such URL; the message says what is wrong with it, and never quotes it: where a URL
                should be, somebody may have written a token or a password.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("it is not a URL, such as https://astra.netapp.io") from None
        _check(text, parts)
        return cls(parts.scheme, (parts.hostname or "").lower(), port or _PORTS[parts.scheme])


def _check(text: str, parts: SplitResult) -> None:
    if parts.scheme not in _PORTS:
        raise ValueError("it must start with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not contain a user name or a password")
    if not parts.hostname or not text.isascii() or any(mark.isspace() for mark in text):
        raise ValueError("it names no host")
    if ":" not in parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ValueError("its host is no DNS name or address")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"it must end after the host and port: write {parts.scheme}://{parts.netloc}")


@dataclass(frozen=True, slots=True)
class AllowedURL:
    """One entry of --allowed-url: `scheme://host[:port]`, where the host may start with `*.` for one label or more."""

    base: BaseURL
    wildcard: bool

    @classmethod
    def parse(cls, text: str) -> "AllowedURL":
        """Read an entry.

        Raises:
            ValueError: it is not one; the message says what one looks like.
        """
        scheme, mark, rest = text.strip().partition("://")
        wildcard = rest.startswith("*.")
        host = rest.removeprefix("*.")
        if not mark or "*" in host or "/" in host:
            raise ValueError(f"{text!r} is not scheme://host[:port], such as https://*.netapp.io")
        try:
            base = BaseURL.parse(f"{scheme.lower()}://{host}")
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from error
        if wildcard and (base.host.rpartition(".")[2].isdigit() or ":" in base.host):
            raise ValueError(f"{text!r}: addresses have no sub-domains, write each of them out")
        return cls(base, wildcard)

    def allows(self, url: BaseURL) -> bool:
        """Whether `url` is one that this entry names."""
        if (url.scheme, url.port) != (self.base.scheme, self.base.port):
            return False
        return url.host.endswith(f".{self.base.host}") if self.wildcard else url.host == self.base.host

    def names(self, host: str) -> bool:
        """Whether the entry names that very host, so that it may be at a loopback or link-local address."""
        return not self.wildcard and self.base.host == host

    def __str__(self) -> str:
        text = str(self.base)
        return text.replace("://", "://*.", 1) if self.wildcard else text
