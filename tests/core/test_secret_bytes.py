"""Whatever bytes a Secret has, they cost linear time and make a connection, or a SecretInvalid that quotes nothing."""

import datetime as dt
import string
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.core.certificates import MAX_CERTIFICATES
from astra_mirror.core.connection import TLS, Connection, connection_from, is_small
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_keys import MAX_CA, MAX_KEY
from astra_mirror.core.toolkit import MAX_DEPTH, MAX_TOKENS
from astra_mirror.core.urls import AllowedURL

ALLOWED = [AllowedURL.parse("https://*.netapp.io")]
URL, TOKEN = "https://a.netapp.io", "s3cr3t-token"
GOOD = {"url": URL, "token": TOKEN}
CA = trustme.CA().cert_pem.bytes().decode()
TOOLKIT = f"headers: {{Authorization: Bearer {TOKEN}}}\nastra_project: demo\n"
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def _secret(keys: Mapping[str, str | bytes]) -> dict[str, str]:
    return {key: b64encode(value.encode() if isinstance(value, str) else value).decode() for key, value in keys.items()}


def _read(keys: Mapping[str, str | bytes], **options: Any) -> Connection | Failed:
    return connection_from(_secret(keys), ALLOWED, **options)


def _good(keys: Mapping[str, str | bytes], **options: Any) -> Connection:
    connection = _read(keys, **options)
    assert isinstance(connection, Connection), connection.message
    return connection


def _invalid(keys: Mapping[str, str | bytes], **options: Any) -> str:
    """The message of SecretInvalid."""
    failure = _read(keys, **options)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID
    assert TOKEN not in failure.message
    assert len(failure.message) < 400
    return failure.message


class TestCases:
    """The inputs that stopped the operator once."""

    def test_an_escape_beyond_unicode(self) -> None:
        """cases/yaml-escape.yaml: chr() raises what is no YAMLError."""
        text = 'headers: {Authorization: Bearer x}\nastra_project: "\\U00110000"\n'
        assert "'config.yaml' is not YAML" in _invalid({"config.yaml": text})

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
        assert words in _invalid(keys)

    @pytest.mark.parametrize("host", ["[::1%x.netapp.io]", "[v1.a:b.netapp.io]", "xn--a.netapp.io", "a.netapp.io:0"])
    def test_hosts_that_only_end_as_an_allowed_one(self, host: str) -> None:
        """In both formats."""
        assert "the URL is wrong" in _invalid({"url": f"https://{host}", "token": TOKEN})
        assert "the URL is wrong" in _invalid({"config.yaml": TOOLKIT.replace("demo", f'"https://{host}"')})

    def test_a_token_that_could_not_be_told_from_words(self) -> None:
        """Seven characters are refused, in both formats, and eight are enough."""
        assert "in its key 'token' the token has 7 characters" in _invalid({"url": URL, "token": "1234567\n"})
        assert "'config.yaml' the token has 7" in _invalid({"config.yaml": TOOLKIT.replace(TOKEN, "1234567")})
        assert _good({"url": URL, "token": "12345678\n"}).token == "12345678"


class TestBounds:
    """Each key is bounded by itself, and only those that are read."""

    @pytest.mark.parametrize("key", ["url", "token", "config.yaml"])
    def test_a_key_has_64_kib(self, key: str) -> None:
        """After base64, line breaks included; one byte more is said, with the size."""
        keys = {"config.yaml": TOOLKIT} if key == "config.yaml" else GOOD
        filling = "\n" * (MAX_KEY - len(keys[key]))
        assert _good({**keys, key: keys[key] + filling}).token == TOKEN
        message = _invalid({**keys, key: keys[key] + filling + "\n"})
        assert f"its key {key!r} has 64.0 KiB, and no more than 64 KiB are read: shorten it" in message

    def test_a_ca_has_256_kib(self) -> None:
        """The bundle of an operating system fits in."""
        filling = "#" * (MAX_CA - len(CA))
        assert _good({**GOOD, "ca.crt": CA + filling}).tls == TLS(CA.strip())
        assert "'ca.crt' has 256.0 KiB" in _invalid({**GOOD, "ca.crt": CA + filling + "#"})

    def test_a_long_token_is_a_token(self) -> None:
        """The bound on the key is the only one."""
        assert len(_good({"url": URL, "token": "x" * MAX_KEY}).token) == MAX_KEY

    def test_other_keys_cost_and_break_nothing(self) -> None:
        """They are not even decoded."""
        assert connection_from({**_secret(GOOD), "other": "\xff" * 2**20, "tls.key": "="}, ALLOWED) == _good(GOOD)

    @pytest.mark.parametrize(
        "text", [b"\xff\xfe", b"[" * 70_000, b"", b"{", b"!!python/object:os.system x", b"\x00" * 99]
    )
    def test_a_config_that_is_not_needed_may_be_anything(self, text: bytes) -> None:
        """Where url and token are present."""
        assert _good({**GOOD, "config.yaml": text}) == _good(GOOD)
        assert connection_from({**_secret(GOOD), "config.yaml": "no base64"}, ALLOWED) == _good(GOOD)

    def test_a_config_serves_where_url_and_token_are_not_both_there(self) -> None:
        """What is there of them may be anything as well."""
        config = _good({"config.yaml": TOOLKIT})
        assert _good({"config.yaml": TOOLKIT, "token": b"\xff"}) == config
        assert _good({"config.yaml": TOOLKIT, "url": b"x" * 70_000}) == config
        assert _good({"config.yaml": TOOLKIT, "url": "", "token": TOKEN}) == config

    def test_what_is_small(self) -> None:
        """Usual Secrets are; those that may take more than 10 ms are not."""
        assert is_small(_secret({**GOOD, "ca.crt": CA, "other": "x" * 2**20}))
        assert is_small(_secret({"config.yaml": TOOLKIT}))
        assert not is_small(_secret({"config.yaml": "a," * 300}))
        assert not is_small(_secret({**GOOD, "ca.crt": CA * 12}))


class TestToolkit:
    """YAML that means more than it says is refused while it is scanned."""

    @pytest.mark.parametrize(
        ("value", "levels"),
        [
            (lambda depth: "[" * depth + "]" * depth, 1),
            (lambda depth: "{a: " * depth + "}" * depth, 1),
            (lambda depth: "\n" + "\n".join(f"{' ' * level}- " for level in range(1, depth + 1)), 1),
            (lambda depth: "\n" + "\n".join(f"{' ' * level}k:" for level in range(1, depth + 1)), 1),
        ],
    )
    def test_sixteen_levels(self, value: Any, levels: int) -> None:
        """In flow and in block style; the document's own mapping is the first."""
        assert _good({"config.yaml": f"{TOOLKIT}more: {value(MAX_DEPTH - levels)}\n"}).token == TOKEN
        assert "16 levels deep" in _invalid({"config.yaml": f"{TOOLKIT}more: {value(MAX_DEPTH - levels + 1)}\n"})

    @pytest.mark.parametrize("text", ["- " * 30_000, "? " * 30_000, "a: " * 20_000, "[{" * 30_000, "-\n" * 30_000])
    def test_however_it_is_written(self, text: str) -> None:
        """A key's worth of openings."""
        assert "'config.yaml'" in _invalid({"config.yaml": text})

    def test_ten_thousand_tokens(self) -> None:
        """Each item of a list is two."""
        half = MAX_TOKENS // 2
        assert _good({"config.yaml": f"{TOOLKIT}more: [{'a,' * (half - 20)}]\n"}).token == TOKEN
        assert "10,000 YAML tokens" in _invalid({"config.yaml": f"{TOOLKIT}more: [{'a,' * half}]\n"})
        assert "10,000 YAML tokens" in _invalid({"config.yaml": "---\n" * 15_000})

    def test_an_alias_is_refused_where_it_stands(self) -> None:
        """Also one that means little; an anchor alone means nothing."""
        assert "alias" in _invalid({"config.yaml": f"a: &a x\n{TOOLKIT}b: *a\n"})
        assert "(line 4)" in _invalid({"config.yaml": f"a: &a x\n{TOOLKIT}b: *a\n"})
        assert "alias" in _invalid({"config.yaml": f"a: &a [x]\nb: &b [*a,*a]\n{TOOLKIT}<<: *b\n"})
        assert _good({"config.yaml": f"a: &a x\n{TOOLKIT}"}).token == TOKEN

    def test_merge_keys_and_tags_are_never_resolved(self) -> None:
        """A merge key is a key, and a tagged scalar the text that it is."""
        message = _invalid({"config.yaml": f"<<: {{headers: {{Authorization: Bearer {TOKEN}}}}}\nastra_project: a\n"})
        assert "lacks or misspells: headers" in message
        tagged = TOOLKIT.replace("demo", "!!python/name:os.system demo").replace("{A", "!!omap {A")
        assert _good({"config.yaml": tagged}) == _good({"config.yaml": TOOLKIT})

    @pytest.mark.parametrize(
        "text",
        [
            '"\\UFFFFFFFF"',
            '"\\ud800"',
            "%YAML 1." + "1" * 5_000,
            "%TAG ! %ff\n---\n!x y",
            "!<%ff> x",
            "&" + "a" * 60_000,
            "a: b\n---\na: b",
            "? {a: b}\n: c",
            "? [a]\n: c",
            "a: 'b",
            "\x85a: |9\n",
            "a: !!int",
            "@",
            "\t- a",
            "\ufeff\ufeff",
        ],
    )
    def test_every_error_of_the_parser_is_one_answer(self, text: str) -> None:
        """Of whatever class it is."""
        assert "'config.yaml'" in _invalid({"config.yaml": text})

    @pytest.mark.parametrize("word", ["false", "False", "no", "off", '"false"'])
    def test_an_administrator_may_require_verification(self, word: str) -> None:
        """--require-tls-verification refuses what switches it off, and says what to do instead."""
        text = f"{TOOLKIT}verifySSL: {word}\n"
        assert _good({"config.yaml": text}).tls == TLS(verify=False)
        message = _invalid({"config.yaml": text}, require_tls_verification=True)
        assert "'config.yaml' switches the verification of certificates off" in message
        assert "ca.crt" in message
        assert _good({"config.yaml": f"{TOOLKIT}verifySSL: true"}, require_tls_verification=True).tls == TLS()
        assert _good({**GOOD, "config.yaml": text}, require_tls_verification=True).tls == TLS()


def _certificates(count: int) -> list[str]:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(1))
    pem = builder.sign(key, None).public_bytes(Encoding.PEM).decode()
    return [pem] * count


class TestCertificates:
    """A bundle is read in linear time, and every certificate of it."""

    def test_two_hundred(self) -> None:
        """One more is one too many."""
        ca = _good({**GOOD, "ca.crt": "".join(_certificates(MAX_CERTIFICATES))}).tls.ca or ""
        assert ca.count(BEGIN) == ca.count(END) == MAX_CERTIFICATES
        assert "more than 200 certificates" in _invalid({**GOOD, "ca.crt": "".join(_certificates(201))})

    @pytest.mark.parametrize(
        "broken",
        [
            f"{BEGIN}\nTUlJ\n{END}",
            f"{BEGIN}\n{END}",
            f"{BEGIN}\nü\n{END}",
            BEGIN,
            f"{BEGIN}{BEGIN}",
            f"{BEGIN}\n\x00{END}",
            CA.replace("M", "N", 1),
            CA.strip()[:-5],
            f"{BEGIN}\n-----BEGIN X509 CERTIFICATE-----\n{END}",
        ],
    )
    def test_one_that_cannot_be_read_is_named(self, broken: str) -> None:
        """By its number: it does not vanish between the good ones."""
        assert "certificate 2 in its key 'ca.crt' cannot be read" in _invalid({**GOOD, "ca.crt": CA + broken})
        assert "certificate 1 in its key" in _invalid({**GOOD, "ca.crt": f"{broken}\n{CA}"})

    def test_what_stands_between_them_is_for_people(self) -> None:
        """In any script, and without a bound but the key's."""
        text = f"{END} Zürich\n{'-----BEGIN ' * 1000}\n{CA}{'ü' * 10_000}{END}\n-----BEGIN X\n{CA}"
        assert _good({**GOOD, "ca.crt": text}).tls == TLS(f"{CA.strip()}\n{CA.strip()}")


@pytest.mark.parametrize("value", ["ü", "\x80AAA", "=", "AAA", "A A A A ", "/w=="])
@pytest.mark.parametrize("key", ["url", "token", "ca.crt"])
def test_what_is_no_base64_is_no_text(key: str, value: str) -> None:
    """In the words for it, and not in those for a defect."""
    failure = connection_from({**_secret(GOOD), key: value}, ALLOWED)
    assert isinstance(failure, Failed)
    assert failure.message == f"The Secret cannot be used: its key {key!r} is not UTF-8 text."


def test_a_url_with_the_token_in_it_is_refused() -> None:
    """Every message names the host."""
    assert "the URL contains the token" in _invalid({"url": f"https://{TOKEN.upper()}.netapp.io", "token": TOKEN})
    assert "'url' the URL contains the token" in _invalid({"url": f"https://a.netapp.io/{TOKEN}", "token": TOKEN})


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
    result = _read(keys, require_tls_verification=require)
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
