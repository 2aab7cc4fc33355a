"""The certificates in a ca.crt: how many there may be, and that each of them is read."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from astra_mirror.core.certificates import MAX_CERTIFICATES
from astra_mirror.core.connection import TLS
from tests.core.contents import BEGIN, CA, END, GOOD, connection_of, refusal_of


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
        ca = connection_of({**GOOD, "ca.crt": "".join(_certificates(MAX_CERTIFICATES))}).tls.ca or ""
        assert ca.count(BEGIN) == ca.count(END) == MAX_CERTIFICATES
        assert "more than 200 certificates" in refusal_of({**GOOD, "ca.crt": "".join(_certificates(201))})

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
        assert "certificate 2 in its key 'ca.crt' cannot be read" in refusal_of({**GOOD, "ca.crt": CA + broken})
        assert "certificate 1 in its key" in refusal_of({**GOOD, "ca.crt": f"{broken}\n{CA}"})

    def test_what_stands_between_them_is_for_people(self) -> None:
        """In any script, and without a bound but the key's."""
        text = f"{END} Zürich\n{'-----BEGIN ' * 1000}\n{CA}{'ü' * 10_000}{END}\n-----BEGIN X\n{CA}"
        assert connection_of({**GOOD, "ca.crt": text}).tls == TLS(f"{CA.strip()}\n{CA.strip()}")
