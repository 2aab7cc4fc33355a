"""What a Secret of a soak may hold, by name, and what the contract says of it.

A Secret carries the name of its content in a label, so that at the end it is known what each has to lead to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from dev.hostile import contents as hostile

ALLOWED_SUFFIX: Final = "soak.test"
"""Any name that ends so is allowed, and there is none: strange spellings of such are refused for what they are."""
KIND_LABEL: Final = "soak/content"
TOKEN_LABEL: Final = "soak/token"
TOKENS: Final = 4
_INVALID: Final = frozenset({"SecretInvalid"})
_REFUSED: Final = frozenset({"SecretInvalid", "URLNotAllowed"})
Keys = Mapping[str, str]


def token_of(number: int, seed: int) -> str:
    """A token; long enough to be recognised wherever it shows up."""
    return f"soak-token-{seed}-{number}-5f0c8a4e9a55"


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses that Secrets may name, and certificates in PEM format.

    `raw` answers with what is hardly HTTP, with a token in it; `held` holds its lists; `echo` refuses each request and
    repeats its token; at `closed` nobody listens.
    """

    plain: str
    tls: str
    raw: str
    held: str
    echo: str
    closed: str
    authority: str
    certificate: str
    other_authority: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of content: its keys, made of the addresses and a token; and the reasons of Synced that it may lead to.

    No reasons: it is good, and the simulator decides. `is_vague`: Astra Control's answer is not the simulator's.
    """

    keys: Callable[[Places, str], Keys]
    reasons: frozenset[str] = frozenset()
    is_vague: bool = False


def _toolkit(places: Places, token: str) -> Keys:
    project = places.tls.removeprefix("https://")
    return {"config.yaml": f"headers: {{Authorization: Bearer {token}}}\nastra_project: {project}\nverifySSL: false\n"}


def _tls(places: Places, token: str) -> dict[str, str]:
    return {"url": places.tls, "token": token, "ca.crt": places.authority}


GOOD: Final[Mapping[str, Kind]] = {
    "plain": Kind(lambda places, token: {"url": places.plain, "token": token}),
    "newlines": Kind(lambda places, token: {"url": f"{places.plain}\n", "token": f"{token}\n"}),
    "padded": Kind(lambda places, token: {"url": places.plain, "token": token, "padding": "x" * 600_000}),
    "tls": Kind(_tls),
    "tls-own": Kind(lambda places, token: _tls(places, token) | {"ca.crt": places.certificate}),
    "tls-both": Kind(lambda places, token: _tls(places, token) | {"ca.crt": places.authority + places.other_authority}),
    "toolkit": Kind(_toolkit),
    "both": Kind(lambda places, token: {"url": places.plain, "token": token, "config.yaml": "["}),
}
BAD: Final[Mapping[str, Kind]] = {
    "tls-wrong": Kind(
        lambda places, token: _tls(places, token) | {"ca.crt": places.other_authority},
        frozenset({"TLSVerificationFailed"}),
    ),
    "tls-none": Kind(lambda places, token: {"url": places.tls, "token": token}, frozenset({"TLSVerificationFailed"})),
    "closed": Kind(lambda places, token: {"url": places.closed, "token": token}, frozenset({"Unreachable"})),
    "raw": Kind(
        lambda places, token: {"url": places.raw, "token": token},
        frozenset({"Unreachable", "UnexpectedResponse"}),
    ),
    "foreign": Kind(
        lambda _, token: {"url": "https://astra.example.com", "token": token}, frozenset({"URLNotAllowed"})
    ),
    "no-url": Kind(lambda _, token: {"token": token}, _INVALID),
    "no-token": Kind(lambda places, _: {"url": places.plain}, _INVALID),
    "short-token": Kind(lambda places, _: {"url": places.plain, "token": "short"}, _INVALID),
    "empty": Kind(lambda _, __: {}, _INVALID),
    "large-pem": Kind(lambda _, __: hostile.certificates(12_000), _INVALID),
    "brackets": Kind(lambda _, __: hostile.brackets(2000), _INVALID),
    "items": Kind(lambda _, __: hostile.items(400_000), _INVALID),
}


def _refused(keys: Keys) -> Kind:
    return Kind(lambda _, __: keys, _REFUSED)


HOSTILE: Final[Mapping[str, Kind]] = {
    **{f"unreadable-{name}": _refused(keys) for name, keys in hostile.UNREADABLE.items()},
    **{f"typed-{name}": _refused(keys) for name, keys in hostile.TYPED.items()},
    **{
        f"url-{number}": _refused({"url": url.replace("netapp.io", ALLOWED_SUFFIX), "token": hostile.TOKEN})
        for number, url in enumerate(hostile.STRANGE_URLS)
    },
}
VAGUE: Final[Mapping[str, Kind]] = {
    "held": Kind(lambda places, token: {"url": places.held, "token": token}, is_vague=True),
}
"""Its lists are held for seconds, and a single backup is always running."""
ECHO: Final[Mapping[str, Kind]] = {
    "echo": Kind(lambda places, token: {"url": places.echo, "token": token}, frozenset({"Unauthorized"})),
}
"""Of the gallery alone: of two refs with such a Secret one is held back, and two operators may differ as to which."""
KINDS: Final[Mapping[str, Kind]] = {**GOOD, **BAD, **HOSTILE, **VAGUE, **ECHO}


def next_kind(random: Random) -> str:
    """A content for an ordinary tenant: mostly good."""
    if random.random() < 0.7:
        return random.choice(sorted(GOOD))
    return random.choice(sorted(BAD if random.random() < 0.6 else HOSTILE))
