"""The operator's own credentials are registered as values to hide, in each form in which a server may show them."""

import base64
from dataclasses import replace
from typing import Final

import pytest

from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig
from astra_mirror.observability.hidden_values import HiddenValues
from tests.cluster.fake import config

_TOKEN: Final = "abcdefgh.token-of-the-operator"
_PASSWORD: Final = "pass:word/of?the#operator"
_BASIC: Final = base64.b64encode(f"me:{_PASSWORD}".encode()).decode()
_CONFIG: Final = config("http://kube.example", f"Bearer {_TOKEN}")


@pytest.mark.parametrize(
    ("authorization", "secrets"),
    [
        (f"Bearer {_TOKEN}", [_TOKEN]),
        (f"bearer {_TOKEN}\n", [_TOKEN]),
        (f"Basic {_BASIC}", [_BASIC, _PASSWORD]),
    ],
)
async def test_credentials_are_hidden_before_they_are_used(authorization: str, secrets: list[str]) -> None:
    """The first ones and the renewed ones, and the previous ones still."""
    hidden = HiddenValues()
    first = replace(_CONFIG, authorization=authorization)

    async def load() -> ClusterConfig:
        return replace(first, authorization="Bearer the-next-token", proxy="http://me:another-password@p")

    def in_use(config: ClusterConfig) -> None:
        assert hidden.redact(config.authorization or "") == "Bearer [hidden]"

    credentials = Credentials(first, load, in_use, hidden)
    assert await credentials._renew(first)
    sent = base64.b64encode(b"me:another-password").decode()
    for value in (*secrets, "the-next-token", "another-password", sent):
        assert value not in hidden.redact(f"refused: {value}.")


async def test_credentials_in_use_stay_hidden() -> None:
    """However often others are renewed, and if none of the new ones is accepted; those of a proxy are used for ever."""
    first = replace(_CONFIG, proxy="http://me:the-password@p")
    sent = base64.b64encode(b"me:the-password").decode()
    hidden, number = HiddenValues(), 0

    async def load() -> ClusterConfig:
        nonlocal number
        number += 1
        return replace(first, authorization=f"Bearer token-number-{number}", proxy=None)

    def on_renewal(_: ClusterConfig) -> None:
        if number > 40:
            raise OSError("no certificate")

    credentials = Credentials(first, load, on_renewal, hidden)
    for _ in range(80):
        credentials._tried_at = float("-inf")
        await credentials._renew(credentials._config)
        used = (credentials._config.authorization or "").removeprefix("Bearer ")
        assert hidden.redact(f"the-password {sent} {used}") == "[hidden] [hidden] [hidden]"
    assert used == "token-number-40"


@pytest.mark.parametrize(
    ("user_info", "shown"),
    [
        ("glpat-proxytoken-0123456789", "glpat-proxytoken-0123456789"),
        ("glpat-proxytoken-0123456789:x-oauth-basic", "glpat-proxytoken-0123456789"),
        ("t0ken-1234", "t0ken-1234"),
        ("me:p%c3%a4ssw%c3%b6rt%2fgeheim", "me:p%c3%a4ssw%c3%b6rt%2fgeheim"),
    ],
)
def test_the_user_info_of_a_proxy(user_info: str, shown: str) -> None:
    """A token may be the user name; the password is hidden as the kubeconfig has it, too."""
    hidden = HiddenValues()
    _credentials(replace(_CONFIG, proxy=f"http://{user_info}@p"), hidden)
    assert hidden.redact(f"407 {shown} is refused") in {"407 [hidden] is refused", "407 me:[hidden] is refused"}


def test_a_user_name_for_a_proxy_is_no_secret() -> None:
    """It is shown, because it says whose password is wrong."""
    hidden = HiddenValues()
    _credentials(replace(_CONFIG, proxy="http://operator-1:the-password@p"), hidden)
    assert hidden.redact("407 operator-1 the-password") == "407 operator-1 [hidden]"


def test_the_header_in_base64() -> None:
    """A program that logs headers in this way encodes the whole value."""
    hidden = HiddenValues()
    _credentials(_CONFIG, hidden)
    assert hidden.redact(base64.b64encode(f"Bearer {_TOKEN}".encode()).decode()) == "[hidden]"


def _credentials(config: ClusterConfig, hidden: HiddenValues) -> Credentials:
    async def load() -> ClusterConfig:
        return config

    return Credentials(config, load, lambda _: None, hidden)
