"""A receiver of webhooks on a real socket, and the settings that name it."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.running import SETTINGS

NEW = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
OLD = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


@dataclass(frozen=True)
class Post:
    """One request. at: by this process's monotonic clock."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @cached_property  # those who wait look at all of them again and again
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def about(self) -> str:
        """The verification or the gateway."""
        data = self.body["data"]
        return str(data.get("verification_id") or data.get("gateway") or self.body["type"])


Answer = Callable[[Post], Awaitable[web.Response]]


class Receiver:
    """answers: by path; anything else is taken. posts: all requests. taken: those answered with 2xx, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Post] = []
        self.answers: dict[str, Answer] = {}
        self._taken: list[Post] = []

    def at(self, path: str) -> list[Post]:
        return [post for post in self.posts if post.path == path]

    def taken(self, path: str) -> list[Post]:
        return [post for post in self._taken if post.path == path]

    def answer(self, path: str, status: int, **headers: str) -> None:
        async def made(_: Post) -> web.Response:
            return web.Response(status=status, headers={name.replace("_", "-"): v for name, v in headers.items()})

        self.answers[path] = made

    async def until(self, happened: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, [(post.path, post.body["type"], post.id) for post in self.posts]
            await asyncio.sleep(0.02)

    async def handle(self, request: web.Request) -> web.Response:
        post = Post(request.path, request.headers, await request.read())
        self.posts.append(post)
        known = self.answers.get(post.path)
        answer = await known(post) if known else web.Response(status=204)
        if answer.status < 300:
            self._taken.append(post)
        return answer


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def written(folder: Path, receiver: str, webhooks: Mapping[str, Mapping[str, Any]], application: str = "web") -> str:
    """A settings file with these webhooks of one application, by path; its name is for OTP_CONFIG."""
    lines = [SETTINGS, '[webhooks]\nallow_networks = ["127.0.0.0/8"]']
    for path, keys in webhooks.items():
        settings = {"url": receiver + path, "secret": [NEW, OLD], **keys}
        lines.append(f"[[applications.{application}.webhooks]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    config = folder / "webhooks.toml"
    config.write_text("\n".join(lines))
    return str(config)
