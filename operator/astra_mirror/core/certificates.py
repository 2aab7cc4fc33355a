"""Extracts the certificates from a ca.crt or a CA file in linear time, and checks each of them.

CA bundles have some 150 certificates, and comments between them in any script.
"""

import ssl
from collections.abc import Iterator
from typing import Final

from astra_mirror.core.secret_keys import CA, UnusableError

MAX_CERTIFICATES: Final = 200
"""The most in a Secret, more than any operating system's bundle has. OpenSSL takes 0.1 ms for each certificate."""
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


class BundleError(Exception):
    """There is no usable certificate.

    Attributes:
        number: which certificate cannot be read, counted from 1; None if there is none at all.
    """

    def __init__(self, number: int | None) -> None:
        super().__init__(number)
        self.number = number


def checked_bundle(pem: str) -> str:
    """The certificates in a Secret's `pem`, joined by line breaks, after a check that OpenSSL can read each of them.

    Raises:
        UnusableError: there is no certificate, there are too many, or one is invalid; the text says which.
    """
    certificates: list[str] = []
    try:
        for certificate in readable_certificates(pem):
            if len(certificates) == MAX_CERTIFICATES:
                raise UnusableError(
                    f"its key {CA!r} has more than {MAX_CERTIFICATES} certificates: "
                    "keep only the ones that Astra Control needs"
                )
            certificates.append(certificate)
    except BundleError as error:
        if error.number is None:
            raise UnusableError(f"its key {CA!r} is not a certificate in PEM format") from None
        raise UnusableError(
            f"certificate {error.number} in its key {CA!r} cannot be read: copy it there anew, as PEM"
        ) from None
    return "\n".join(certificates)


def readable_certificates(pem: str) -> Iterator[str]:
    """Each certificate in `pem`, after a check that OpenSSL can read it.

    Raises:
        BundleError: there is no certificate, or the next one cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    number = 0
    for number, certificate in enumerate(certificates_in(pem), 1):
        # One at a time, because a call into OpenSSL blocks all other threads.
        if not certificate.endswith(_END) or not _is_readable(certificate, context):
            raise BundleError(number)
        yield certificate
    if not number:
        raise BundleError(None)


def certificates_in(pem: str) -> Iterator[str]:
    """Each certificate in `pem`, from its BEGIN to its END line; of one without an END line, only the BEGIN line."""
    start = pem.find(_BEGIN)
    while start >= 0:
        following = pem.find(_BEGIN, start + len(_BEGIN))
        end = pem.find(_END, start, following if following >= 0 else len(pem))
        yield pem[start : end + len(_END)] if end >= 0 else _BEGIN
        start = following


def _is_readable(certificate: str, context: ssl.SSLContext) -> bool:
    if ":" in certificate:
        # A header, which OpenSSL accepts only of an encrypted certificate: it would ask for a password on the terminal
        # or on standard input, and block the event loop.
        return False
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError, TypeError):
        return False
    return True
