"""The certificates in a ca.crt: how many there may be, and that each of them is read."""

import datetime as dt
import os
import subprocess
import sys
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from astra_mirror.core.certificates import MAX_CERTIFICATES
from astra_mirror.core.connection import TLS
from tests.core.contents import BEGIN, CA, END, GOOD, connection_of, refusal_of

_CHECK: Final = """
import sys
from astra_mirror.core.certificates import checked_bundle
from astra_mirror.core.secret_keys import UnusableError
try:
    checked_bundle(sys.argv[1])
except UnusableError as error:
    print(error)
"""


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
            CA.replace(f"{BEGIN}\n", f"{BEGIN}\nComment: mine\n\n"),
        ],
    )
    def test_one_that_cannot_be_read_is_named(self, broken: str) -> None:
        """By its number: it does not vanish between the good ones."""
        assert "certificate 2 in its key 'ca.crt' cannot be read" in refusal_of({**GOOD, "ca.crt": CA + broken})
        assert "certificate 1 in its key" in refusal_of({**GOOD, "ca.crt": f"{broken}\n{CA}"})

    def test_nobody_is_asked_for_the_password_of_one(self) -> None:
        """OpenSSL would ask on the terminal, or on standard input, and wait: all namespaces would."""
        header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        encrypted = CA.replace(f"{BEGIN}\n", f"{BEGIN}\n{header}")
        silent, writer = os.pipe()
        try:
            # In a session without a terminal, so that a failure is no prompt on the developer's.
            ended = subprocess.run(
                [sys.executable, "-c", _CHECK, encrypted],
                stdin=silent, capture_output=True, text=True, start_new_session=True, timeout=30, check=False,
            )  # fmt: skip
        finally:
            os.close(silent)
            os.close(writer)
        assert "certificate 1 in its key 'ca.crt' cannot be read: copy it there anew, as PEM" in ended.stdout
        assert "pass phrase" not in ended.stderr

    def test_what_stands_between_them_is_for_people(self) -> None:
        """In any script, and without a bound but the key's."""
        text = f"{END} Zürich\n{'-----BEGIN ' * 1000}\n{CA}{'ü' * 10_000}{END}\n-----BEGIN X\n{CA}"
        assert connection_of({**GOOD, "ca.crt": text}).tls == TLS(f"{CA.strip()}\n{CA.strip()}")
