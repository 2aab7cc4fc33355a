"""How the remote's certificate is judged, and what is said of one that is not believed.

Every interpreter judges alike: each certificate in ca.crt is an anchor, an issuing authority as well as the server's
own one, and what only RFC 5280's strictest reading demands is not asked for. Host name and validity always are.
"""

import ssl
from collections.abc import Iterator
from typing import Final

import certifi

from astra_mirror.core.certificates import certificates_in
from astra_mirror.core.connection import TLS

_ISSUER_MISSING: Final = frozenset({2, 19, 20, 21})
"""OpenSSL's X509_V_ERR_* of a chain that ends in nobody who is trusted (openssl/x509_vfy.h)."""
_PUT_IT_IN: Final = "put the issuing authority or the server's own certificate into the Secret's key ca.crt"
_WORDS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: f"it is self-signed and not in ca.crt; {_PUT_IT_IN}",
    23: "it has been revoked",
    24: "one of its issuers is no certificate authority",
    26: "it is not for a server",
    62: "it is for another host name than the URL's",
    64: "it is for another address than the URL's",
    66: "its key is too weak",
    67: "the key of one of its issuers is too weak",
    68: "one of its signatures is too weak",
    **dict.fromkeys(_ISSUER_MISSING, f"nobody who is trusted has issued it; {_PUT_IT_IN}"),
}


def ssl_context(tls: TLS) -> ssl.SSLContext:
    """The context for `tls`, as small as it can be.

    With a `ca` it knows that alone, at first: the usual authorities (`widen`) cost forty times the memory and the time,
    and few servers whose Secret names an authority need them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is None:
        widen(context)
    else:
        for certificate in certificates_in(tls.ca):
            # One at a time: a call into OpenSSL stops every thread until it ends.
            context.load_verify_locations(cadata=certificate)
    return context


def widen(context: ssl.SSLContext) -> None:
    """Let the context trust the usual authorities as well."""
    context.load_verify_locations(cafile=certifi.where())


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, each once."""
    seen = set[int]()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        # aiohttp keeps the certificate's error in an attribute.
        certificate = getattr(each, "certificate_error", None)
        left += [each.__context__, each.__cause__, certificate if isinstance(certificate, Exception) else None]


def certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """What was wrong with the remote's certificate, where that was the cause."""
    found = [each for each in causes(error) if isinstance(each, ssl.SSLCertVerificationError)]
    # aiohttp's own error is one as well, and lacks the code.
    return max(found, key=lambda each: hasattr(each, "verify_code"), default=None)


def lacks_issuer(error: ssl.SSLCertVerificationError) -> bool:
    """Whether more authorities might mend it."""
    return getattr(error, "verify_code", None) in _ISSUER_MISSING


def words_for(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong, and what to do."""
    return _WORDS.get(getattr(error, "verify_code", -1), "it does not pass the verification")
