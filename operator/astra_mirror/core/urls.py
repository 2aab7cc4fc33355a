"""Which hosts the operator may call: checks the URLs in Secrets against the administrator's --allowed-url.

Without that list, anyone who may write a Secret and a ref could make the operator send requests to any address that it
can reach.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_AFTER_AUTHORITY: Final = re.compile(r"[/?#]")
_PORTS: Final = {"https": 443, "http": 80}
_MAX_LENGTH: Final = 2048


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A remote's address: `scheme://host[:port]`, without a path.

    `host` is a DNS name in lower case, an IPv4 address of four decimal numbers or an IPv6 address in its shortest form,
    without brackets. So each host has one spelling, and the URL that is compared with --allowed-url is the URL that is
    called.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host, with the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @classmethod
    def parse(cls, text: str) -> "BaseURL":
        """Parse a URL from a Secret.

        A URL that libraries might read in different ways is refused: odd spellings of addresses, zones, a dot or a
        colon at the end, backslashes, names that are not valid IDNA.

        Raises:
            ValueError: the text is not such a URL. The message says why, and quotes nothing but a valid host, because
                the text may be a token or a password.
        """
        if len(text) > _MAX_LENGTH:
            raise ValueError(f"it has more than {_MAX_LENGTH} characters")
        scheme, mark, rest = text.partition("://")
        scheme = scheme.lower()
        if not mark or scheme not in _PORTS:
            raise ValueError("it must start with https://")
        authority = _AFTER_AUTHORITY.split(rest, maxsplit=1)[0]
        host, port = _split(authority, _PORTS[scheme])
        url = cls(scheme, _host(host), port)
        if rest[len(authority) :] not in {"", "/"}:
            raise ValueError(f"it must end after the host and port: write {url}")
        return url


def _split(authority: str, default: int) -> tuple[str, int]:
    """The host and the port. A colon within brackets belongs to an IPv6 address."""
    _, user, address = authority.rpartition("@")
    host, colon, port = address.rpartition(":")
    if not colon or "]" in port:
        host, port = address, str(default)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError("it is not a URL, such as https://astra.netapp.io: its port is not a number from 1 to 65535")
    if user:
        raise ValueError("it must not contain a user name or a password")
    if not host or not host.isascii() or any(mark.isspace() for mark in host):
        raise ValueError("it names no host")
    return host, int(port)


def _host(text: str) -> str:
    text = text.lower()
    try:
        if text.startswith("[") and text.endswith("]"):
            return _ipv6(text[1:-1])
        if _NUMBER.fullmatch(text.rpartition(".")[2]):
            # As the WHATWG URL standard does: some libraries read 127.1 and 0x7f.1 as addresses, others as names.
            return str(IPv4Address(text))
        if _NAME.fullmatch(text) and _is_known_to_idna(text):
            return text
    except AddressValueError:
        pass
    raise ValueError("its host is no DNS name or address")


def _ipv6(text: str) -> str:
    # A zone has no meaning outside of one machine, and may contain anything, also the end of an allowed name.
    if "%" in text:
        raise AddressValueError
    return str(IPv6Address(text))


def _is_known_to_idna(name: str) -> bool:
    """Whether an internationalised name can be decoded; one that cannot is refused before it is looked up."""
    if not any(label.startswith("xn--") for label in name.split(".")):
        return True
    try:
        idna.decode(name)
    except UnicodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class AllowedURL:
    """One entry of --allowed-url: `scheme://host[:port]`, where the host may start with `*.` for one label or more."""

    base: BaseURL
    wildcard: bool

    @classmethod
    def parse(cls, text: str) -> "AllowedURL":
        """Parse an entry. A slash may follow it, as in what people copy out of a browser.

        Raises:
            ValueError: the text is not an entry; the message says what one looks like.
        """
        scheme, mark, rest = text.strip().partition("://")
        wildcard = rest.startswith("*.")
        host = rest.removeprefix("*.").removesuffix("/")
        if not mark or "*" in host or "/" in host:
            raise ValueError(f"{text!r} is not scheme://host[:port], such as https://*.netapp.io")
        if wildcard and _is_of_an_address(host):
            raise ValueError(f"{text!r}: addresses have no sub-domains, write each of them out")
        try:
            base = BaseURL.parse(f"{scheme}://{host}")
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from error
        return cls(base, wildcard)

    def allows(self, url: BaseURL) -> bool:
        """Whether this entry allows `url`."""
        if (url.scheme, url.port) != (self.base.scheme, self.base.port):
            return False
        return url.host.endswith(f".{self.base.host}") if self.wildcard else url.host == self.base.host

    def names(self, host: str) -> bool:
        """Whether the entry names exactly this host, so that it may have a loopback or link-local address."""
        return not self.wildcard and self.base.host == host

    def __str__(self) -> str:
        text = str(self.base)
        return text.replace("://", "://*.", 1) if self.wildcard else text


def _is_of_an_address(authority: str) -> bool:
    name = authority.partition(":")[0].lower()
    return name.startswith("[") or bool(_NUMBER.fullmatch(name.rpartition(".")[2]))
