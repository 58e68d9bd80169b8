"""A service with receivers of webhooks, for the stories about them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

from otp_service.domain.webhooks import endpoint_id
from tests.api import Api
from tests.cli.commands import Commands, Result
from tests.hooks import Post, Receiver, written
from tests.running import API_KEY, running_service, service_environ


class Listed:
    """The command `webhooks` beside a running service."""

    def __init__(self, commands: Commands, environ: Mapping[str, str], folder: Path, receiver: Receiver) -> None:
        self._commands = commands
        self._environ = environ
        self._folder = folder
        self._receiver = receiver

    async def run(self, *arguments: str) -> Result:
        run = partial(self._commands.run, "webhooks", *arguments, environ=self._environ, folder=self._folder)
        return await asyncio.to_thread(run)  # the receiver is in this process

    def id(self, path: str) -> str:
        return endpoint_id("web", self._receiver.url + path)

    async def states(self) -> dict[str, dict[str, Any]]:
        """By endpoint id."""
        return {row["id"]: row for row in json.loads((await self.run("list", "--json")).out)}

    async def state(self, path: str) -> dict[str, Any]:
        return (await self.states())[self.id(path)]


class Told:
    """A service process with receivers, and what belongs to it."""

    def __init__(self, api: Api, receiver: Receiver, listed: Listed, log: Path, child: Popen[bytes]) -> None:
        self.api = api
        self.receiver = receiver
        self.listed = listed
        self.log = log
        self.child = child

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    async def listed_events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := (
            await self.api.http.get("/v1/events", params={"after": found[-1]["id"]} if found else {})
        ).json():
            if not page["events"]:
                return found
            found += page["events"]
        return found


@asynccontextmanager
async def telling(
    folder: Path,
    redis: str,
    sandbox: str,
    receiver: Receiver,
    commands: Commands,
    webhooks: Mapping[str, Mapping[str, Any]],
) -> AsyncIterator[Told]:
    config = written(folder, receiver.url, webhooks)
    environ = service_environ(folder, redis, sandbox, OTP_CONFIG=config)
    listed = Listed(commands, environ, folder, receiver)
    with running_service(folder, redis, sandbox, OTP_CONFIG=config) as (url, child, log):
        async with Api(url, API_KEY) as api:
            yield Told(api, receiver, listed, log, child)


async def verifications(api: Api, phones: Sequence[str]) -> list[str]:
    """Started and canceled, one for each phone."""

    async def one(phone: str) -> str:
        started = await api.started(phone)
        assert (await api.cancel(started["id"])).status_code == 200
        return str(started["id"])

    return list(await asyncio.gather(*(one(phone) for phone in phones)))


def family(phone: str, size: int, start: int = 20) -> list[str]:
    return [f"{phone[:-2]}{number}" for number in range(start, start + size)]


def in_order(posts: Sequence[Post]) -> bool:
    """Each subject's events came by sequence, each once."""
    by_subject: defaultdict[str, list[int]] = defaultdict(list)
    for post in posts:
        by_subject[post.about].append(post.body["sequence"])
    return all(numbers == sorted(set(numbers)) for numbers in by_subject.values())
