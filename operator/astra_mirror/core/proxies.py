"""Which proxy to use for the API server, from HTTPS_PROXY and NO_PROXY as Go programs such as kubectl read them.

An operator that read these variables differently would fail where kubectl works. The rules are those of
golang.org/x/net/http/httpproxy: CIDR networks, host names with their sub-domains, ports, and no proxy for localhost.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PROXY_SCHEMES: Final = ("http", "https")
_MAX_NAME_LENGTH: Final = 253
_TOKEN_LENGTH: Final = 16
"""From this length on, the user name is taken for a token: it may have a password that means nothing."""

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


class UnsupportedProxyError(ValueError):
    """The proxy is of a kind that is not supported; the message says which kinds are."""


def proxy_for(server: str, kubeconfig: str | None, environment: Mapping[str, str]) -> str | None:
    """The URL of the proxy for the API server at `server`; None for a direct connection.

    Args:
        server: the API server's URL.
        kubeconfig: the cluster's proxy-url, which takes precedence over the environment.
        environment: the process's environment variables.

    Raises:
        UnsupportedProxyError: the proxy is not an HTTP proxy, or its URL is none.
    """
    if kubeconfig:
        return checked_proxy(kubeconfig, "the kubeconfig's proxy-url")
    scheme = urlsplit(server).scheme
    name = f"{scheme}_proxy"
    proxy = environment.get(name.upper()) or environment.get(name)
    excluded = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not proxy or not _uses_proxy(server, excluded):
        return None
    return checked_proxy(with_scheme(proxy), name.upper())


def with_scheme(proxy: str) -> str:
    """The value of a proxy variable as a URL: its scheme may be left out."""
    return proxy if "://" in proxy else f"http://{proxy}"


def without_credentials(proxy: str) -> tuple[str, tuple[str, str] | None]:
    """The URL of a proxy without its user name and password, and these two; None when it has none.

    A client library quotes the URL of a proxy in the text of an error.
    """
    parts = urlsplit(proxy)
    credentials, at, address = parts.netloc.rpartition("@")
    if not at:
        return proxy, None
    name, _, password = credentials.partition(":")
    return parts._replace(netloc=address).geturl(), (unquote(name), unquote(password))


def basic_authorization(name: str, password: str) -> str:
    """The value of the header Proxy-Authorization."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def secrets_of(proxy: str) -> Iterator[str]:
    """The password in the URL of a proxy, or the token that is its user name, as it is and as it is sent."""
    _, credentials = without_credentials(proxy)
    if credentials is None:
        return
    name, password = credentials
    yield password
    yield basic_authorization(name, password).partition(" ")[2]
    if len(name) >= _TOKEN_LENGTH or not password:
        yield name


def is_host_name(name: str) -> bool:
    """Whether this can be looked up and asked for in TLS: of others, the libraries' errors are of unforeseen kinds."""
    if not 0 < len(name) <= _MAX_NAME_LENGTH or name.startswith(".") or " " in name or not name.isprintable():
        return False
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


def checked_proxy(proxy: str, source: str, schemes: Sequence[str] = _PROXY_SCHEMES) -> str:
    """`proxy`, if it is the URL of a proxy.

    Args:
        proxy: the URL.
        source: where it is from, for the message.
        schemes: which kinds of proxies are supported.

    Raises:
        UnsupportedProxyError: it is none, or of another kind. The message quotes nothing of it.
    """
    try:
        proxy.encode()
        parts = urlsplit(proxy)
        is_proxy = parts.scheme.lower() in schemes and is_host_name(parts.hostname or "") and parts.port != 0
        # What follows the host may be the rest of a password, and what precedes it another part, read as host and port.
        is_proxy = is_proxy and parts.path in {"", "/"} and not {*"?#"} & {*proxy}
    except ValueError:
        is_proxy = False
    # Quote nothing of the URL: it may have a password.
    if not is_proxy:
        raise UnsupportedProxyError(
            f"{source} must be an {' or '.join(f'{each}://' for each in schemes)} URL of a valid host, without a path, "
            "a query and a fragment; in its user info, write / as %2F, ? as %3F and # as %23"
        )
    if ":" in unquote(parts.username or ""):
        raise UnsupportedProxyError(f"{source} has a user name with a colon, which basic authentication cannot send")
    return proxy


def _uses_proxy(server: str, excluded: str) -> bool:
    parts = urlsplit(server)
    host = (parts.hostname or "").rstrip(".")
    port = str(parts.port or _DEFAULT_PORTS.get(parts.scheme))
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    return not any(_matches(entry.strip().lower(), host, port, address) for entry in excluded.split(","))


def _matches(entry: str, host: str, port: str, address: _Address | None) -> bool:
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        return address is not None and address in network
    name, entry_port = _split(entry)
    if not name or (entry_port and entry_port != port):
        return False
    if (entry_address := _address(name)) is not None:
        return entry_address == address
    # `.example.com` and `*.example.com` match sub-domains only, `example.com` matches itself as well.
    name = name[1:] if name.startswith("*.") else name
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split(entry: str) -> tuple[str, str]:
    """The host of an entry, without brackets, and its port, "" for any port."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = entry.rpartition(":")
    return (host, port) if colon and ":" not in host else (entry, "")


def _network(entry: str) -> _Network | None:
    _, slash, bits = entry.partition("/")
    if not slash or not bits.isdecimal():
        return None
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def _address(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
