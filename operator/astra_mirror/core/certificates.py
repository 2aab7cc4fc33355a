"""Extracts the certificates from a Secret's ca.crt in linear time, and checks each of them.

CA bundles have some 150 certificates, and comments between them in any script.
"""

import ssl
from collections.abc import Iterator
from typing import Final

from astra_mirror.core.secret_keys import CA, UnusableError

MAX_CERTIFICATES: Final = 200
"""More than any operating system's bundle has. OpenSSL takes 0.1 ms for each certificate."""
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def checked_bundle(pem: str) -> str:
    """The certificates in `pem`, joined by line breaks, after a check that OpenSSL can read each of them.

    Raises:
        UnusableError: there is no certificate, there are too many, or one is invalid; the text says which.
    """
    certificates: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for certificate in certificates_in(pem):
        number = len(certificates) + 1
        if number > MAX_CERTIFICATES:
            raise UnusableError(
                f"its key {CA!r} has more than {MAX_CERTIFICATES} certificates: "
                "keep only the ones that Astra Control needs"
            )
        # One at a time, because a call into OpenSSL blocks all other threads.
        if not certificate.endswith(_END) or not _is_readable(certificate, context):
            raise UnusableError(f"certificate {number} in its key {CA!r} cannot be read: copy it there anew, as PEM")
        certificates.append(certificate)
    if not certificates:
        raise UnusableError(f"its key {CA!r} is not a certificate in PEM format")
    return "\n".join(certificates)


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
