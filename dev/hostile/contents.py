"""Contents of Secrets that cost more than their size, or that a parser stumbles over. A Secret may have 1 MiB."""

from collections.abc import Mapping
from typing import Final

_URL: Final = "https://astra.netapp.io"
TOKEN: Final = "a-token-of-some-length"
"""The token in all of these that have one."""


def toolkit(project: str, *, more: str = "") -> Mapping[str, str]:
    """A config.yaml with this, as it stands, for its astra_project."""
    text = f"headers: {{Authorization: Bearer {TOKEN}}}\nastra_project: {project}\n{more}"
    return {"config.yaml": text}


def certificates(number: int) -> Mapping[str, str]:
    """A ca.crt of nothing but beginnings of certificates, 27 bytes each."""
    return {"url": _URL, "token": TOKEN, "ca.crt": "-----BEGIN CERTIFICATE-----" * number}


def brackets(number: int) -> Mapping[str, str]:
    """A config.yaml nested that deeply."""
    return {"config.yaml": "[" * number}


def items(number: int) -> Mapping[str, str]:
    """A config.yaml with a list of so many items, in two bytes each."""
    return toolkit("[" + "a," * number + "a]")


UNREADABLE: Final[Mapping[str, Mapping[str, str]]] = {
    # What YAML's own reader raises no error of its own for.
    "beyond-unicode": toolkit('"\\U00110000"'),
    "beyond-c": toolkit('"\\UFFFFFFFF"'),
    "just-beyond-c": toolkit('"\\U80000000"'),
    "surrogate": toolkit('"\\ud800"'),
    "tag": toolkit("!!python/object/apply:os.getpid []"),
    "recursive": toolkit("&a [*a]"),
    "nul": {"config.yaml": "astra_project: \x00"},
    "no-mapping": {"config.yaml": "just words"},
    "tab": {"config.yaml": "\tastra_project: x"},
    "deep-flow": toolkit("{a: " * 400),
    "deep-block": {"config.yaml": "".join(" " * each + "a:\n" for each in range(300))},
}
"""Contents of config.yaml that name no connection at all, each of a kind."""

TYPED: Final[Mapping[str, Mapping[str, str]]] = {
    "no-such-day": toolkit("2001-99-99"),
    "no-such-hour": toolkit("2001-01-01t99:99:99Z"),
    "digits": toolkit("1" * 5000),
    "sexagesimal": toolkit("1" + ":59" * 2000),
    "float": toolkit("1e99999"),
    "int-tag": toolkit("!!int x"),
    "binary": toolkit("!!binary x"),
    "merge": toolkit("x", more="<<: 3\n"),
    "list-key": toolkit("x", more="? [a]\n: b\n"),
    "second-document": toolkit("x", more="---\nx\n"),
}
"""Contents that break where YAML's types are resolved; where they are not, some name a host, which is not allowed."""

STRANGE_URLS: Final = (
    "https://[::1%x.netapp.io]",
    "https://[v1.a:b.netapp.io]",
    "https://xn--a.netapp.io",
    "https://[::1].netapp.io",
    "https://a.netapp.io:0",
    "https://a.netapp.io:99999",
    "https://a.netapp.io:",
    "https://user@a.netapp.io",
    "https://a.netapp.io\\@b.example",
    "https://b.example#.netapp.io",
    "https://b.example%2f.netapp.io",
    "https://..netapp.io",
    "https://" + "a" * 64 + ".netapp.io",
    "https://\u2024netapp.io",
    "https://\uff0enetapp.io",
)
"""URLs that no request may be made to, though most of them end as an allowed one does."""
