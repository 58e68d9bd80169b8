"""A client's server that reports are posted to (X5): real HTTP, on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from xml.etree.ElementTree import fromstring

from aiohttp import web

Told = list[tuple[str, str, str]]
"""id_sms, time, word of each state in one POST."""


def acknowledge(ids: list[str]) -> web.Response:
    inside = "".join(f"<id_sms>{id_sms}</id_sms>" for id_sms in ids)
    document = f'<?xml version="1.0" encoding="utf-8" ?><response>{inside}</response>'
    return web.Response(text=document, content_type="text/xml")


class Receiver:
    """answer: from the ids of one POST to what is answered; changed by tests."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Told] = []
        self.raw: list[bytes] = []
        self.content_types: list[str] = []
        self.answer: Callable[[list[str]], web.Response] = acknowledge
        self.delay = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        self.content_types.append(request.headers["Content-Type"])
        root = fromstring(self.raw[-1])
        assert root.tag == "request"
        told = [(state.attrib["id_sms"], state.attrib["time"], state.text or "") for state in root.findall("state")]
        self.posts.append(told)
        await asyncio.sleep(self.delay)
        return self.answer([id_sms for id_sms, _, _ in told])


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/state", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/state"
    try:
        yield receiver
    finally:
        await runner.cleanup()
