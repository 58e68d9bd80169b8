"""H-3, H-5, H-6, H-8: a Redis that is not for us, one that lies, what is long in bytes, and what has to end."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from otp_service.domain.keyring import Keyring
from otp_service.storage import keys
from otp_service.storage.connection import Database
from otp_service.storage.install import load_names
from tests.api import Api, Gateways, problem
from tests.cli.commands import clean
from tests.faults.world import World, number
from tests.running import API_KEY, SECRET, RedisServer, free_port, running_service, service_environ

pytestmark = pytest.mark.slow

EMOJI = "\U0001f600"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    found = RedisServer(tmp_path)
    yield found
    found.kill()


def told(folder: Path, url: str, command: str) -> tuple[int, str, str]:
    """How a command ends."""
    environ = clean(service_environ(folder, url, "http://127.0.0.1:9", OTP_PORT=str(free_port())))
    done = subprocess.run(
        [sys.executable, "-m", "otp_service", command],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "no INFO": (("ACL", "SETUSER", "default", "-info"), "INFO"),
    "no EVAL": (("ACL", "SETUSER", "default", "-eval", "-evalsha"), "EVAL"),
    "no HSET": (("ACL", "SETUSER", "default", "-hset"), "HSET"),
    "other keys": (("ACL", "SETUSER", "default", "resetkeys", "~app:*"), "otp:"),
    "install is a text": (("SET", "otp:install", "mine"), "otp:install is a string"),
    "install is another's": (("HSET", "otp:install", "version", "3"), "otp:install cannot be read"),
    "a lane is a text": (("SET", "otp:due:{7}", "x"), "otp:due:{7} is a string"),
    "another's sessions": (("SET", "otp:session:42", "x"), "otp:session:42 is there"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_h_5_is_told_at_start_by_one_sentence(server: RedisServer, tmp_path: Path, what: str) -> None:
    command, sentence = WRONG[what]
    async with Redis.from_url(server.url, protocol=2) as redis:
        await redis.execute_command(*command)
    for asked in ("serve", "doctor"):
        code, out, err = await asyncio.to_thread(told, tmp_path, server.url, asked)
        assert code == 2, out + err
        assert sentence in err
        assert err.count("\n") == 1
        assert "Traceback" not in out + err


async def test_h_5_the_line_of_the_documents_is_enough(server: RedisServer, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (line,) = re.findall(r"^ACL SETUSER otp .*$", page, re.MULTILINE)
    async with Redis.from_url(server.url, protocol=2) as redis:
        await redis.execute_command(*line.replace("PASSWORD", "pw").split())
    url = server.url.replace("redis://", "redis://otp:pw@")
    with running_service(tmp_path, url, "http://127.0.0.1:9") as (base, _, log):
        async with Api(base, API_KEY) as api:
            assert (await api.http.get("/health/ready")).status_code == 200
            assert (await api.start(number())).status_code == 502  # no gateway is there
            await asyncio.sleep(1)
        assert "NoPermission" not in log.read_text()


class Liar:
    """Stands before a Redis; says `lie` instead of its answers while there is one."""

    def __init__(self, port: int) -> None:
        self.lie = b""
        self._port = port

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)

        async def forth() -> None:
            while chunk := await reader.read(65536):
                if self.lie:
                    writer.write(self.lie)
                    await writer.drain()
                else:
                    back.write(chunk)

        async def home() -> None:
            while chunk := await there.read(65536):
                writer.write(chunk)

        tasks = [asyncio.create_task(forth()), asyncio.create_task(home())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            back.close()


@contextmanager
def lying(server: RedisServer) -> Iterator[tuple[Liar, str]]:
    """In a thread of its own, since a service is waited for while it starts."""
    liar = Liar(int(server.url.rsplit(":", 1)[1].split("/")[0]))
    port, loops = free_port(), []
    listening = threading.Event()

    async def serve() -> None:
        ended = asyncio.Event()
        loops.append((asyncio.get_running_loop(), ended))
        async with await asyncio.start_server(liar.handle, "127.0.0.1", port):
            listening.set()
            await ended.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    listening.wait(5)
    try:
        yield liar, f"redis://127.0.0.1:{port}/0"
    finally:
        loop, ended = loops[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(5)


LIES = {
    "OK": b"+OK\r\n",
    "nil": b"$-1\r\n",
    "a number": b":1\r\n",
    "an empty list": b"*0\r\n",
    "a push": b">2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "many pushes": b">1\r\n:1\r\n" * 2000,
    "no Redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "100 MB": b"$100000000\r\n" + b"x" * 20_000_000,
    "a vast list": b"*1000000000\r\n",
}


@pytest.mark.slow
async def test_h_6_a_redis_that_lies_is_503_in_bounded_memory(server: RedisServer, tmp_path: Path) -> None:
    with lying(server) as (liar, url):
        with running_service(tmp_path, url, "http://127.0.0.1:9") as (base, child, log):
            async with Api(base, API_KEY) as api:
                assert (await api.start(number())).status_code == 502
                before = resident(child.pid)
                for name, lie in LIES.items():
                    liar.lie = lie
                    answers = await asyncio.gather(*(api.start(number()) for _ in range(3)))
                    if name != "an empty list":
                        assert {answer.status_code for answer in answers} == {503}, (name, answers[0].text)
                    ready = await api.http.get("/health/ready")
                    assert ready.status_code == 503, name
                    assert ready.elapsed.total_seconds() < 3, name
                liar.lie = b""
                await asyncio.sleep(2.5)
                assert (await api.http.get("/health/ready")).status_code == 200
                assert (await api.start(number())).status_code == 502
                assert resident(child.pid) - before < 120 * 1024, "KiB"
        assert log.read_text()


def resident(pid: int) -> int:
    """KiB."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


async def test_h_3_a_long_label_and_issuer_fit_or_are_refused_before_anything_is_written(api: Api) -> None:
    for size in (64, 65, 200):
        subject = f"long-{size}"
        answer = await api.post(
            "/v1/factors/totp", {"subject": subject, "label": EMOJI * size, "issuer": EMOJI * size}, key=subject
        )
        listed = (await api.post("/v1/factors/totp/search", {"subject": subject})).json()["factors"]
        if size > 64:
            problem(answer, 422, "validation_failed")
            assert listed == []
        else:
            assert answer.status_code == 201, answer.text
            assert len(listed) == 1


async def test_h_8_a_ledger_and_an_empty_outbox_end(api: Api, gateways: Gateways, redis_url: str) -> None:
    phone = number()
    async with Redis.from_url(redis_url, protocol=2) as redis:
        names = await load_names(Database(redis), Keyring([SECRET]))
        started = await api.started(phone)
        (code,) = await gateways.codes(phone)
        await api.check(started["id"], "000000" if code != "000000" else "111111")
        fails = keys.fails(names.partition(phone), names.phone_index("web", phone))
        assert 364 * 86_400 < await redis.ttl(fails) <= 365 * 86_400
        await asyncio.sleep(1.5)
        outbox = keys.outbox(str(names.partition(phone)))
        if await redis.exists(outbox):
            assert await redis.xlen(outbox) > 0 or 0 < await redis.ttl(outbox) <= 7 * 86_400
        await api.resend(started["id"])


def test_h_8_notes_of_keys_are_printed_escaped(folder: Path, redis_url: str, sandbox_process: str) -> None:
    environ = clean(service_environ(folder, redis_url, sandbox_process))

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "otp_service", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    run("keys", "create", "--application", "web", "--name", "a\x1b[31m\nb")
    listed = run("keys", "list")
    assert "\x1b" not in listed
    assert "a\\x1b[31m\\nb" in listed


async def test_h_4_repair_lists_puts_back_and_forgets(world: World) -> None:
    await world.redis.xadd("otp:out:{app:web}", {"what": "not ours"})
    await world.redis.zadd("otp:due:{app:web}", {"relay:": 1})
    for _ in range(50):
        if await world.redis.hlen("otp:unreadable"):
            break
        await asyncio.sleep(0.1)
    environ = clean(service_environ(world.folder, world.server.url, world.sandbox))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "otp_service", "repair", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    listed = await asyncio.to_thread(run, "list")
    assert "otp:out:{app:web}" in listed.stdout, listed.stdout + listed.stderr
    name = next(line for line in listed.stdout.splitlines() if "otp:out:{app:web}" in line).split()[0]
    assert (await asyncio.to_thread(run, "retry", name)).returncode == 0
    await asyncio.sleep(1.5)  # it cannot be read any better now
    assert name in (await asyncio.to_thread(run, "list")).stdout
    assert (await asyncio.to_thread(run, "drop", "all")).returncode == 0
    assert await world.redis.hlen("otp:unreadable") == 0
    assert (await asyncio.to_thread(run, "drop", name)).returncode == 1
    await world.told(await world.signed_up(world.first))
