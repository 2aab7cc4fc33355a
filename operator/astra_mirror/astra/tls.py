"""How the remote's certificate is verified, and the message for one that is not trusted.

The rules are the same with every Python version: each certificate in ca.crt is a trust anchor, whether it is an issuing
authority's or the server's own, and OpenSSL's strict checks of RFC 5280 are off. Host name and validity are always
checked.
"""

import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import certifi

from astra_mirror.core.certificates import certificates_in
from astra_mirror.core.connection import TLS

_ISSUER_MISSING: Final = frozenset({2, 19, 20, 21})
"""OpenSSL's X509_V_ERR_* codes for a chain without a trust anchor (openssl/x509_vfy.h)."""
_ADD_TO_CA_CRT: Final = "put the issuing authority or the server's own certificate into the Secret's key ca.crt"
_PROBLEMS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: f"it is self-signed and not in ca.crt; {_ADD_TO_CA_CRT}",
    23: "it has been revoked",
    24: "one of its issuers is no certificate authority",
    26: "it is not for a server",
    62: "it is for another host name than the URL's",
    64: "it is for another address than the URL's",
    66: "its key is too weak",
    67: "the key of one of its issuers is too weak",
    68: "one of its signatures is too weak",
    **dict.fromkeys(_ISSUER_MISSING, f"nobody who is trusted has issued it; {_ADD_TO_CA_CRT}"),
}


def ssl_context(tls: TLS, also: Sequence[str] = ()) -> ssl.SSLContext:
    """A TLS context for `tls`, as small as possible.

    With a `ca` it trusts only that at first. The usual authorities (`trust_usual_authorities`) cost forty times the
    memory and the time, and few servers whose Secret names an authority need them.

    Args:
        tls: the settings of a Secret.
        also: the certificates of --ca-file, each in PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is None:
        trust_usual_authorities(context, also)
    else:
        _trust(context, certificates_in(tls.ca))
    return context


def trust_usual_authorities(context: ssl.SSLContext, also: Sequence[str] = ()) -> None:
    """Add the public certificate authorities to the context's trust anchors, and those of --ca-file."""
    context.load_verify_locations(cafile=certifi.where())
    _trust(context, also)


def _trust(context: ssl.SSLContext, certificates: Iterable[str]) -> None:
    for each in certificates:
        # One at a time, because a call into OpenSSL blocks all other threads.
        context.load_verify_locations(cadata=each)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all its causes, each once."""
    seen = set[int]()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        # aiohttp stores the error of a certificate in an attribute.
        certificate = getattr(each, "certificate_error", None)
        left += [each.__context__, each.__cause__, certificate if isinstance(certificate, Exception) else None]


def certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The certificate error among the causes of `error`; None without one."""
    found = [each for each in causes(error) if isinstance(each, ssl.SSLCertVerificationError)]
    # aiohttp's own error is of the same type, but has no code.
    return max(found, key=lambda each: hasattr(each, "verify_code"), default=None)


def lacks_issuer(error: ssl.SSLCertVerificationError) -> bool:
    """Whether the chain might verify with more trust anchors."""
    return getattr(error, "verify_code", None) in _ISSUER_MISSING


def problem_text(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with the certificate, and what to do."""
    return _PROBLEMS.get(getattr(error, "verify_code", -1), "it does not pass the verification")
