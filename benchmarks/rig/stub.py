"""A gateway that costs as little as one can: `python -m benchmarks.rig.stub --port N`.

It answers password generation (P1 to P3) with always the same code, and the question for states (X4) with `deliver` for
every message, at once; nothing is checked and nothing is kept. `--delay` holds back the answers to P, as a provider's
distance would. With `--delivered` a message counts as delivered when it is taken, so nobody asks about it later.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
from typing import cast

import uvloop

CODE = "735914"
"""What every person types who types the right code."""
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_ID = re.compile(rb"<id_sms>(\d+)</id_sms>")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
_XML = b'<?xml version="1.0" encoding="utf-8"?><response>%s</response>'
_TAKEN = b'<success code="%s" id_sms="%d" status="%s"/>'
_STATE = b'<state id_sms="%s" time="2030-01-01 00:00:00" num_parts="1" price="1.00">deliver</state>'


class Stub(asyncio.Protocol):
    """One connection. Requests on it are answered one after the other, as HTTP clients without pipelining ask."""

    def __init__(self, numbers: itertools.count[int], delay: float, status: bytes) -> None:
        self._numbers = numbers
        self._delay = delay
        self._status = status
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no such class

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._unread, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            head, body = self._unread[:end], self._unread[end + 4 : whole]
            self._unread = self._unread[whole:]
            if b"state.php" in head.partition(b"\r\n")[0]:
                self._answer(b"".join(_STATE % number for number in _ID.findall(body)))
                continue
            answer = _TAKEN % (CODE.encode(), next(self._numbers), self._status)
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, content: bytes) -> None:
        body = _XML % content
        if self._transport and not self._transport.is_closing():
            self._transport.write(_HEAD % len(body) + body)


async def serve(port: int, delay: float, status: bytes) -> None:
    numbers = itertools.count(10**9)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stub(numbers, delay, status), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rig.stub", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer to P (0)")
    parser.add_argument("--delivered", action="store_true", help="say of each message at once that it was delivered")
    told = parser.parse_args()
    uvloop.run(serve(told.port, told.delay, b"deliver" if told.delivered else b"send"))


if __name__ == "__main__":
    main()
