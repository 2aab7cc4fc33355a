"""The lines as people and programs read them."""

import pytest

from astra_mirror.core.journal.breakers import Closed, Opened
from astra_mirror.core.journal.connections import Answers, Change, Closes, Fails, Recovers
from astra_mirror.core.journal.line import Users
from astra_mirror.core.journal.texts import Server, breaker_line, connection_line, list_line, secret_line
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import BaseURL

URL = BaseURL.parse("https://acc.example:8443")
SERVER = Server(URL)
SOME = Users(12, 1, frozenset({"shop", "pay"}))
AT, WHOM = "Astra Control at https://acc.example:8443", "12 refs and 1 monitor in 2 namespaces"
ONE = Users(1, 0, frozenset({"shop"}))
AWAY = Failed(SyncReason.UNREACHABLE, "https://acc.example:8443: no response within 10s.")
REFUSED = Failed(SyncReason.UNAUTHORIZED, "Astra Control refused the token (401): Unauthorized.", correlation_id="c-1")


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        (
            Answers(),
            "info",
            f"{AT} answers, for {WHOM}",
        ),
        (
            Fails(AWAY, opens=False),
            "warning",
            (f"{AT} fails, for {WHOM}. Unreachable: https://acc.example:8443: no response within 10s."),
        ),
        (
            Fails(REFUSED, opens=True),
            "warning",
            (
                f"{AT} fails and its circuit breaker opens, for {WHOM}. Unauthorized: Astra Control refused the token "
                "(401): Unauthorized. (correlationID c-1) One request a minute is sent until one succeeds"
            ),
        ),
        (
            Recovers(75.4, closes=False),
            "info",
            f"{AT} answers again after 1m15s, for {WHOM}",
        ),
        (
            Recovers(60, closes=True),
            "info",
            f"{AT} answers again after 1m and its circuit breaker closes, for {WHOM}",
        ),
        (
            Closes(AWAY),
            "warning",
            (
                f"The circuit breaker of https://acc.example:8443 closes, but requests fail, for {WHOM}. "
                "Unreachable: https://acc.example:8443: no response within 10s."
            ),
        ),
    ],
)
def test_a_connection(change: Change, level: str, text: str) -> None:
    """With the reason, the host, and whom it concerns; the same as fields."""
    line = connection_line(change, SERVER, SOME)
    assert (line.level, line.text) == (level, text)
    failure = change.failure if isinstance(change, Fails | Closes) else None
    assert line.fields == {
        "host": "acc.example:8443",
        "connection": 1,
        "refs": 12,
        "monitors": 1,
        "namespaces": ["pay", "shop"],
        **({"reason": failure.reason} if failure else {}),
    }


def test_two_connections_to_one_host() -> None:
    """They are told apart by a number."""
    first, second = (Server(URL, number, has_others=True) for number in (1, 2))
    assert "https://acc.example:8443 (connection 1) answers" in connection_line(Answers(), first, ONE).text
    line = connection_line(Answers(), second, ONE)
    assert line.text == f"{AT} (connection 2) answers, for 1 ref in the namespace shop"
    assert line.fields["connection"] == 2


def test_a_breaker() -> None:
    """Of an account, of an app, or of the lists that monitors read."""
    app = breaker_line(Opened(Collection("acc-1", "app-1"), REFUSED), SERVER, ONE)
    assert app.text.startswith(
        "The circuit breaker of the app app-1 at https://acc.example:8443 opens, for 1 ref in the name"
    )
    assert (app.fields["account"], app.fields["app"], app.fields["reason"]) == ("acc-1", "app-1", "Unauthorized")
    account = breaker_line(Closed("acc-1", 120), SERVER, ONE)
    assert account.text == (
        "The circuit breaker of the account acc-1 at https://acc.example:8443 closes after 2m, for 1 ref in the "
        "namespace shop"
    )
    assert account.fields["account"] == "acc-1"
    lists = breaker_line(Opened(None, REFUSED), SERVER, Users(0, 2, frozenset({"shop"})), is_of_lists=True)
    assert "The circuit breaker of the lists of all apps at" in lists.text
    assert "opens, for 2 monitors in the namespace shop" in lists.text


def test_a_list() -> None:
    """Of an app or of an account, with the name that it has in the metrics."""
    given_up = list_line(Collection("acc-1", "app-1"), SERVER, SOME, AWAY)
    assert given_up.level == "warning"
    assert "The list of the backups of the app app-1 at https://acc.example:8443 is given up" in given_up.text
    assert (given_up.fields["list"], given_up.fields["app"], given_up.fields["reason"]) == (
        "app_backups",
        "app-1",
        "Unreachable",
    )
    again = list_line(Collection("acc-1", None), SERVER, SOME, None)
    assert "of the account acc-1 at https://acc.example:8443 is taken up again" in again.text
    assert (again.level, again.fields["list"]) == ("info", "account_backups")


def test_a_secret() -> None:
    """With its namespace, its name and how many refs use it."""
    failure = Failed(SyncReason.SECRET_INVALID, "The Secret cannot be used: it has no key 'token'.")
    unusable = secret_line("shop", "astra-control", ONE, failure)
    assert unusable.text == (
        "The Secret astra-control in the namespace shop is unusable, for 1 ref. SecretInvalid: The Secret cannot be "
        "used: it has no key 'token'."
    )
    assert unusable.fields == {
        "refs": 1,
        "monitors": 0,
        "namespaces": ["shop"],
        "secret": "astra-control",
        "reason": "SecretInvalid",
    }
    assert secret_line("shop", "astra-control", ONE, None).text == (
        "The Secret astra-control in the namespace shop is usable again, for 1 ref"
    )


def test_what_a_server_sends_is_one_line() -> None:
    """Of limited length."""
    failure = Failed(SyncReason.SERVER_ERROR, "a\n2026-11-27 INFO forged " + "x" * 5000)
    line = connection_line(Fails(failure, opens=False), SERVER, ONE)
    assert "\n" not in line.text
    assert len(line.text) < 800


def test_many_namespaces() -> None:
    """They are counted, and ten of them are named."""
    users = Users(500, 0, frozenset(f"ns-{number:03}" for number in range(500)))
    line = connection_line(Answers(), SERVER, users)
    assert "500 refs in 500 namespaces" in line.text
    assert line.fields["namespaces"] == [f"ns-{number:03}" for number in range(10)]
