"""Row `the token echoed`: nothing of it is in a status, an Event, the log or a metric, wherever it is echoed."""

import re
from contextlib import ExitStack
from functools import partial
from typing import Final

import pytest

from dev.hostile.raw import RawServer
from tests.cases.support import (
    Tenant,
    apply_all,
    is_answered,
    raw_status,
    ref_document,
    secret_document,
    synced,
    within,
)
from tests.e2e.user import User
from tests.operator_process import StartOperator

_TOKENS: Final = {"plain": "Zq8wVb3nXk5tRm7yHj2d", "quoted": "Zq8wVb'3nXk5\"tRm7yHj2d"}
_OK: Final = "HTTP/1.1 200 OK\r\n"
_ANSWERS: Final = {
    "content-encoding": _OK + "Content-Encoding: {token}\r\nContent-Length: 2\r\n\r\n{{}}",
    "long-header": _OK + "X-Echo: {token}{pad}\r\nContent-Length: 2\r\n\r\n{{}}",
    "cut-header": _OK + "X-Echo: {short}{token}{pad}\r\nContent-Length: 2\r\n\r\n{{}}",
    "cut-line": "HTTP/1.1 200 {short}{token}{pad}\r\n\r\n",
    "long-line": "HTTP/1.1 200 {token}{pad}\r\n\r\n",
    "status-line": "HTTP/1.1 {token} OK\r\n\r\n",
    "version": "{token}\r\n\r\n",
    "header-name": _OK + "{token}: x\r\n x\r\nContent-Length: 2\r\n\r\n{{}}",
    "header-without-colon": _OK + "{token}\r\nContent-Length: 2\r\n\r\n{{}}",
    "content-length": _OK + "Content-Length: {token}\r\n\r\n",
    "two-content-lengths": _OK + "Content-Length: 2\r\nContent-Length: {token}\r\n\r\n{{}}",
    "chunk-size": _OK + "Transfer-Encoding: chunked\r\n\r\n{token}\r\n{{}}\r\n0\r\n\r\n",
    "transfer-encoding": _OK + "Transfer-Encoding: {token}\r\n\r\n{{}}",
    "location": "HTTP/1.1 302 Found\r\nLocation: https://{token}.example/\r\nContent-Length: 0\r\n\r\n",
    "cookie": _OK + "Set-Cookie: a={token}; Expires={token}\r\nContent-Length: 2\r\n\r\n{{}}",
    "reason": "HTTP/1.1 418 {token}\r\nContent-Length: 0\r\n\r\n",
    "body": _OK + 'Content-Length: 200\r\n\r\n{{"{token}": {token}',
    "key": _OK + 'Connection: close\r\n\r\n{{"id": "{token}", "state": {{"{token}": 1}}}}',
    "problem": "HTTP/1.1 401 x\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n"
    '{{"title": "not {escaped}", "detail": "{escaped} is old", "status": "401", "correlationID": "{escaped}"}}',
    "retry-after": "HTTP/1.1 503 x\r\nRetry-After: {token}\r\nContent-Length: 0\r\n\r\n",
    "charset": _OK + "Content-Type: application/json; charset={token}\r\nContent-Length: 2\r\n\r\n\xff\xff",
}


@pytest.mark.parametrize("token", list(_TOKENS))
def test_a_token_that_is_echoed(tenant: Tenant, start_operator: StartOperator, token: str) -> None:
    """Each place in an answer where a token can be, with a quote in the token as well: a tenant for each."""
    secret = _TOKENS[token]
    escaped = secret.replace('"', '\\"')
    users = {kind: tenant() for kind in _ANSWERS}
    with ExitStack() as servers:
        options = []
        for kind, user in users.items():
            answer = (
                _ANSWERS[kind].format(token=secret, escaped=escaped, pad="x" * 9000, short="x" * 80).encode("latin-1")
            )
            server = servers.enter_context(RawServer(answer))
            options += ["--allowed-url", server.url]
            apply_all(user, [secret_document({"url": server.url, "token": secret}), ref_document("ref")])
        operator = start_operator("--log-level", "debug", *options)
        leaks = {kind: _leaked(secret, _shown(user)) for kind, user in users.items()}
    leaks["log and metrics"] = _leaked(secret, operator.log + operator.http("/metrics"))
    assert {kind: parts for kind, parts in leaks.items() if parts} == {}


def _shown(user: User) -> str:
    assert within(30, partial(synced, user), is_answered) != "SecretInvalid"
    return str(raw_status(user, "ref")) + user.kubectl("get", "events.events.k8s.io", "-o", "yaml")


def _leaked(token: str, shown: str) -> list[str]:
    """What is shown of it: each run of 6 characters of the token, in whatever case, quotes left out."""
    plain, unquoted = re.sub(r"['\"]", "", token).lower(), re.sub(r"['\"\\]", "", shown).lower()
    parts = [plain[each : each + 6] for each in range(len(plain) - 5)]
    return [part for part in parts if part in unquoted]
