"""The grammar of HTTP/1.1 requests, as strict as RFC 9112 allows: bytes in, heads and bodies out, no I/O.

What two servers could read in two ways is refused, never guessed: bare line feeds, folded or misspelt headers, a
length said twice, any transfer coding but one `chunked`. An `Upgrade` is nothing to this grammar, so a request that
offers one is a request like any other, body and all. Time and memory are linear in what was received, and bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from otp_service.errors import Refused

MAX_HEAD_BYTES = 32 * 1024
"""Of request line and headers together, and of the lines between the chunks of one body."""
MAX_HEADERS = 100
MAX_CHUNK_LINE = 256
"""Of a line with the size of a chunk, its extensions included: nobody here reads them."""

_METHODS = frozenset(
    b"GET HEAD POST PUT DELETE OPTIONS PATCH TRACE QUERY ACL BIND CHECKIN CHECKOUT COPY LINK LOCK M-SEARCH MERGE"
    b" MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK"
    b" UNLOCK UNSUBSCRIBE".split()
)
"""What is answered, if only with 405; CONNECT and what no registry knows is not."""
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_NAME = re.compile(_TOKEN)
_REQUEST_LINE = re.compile(rb"([A-Z-]{3,16}) ([!-~]++) HTTP/1\.([01])")
_ABSOLUTE = re.compile(rb"https?://[^/?#@]++", re.IGNORECASE)
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;%b(?:=(?:%b|\"[ !#-\[\]-~]*+\"))?+)*+" % (_TOKEN, _TOKEN))
_NO_HEAD = re.compile(rb"\A[^A-Z]|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What cannot become a head any more, however it goes on: TLS, HTTP/2, binary rubbish, bare line feeds."""
_ONCE = (b"host", b"content-length", b"transfer-encoding")


class Head(NamedTuple):
    """path: percent-decoded, UTF-8 where it can be. headers: names in lower case, in their order.

    length: bytes of the body; None where it comes in chunks. keep: the connection may be used again.
    """

    method: str
    path: str
    raw_path: bytes
    query: bytes
    version: str
    headers: Sequence[tuple[bytes, bytes]]
    length: int | None
    keep: bool
    expects_continue: bool


def malformed(detail: str = "This is not an HTTP request that can be understood.") -> Refused:
    return Refused("malformed_request", detail)


def head_too_large() -> Refused:
    return Refused(
        "head_too_large", f"Request line and headers may have at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers."
    )


def head_in(buffer: bytearray, seen: int) -> Head | None:
    """Take a head from the front of `buffer`; None while it is not complete.

    seen: how much of the buffer was there at the last call, and need not be searched again. Raises Refused.
    """
    while buffer.startswith(b"\r\n"):  # RFC 9112 §2.2: some clients end a body with a line break of their own
        del buffer[:2]
        seen = 0
    end = buffer.find(b"\r\n\r\n", max(0, seen - 3))
    if end > MAX_HEAD_BYTES or (end < 0 and len(buffer) > MAX_HEAD_BYTES):
        raise head_too_large()
    if end < 0:
        if buffer != b"\r" and _NO_HEAD.search(buffer, max(0, seen - 1)):
            raise malformed()
        return None
    head = _head(bytes(buffer[:end]).split(b"\r\n"))  # one that cannot be read stays, to tell what was asked for
    del buffer[: end + 4]
    return head


def _head(lines: list[bytes]) -> Head:
    found = _REQUEST_LINE.fullmatch(lines[0])
    if not found or found[1] not in _METHODS:
        raise malformed()
    if len(lines) > MAX_HEADERS + 1:
        raise head_too_large()
    headers: list[tuple[bytes, bytes]] = []
    once: dict[bytes, bytes] = {}
    connection = b""
    expects_continue = False
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or _NO_VALUE.search(value):
            raise malformed()
        name, written = name.lower(), value
        value = written.strip(b" \t")
        headers.append((name, value))
        if name in _ONCE:
            if name in once:
                raise malformed(f"The header {name.decode()} was sent twice.")
            once[name] = written.strip(b" ")  # others do not read a tab here as a blank
        elif name == b"connection":
            connection += b"," + value.lower()
        elif name == b"expect":
            expects_continue = value.lower() == b"100-continue"
    newer = found[3] == b"1"
    host = once.get(b"host")
    if host is None if newer else False:
        raise malformed("The request names no host.")
    if host and not _HOST.fullmatch(host):
        raise malformed("The header host is no host.")
    tokens = [token.strip(b" \t") for token in connection.split(b",")]
    path, raw_path, query = _target(found[2])
    return Head(
        method=found[1].decode(),
        path=path,
        raw_path=raw_path,
        query=query,
        version="1.1" if newer else "1.0",
        headers=headers,
        length=_length(once, newer),
        keep=newer and b"close" not in tokens,
        expects_continue=newer and expects_continue,
    )


def _length(once: dict[bytes, bytes], newer: bool) -> int | None:
    """RFC 9112 §6.3, without its leniencies."""
    coding, length = once.get(b"transfer-encoding"), once.get(b"content-length")
    if coding is not None:
        if length is not None or not newer or coding.lower() != b"chunked":
            raise malformed("The request says its length in two ways, or in one that is not known here.")
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise malformed("The header content-length is no length.")
    return int(length)


def _target(target: bytes) -> tuple[str, bytes, bytes]:
    """Path, as it was written too, and query: of `/path?query`, of the same behind a host, or of `*`."""
    if absolute := _ABSOLUTE.match(target):
        target = target[absolute.end() :]
        if not target.startswith(b"/"):
            target = b"/" + target
    raw_path, _, query = target.partition(b"#")[0].partition(b"?")
    if not raw_path.startswith(b"/") and raw_path != b"*":
        raise malformed()
    return unquote_to_bytes(raw_path).decode("utf-8", "replace"), raw_path, query


class Body:
    """What is still to come of one body. Feed it the connection's buffer, from the front of which it takes its bytes.

    length: None for chunks.
    """

    def __init__(self, length: int | None) -> None:
        self._chunked = length is None
        self._left = length or 0
        self._in_trailer = False
        self._lines = 0
        self.complete = length == 0

    def take(self, buffer: bytearray) -> bytes:
        """What of the body is there. Raises Refused."""
        if not self._chunked:
            return self._raw(buffer)
        parts: list[bytes] = []
        position = 0
        while not self.complete:
            if self._left > 2:
                part = bytes(buffer[position : position + self._left - 2])
                parts.append(part)
                position += len(part)
                self._left -= len(part)
            if self._left > 2:
                break
            if self._left:
                # The line break behind a chunk.
                if len(buffer) - position < 2:
                    break
                if buffer[position : position + 2] != b"\r\n":
                    raise malformed()
                position += 2
                self._left = 0
            end = buffer.find(b"\n", position, position + MAX_CHUNK_LINE + 2)
            if end < 0:
                if len(buffer) - position > MAX_CHUNK_LINE + 1:
                    raise malformed()
                break
            line = bytes(buffer[position : end + 1])
            position = end + 1
            self._line(line)
        del buffer[:position]
        return b"".join(parts)

    def _raw(self, buffer: bytearray) -> bytes:
        if len(buffer) <= self._left:
            part = bytes(buffer)
            buffer.clear()
        else:
            part = bytes(buffer[: self._left])
            del buffer[: self._left]
        self._left -= len(part)
        self.complete = not self._left
        return part

    def _line(self, line: bytes) -> None:
        """The size of a chunk, or a line of the trailer, which no proxy has judged and so nobody here reads."""
        self._lines += len(line)
        if self._lines > MAX_HEAD_BYTES or not line.endswith(b"\r\n"):
            raise malformed()
        if self._in_trailer:
            name, colon, value = line[:-2].partition(b":")
            self.complete = not (name or colon)
            if not self.complete and not (colon and _NAME.fullmatch(name) and not _NO_VALUE.search(value)):
                raise malformed()
            if name.lower() in _ONCE:
                raise malformed("A trailer says how long the request is.")  # RFC 9110 6.5.1
            return
        size = _CHUNK_SIZE.fullmatch(line[:-2])
        if not size:
            raise malformed()
        length = int(size[1], 16)
        self._in_trailer = length == 0
        self._left = length + 2 if length else 0
