"""Certificates of every kind, and servers that use them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.virtual_time import passes

HOST: Final = "localhost"
NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)
ANSWER: Final = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Identity:
    """A server's certificate chain, its own certificate first, and its key, in PEM."""

    chain: bytes
    key: bytes

    @property
    def own(self) -> str:
        """The server's own certificate alone."""
        end = b"-----END CERTIFICATE-----\n"
        return (self.chain.partition(end)[0] + end).decode()


def issued(authority: trustme.CA, host: str = HOST, not_after: datetime | None = None) -> Identity:
    """A certificate that an authority has issued."""
    certificate = authority.issue_cert(host, not_before=NOW - 9 * DAY, not_after=not_after or NOW + DAY)
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    return Identity(chain, certificate.private_key_pem.bytes())


def self_signed(host: str = HOST, not_before: datetime = NOW - DAY, not_after: datetime = NOW + DAY) -> Identity:
    """A certificate as old tools create it: without the extensions that RFC 5280 requires."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Astra Control Center")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(not_before).not_valid_after(not_after)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(certificate.public_bytes(pem), private)


def context_for(identity: Identity, folder: Path) -> ssl.SSLContext:
    """The TLS context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "identity.pem"
    file.write_bytes(identity.key + identity.chain)
    context.load_cert_chain(file)
    return context


@asynccontextmanager
async def served(context: ssl.SSLContext | None, answer: bytes = ANSWER) -> AsyncIterator[str]:
    """The URL of a server that sends this response to every request; without a context it speaks no TLS."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://{HOST}:{server.sockets[0].getsockname()[1]}"
    for each in writers:
        # Over TLS, or behind a proxy, it may still wait for the client's end.
        each.transport.abort()
    await passes(2)
