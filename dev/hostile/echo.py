"""A server that repeats the token of each request wherever an operator might take words from."""

import asyncio
import json
import re

from dev.faultproxy.listener import StreamServer


class EchoServer(StreamServer):
    """Refuses each request with a problem whose detail and correlation ID have the token in them."""

    def __init__(self) -> None:
        super().__init__("echo server")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        found = re.search(r"^authorization: Bearer (\S+)", head, re.IGNORECASE | re.MULTILINE)
        body = problem(found[1] if found else "")
        lines = ["HTTP/1.1 401 Unauthorized", "Content-Type: application/problem+json", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        writer.close()
        await writer.wait_closed()


def problem(token: str) -> bytes:
    """An answer to a request with this token."""
    words = {"type": "about:blank", "title": "Refused", "detail": f"The token {token} is not good.", "status": "401"}
    return json.dumps(words | {"correlationID": f"c-{token}"}).encode()
