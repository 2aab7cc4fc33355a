"""Whatever bytes a Secret has, they cost linear time and make a connection, or a SecretInvalid that quotes nothing."""

import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.core.connection import TLS, connection_from, is_small
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_keys import MAX_CA, MAX_KEY
from tests.core.contents import (
    ALLOWED,
    BEGIN,
    CA,
    END,
    GOOD,
    TOKEN,
    TOOLKIT,
    URL,
    connection_of,
    data_of,
    outcome_of,
    refusal_of,
)


class TestCases:
    """The inputs that stopped the operator once."""

    def test_an_escape_beyond_unicode(self) -> None:
        """cases/yaml-escape.yaml: chr() raises what is no YAMLError."""
        text = 'headers: {Authorization: Bearer x}\nastra_project: "\\U00110000"\n'
        assert "'config.yaml' is not YAML" in refusal_of({"config.yaml": text})

    @pytest.mark.parametrize(
        ("keys", "words"),
        [
            ({**GOOD, "ca.crt": BEGIN * 12_000}, "'ca.crt' has 316.4 KiB, and no more than 256 KiB are read"),
            ({**GOOD, "ca.crt": BEGIN * 9_000}, "certificate 1 in its key 'ca.crt' cannot be read"),
            ({"config.yaml": "[" * 2_000}, "'config.yaml' is nested more than 16 levels deep (line 1)"),
            ({"config.yaml": "[" * MAX_KEY}, "nested more than 16 levels deep"),
            (
                {"config.yaml": f"astra_project: [{'a,' * 490_000}a]"},
                "'config.yaml' has 957.0 KiB, and no more than 64",
            ),
            ({"config.yaml": f"astra_project: [{'a,' * 32_000}a]"}, "'config.yaml' has more than 10,000 YAML tokens"),
        ],
    )
    def test_content_that_costs_more_than_its_size(self, keys: dict[str, str], words: str) -> None:
        """cases/large-secret.py pem, brackets and list, and the same below the bounds on bytes."""
        assert words in refusal_of(keys)

    @pytest.mark.parametrize("host", ["[::1%x.netapp.io]", "[v1.a:b.netapp.io]", "xn--a.netapp.io", "a.netapp.io:0"])
    def test_hosts_that_only_end_as_an_allowed_one(self, host: str) -> None:
        """In both formats."""
        assert "the URL is wrong" in refusal_of({"url": f"https://{host}", "token": TOKEN})
        assert "the URL is wrong" in refusal_of({"config.yaml": TOOLKIT.replace("demo", f'"https://{host}"')})

    def test_a_token_that_could_not_be_told_from_words(self) -> None:
        """Seven characters are refused, in both formats, and eight are enough."""
        assert "in its key 'token' the token has 7 characters" in refusal_of({"url": URL, "token": "1234567\n"})
        assert "'config.yaml' the token has 7" in refusal_of({"config.yaml": TOOLKIT.replace(TOKEN, "1234567")})
        assert connection_of({"url": URL, "token": "12345678\n"}).token == "12345678"


class TestBounds:
    """Each key is bounded by itself, and only those that are read."""

    @pytest.mark.parametrize("key", ["url", "token", "config.yaml"])
    def test_a_key_has_64_kib(self, key: str) -> None:
        """After base64, line breaks included; one byte more is said, with the size."""
        keys = {"config.yaml": TOOLKIT} if key == "config.yaml" else GOOD
        filling = "\n" * (MAX_KEY - len(keys[key]))
        assert connection_of({**keys, key: keys[key] + filling}).token == TOKEN
        message = refusal_of({**keys, key: keys[key] + filling + "\n"})
        assert f"its key {key!r} has 64.0 KiB, and no more than 64 KiB are read: shorten it" in message

    def test_a_ca_has_256_kib(self) -> None:
        """The bundle of an operating system fits in."""
        filling = "#" * (MAX_CA - len(CA))
        assert connection_of({**GOOD, "ca.crt": CA + filling}).tls == TLS(CA.strip())
        assert "'ca.crt' has 256.0 KiB" in refusal_of({**GOOD, "ca.crt": CA + filling + "#"})

    def test_a_long_token_is_a_token(self) -> None:
        """The bound on the key is the only one."""
        assert len(connection_of({"url": URL, "token": "x" * MAX_KEY}).token) == MAX_KEY

    def test_other_keys_cost_and_break_nothing(self) -> None:
        """They are not even decoded."""
        data = {**data_of(GOOD), "other": "\xff" * 2**20, "tls.key": "="}
        assert connection_from(data, ALLOWED) == connection_of(GOOD)

    @pytest.mark.parametrize(
        "text", [b"\xff\xfe", b"[" * 70_000, b"", b"{", b"!!python/object:os.system x", b"\x00" * 99]
    )
    def test_a_config_that_is_not_needed_may_be_anything(self, text: bytes) -> None:
        """Where url and token are present."""
        assert connection_of({**GOOD, "config.yaml": text}) == connection_of(GOOD)
        assert connection_from({**data_of(GOOD), "config.yaml": "no base64"}, ALLOWED) == connection_of(GOOD)

    def test_a_config_serves_where_url_and_token_are_not_both_there(self) -> None:
        """What is there of them may be anything as well."""
        config = connection_of({"config.yaml": TOOLKIT})
        assert connection_of({"config.yaml": TOOLKIT, "token": b"\xff"}) == config
        assert connection_of({"config.yaml": TOOLKIT, "url": b"x" * 70_000}) == config
        assert connection_of({"config.yaml": TOOLKIT, "url": "", "token": TOKEN}) == config

    def test_what_is_small(self) -> None:
        """Usual Secrets are; those that may take more than 10 ms are not."""
        assert is_small(data_of({**GOOD, "ca.crt": CA, "other": "x" * 2**20}))
        assert is_small(data_of({"config.yaml": TOOLKIT}))
        assert not is_small(data_of({"config.yaml": "a," * 300}))
        assert not is_small(data_of({**GOOD, "ca.crt": CA * 12}))


@pytest.mark.parametrize("value", ["ü", "\x80AAA", "=", "AAA", "A A A A ", "/w=="])
@pytest.mark.parametrize("key", ["url", "token", "ca.crt"])
def test_what_is_no_base64_is_no_text(key: str, value: str) -> None:
    """In the words for it, and not in those for a defect."""
    failure = connection_from({**data_of(GOOD), key: value}, ALLOWED)
    assert isinstance(failure, Failed)
    assert failure.message == f"The Secret cannot be used: its key {key!r} is not UTF-8 text."


def test_a_url_with_the_token_in_it_is_refused() -> None:
    """Every message names the host."""
    assert "the URL contains the token" in refusal_of({"url": f"https://{TOKEN.upper()}.netapp.io", "token": TOKEN})
    assert "'url' the URL contains the token" in refusal_of({"url": f"https://a.netapp.io/{TOKEN}", "token": TOKEN})


@pytest.mark.parametrize("data", [{"url": None, "token": None}, {"url": 1, "token": []}, {"config.yaml": {}}])
def test_what_no_api_server_sends_is_survived(data: Any) -> None:
    """Any exception whatever is SecretInvalid."""
    failure = connection_from(data, ALLOWED)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID


MARK = "Qx7Qx7"
anything = st.binary(max_size=200) | st.text(max_size=100).map(str.encode)
yamlish = st.lists(
    st.sampled_from(
        [*"[]{},:?-&*!|>'\"%@#\\ \n\tü\x85\u2028", "\\U", "\\x", "FFFFFFFF", "<<", "!!", "---", "...", "a", MARK]
    )
    | st.sampled_from(
        [TOOLKIT, f"headers: {{Authorization: Bearer {MARK}{TOKEN}}}\n", "astra_project: ", "verifySSL: "]
    ),
    max_size=30,
).map("".join)
pemish = st.lists(
    st.sampled_from([BEGIN, END, CA, CA[:200], "\n", "-----BEGIN ", MARK, "ü", "\x00", "="]), max_size=12
).map("".join)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "url": st.just(URL.encode()) | anything,
            "token": st.just(TOKEN.encode()) | anything.map(MARK.encode().__add__),
            "ca.crt": anything.map(MARK.encode().__add__) | pemish.map(str.encode),
            "config.yaml": anything | yamlish.map(str.encode),
        },
    ),
    st.booleans(),
)
@example({"config.yaml": b'"\\U00110000"'}, True)
def test_no_content_is_an_exception_or_is_quoted(keys: dict[str, bytes], require: bool) -> None:
    """A connection, or a failure in our own words."""
    result = outcome_of(keys, require_tls_verification=require)
    if isinstance(result, Failed):
        assert result.reason in {SyncReason.SECRET_INVALID, SyncReason.URL_NOT_ALLOWED}
        assert MARK not in result.message
        assert result.message.isascii()
        assert set(result.message) <= set(string.printable) - set("\n\r\t")
    else:
        assert ALLOWED[0].allows(result.url)
        assert len(result.token) >= 8
        assert result.tls.verify or not require


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["url", "token", "ca.crt", "config.yaml", "x"]), st.text(max_size=50)))
def test_values_need_not_be_base64(data: dict[str, str]) -> None:
    """Nor need they be anything else."""
    assert connection_from(data, ALLOWED)
