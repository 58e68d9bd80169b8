"""The examples, each started as its first line says, and gone through as a person does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api import Gateways
from tests.clients.conftest import CLIENTS
from tests.clients.test_node import built
from tests.running import API_KEY, free_port
from tests.stories.test_check import wrong

__all__ = ["built"]
pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def serving(command: list[str], url: str, port: int, folder: Path, **environ: str) -> Iterator[str]:
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    clean |= {"OTP_URL": url, "OTP_KEY": API_KEY, "PYTHONPATH": f"{CLIENTS / 'python' / 'src'}:{EXAMPLES}", **environ}
    with (folder / "example.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=folder, env=clean, stdout=log, stderr=log)
    try:
        for _ in range(300):
            assert child.poll() is None, (folder / "example.log").read_text()
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


def python_command(name: str, port: int) -> list[str]:
    if name == "flask_login":
        return [sys.executable, "-m", "flask", "--app", name, "run", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", f"{name}:app", "--port", str(port)]


async def sign_in(url: str, gateways: Gateways, phone: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as browser:
        refused = await browser.post("/login", json={"phone": "+4915123456789"})
        assert refused.status_code == 400, refused.text
        assert (await browser.post("/login", json={"phone": phone})).status_code == 202
        code = (await gateways.codes(phone))[0]
        assert (await browser.post("/login/code", json={"code": wrong(code)})).status_code == 401
        assert (await browser.get("/me")).status_code == 401
        signed_in = await browser.post("/login/code", json={"code": code})
        assert (signed_in.status_code, signed_in.json()) == (200, {"phone": phone}), signed_in.text
        assert (await browser.get("/me")).json() == {"phone": phone}
        assert (await browser.post("/login/code", json={"code": code})).status_code == 400


@pytest.mark.parametrize("name", ["fastapi_login", "litestar_login", "flask_login"])
async def test_login(name: str, tmp_path: Path, service_urls: list[str], gateways: Gateways, phone: str) -> None:
    port = free_port()
    with serving(python_command(name, port), service_urls[0], port, tmp_path, SECRET_KEY="k" * 32) as url:
        await sign_in(url, gateways, phone)


async def test_mobile_backend(tmp_path: Path, service_urls: list[str], gateways: Gateways, phone: str) -> None:
    port = free_port()
    with serving(python_command("mobile_backend", port), service_urls[0], port, tmp_path) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as app:
            body = {"phone": phone, "platform": "android"}
            keyed = {"Idempotency-Key": f"{phone}-1"}
            first = await app.post("/v1/sessions", json=body, headers=keyed)
            again = await app.post("/v1/sessions", json=body, headers=keyed)
            assert first.json()["session"] == again.json()["session"]
            assert (first.status_code, again.status_code) == (201, 201)
            assert len(await gateways.messages(phone)) == 1
            code = (await gateways.codes(phone))[0]
            ask = {"session": first.json()["session"], "code": code}
            token = await app.post("/v1/tokens", json=ask, headers={"Idempotency-Key": f"{phone}-2"})
            assert token.status_code == 201, token.text
            repeated = await app.post("/v1/tokens", json=ask, headers={"Idempotency-Key": f"{phone}-2"})
            assert repeated.status_code == 201
            me = await app.get("/v1/me", headers={"Authorization": f"Bearer {token.json()['token']}"})
            assert me.json() == {"phone": phone}


def installed(built: Path) -> None:
    """Our client under its name, as npm would put it."""
    package = built / "node_modules" / "otp-service-client"
    package.mkdir(exist_ok=True)
    (package / "package.json").write_bytes((CLIENTS / "node" / "package.json").read_bytes())
    if not (package / "dist").exists():
        (package / "dist").symlink_to(built / "client")


async def test_express(built: Path, service_urls: list[str], gateways: Gateways, phone: str) -> None:
    installed(built)
    (built / "express-login.mjs").write_bytes((EXAMPLES / "express-login.mjs").read_bytes())
    port = free_port()
    with serving(["node", "express-login.mjs"], service_urls[0], port, built, PORT=str(port)) as url:
        await sign_in(url, gateways, phone)


async def test_next_auth(built: Path, service_urls: list[str], gateways: Gateways, phone: str) -> None:
    """Its functions, compiled strictly; Auth.js itself only calls them."""
    installed(built)
    (built / "next-auth.ts").write_bytes((EXAMPLES / "next-auth.ts").read_bytes())
    (built / "authorize.mjs").write_text(
        """import { authorize, phoneProvider, sendCode } from "./next-auth.js";
const [what, phone, code] = process.argv.slice(2);
const provider = phoneProvider((options) => options);
const found = what === "send" ? await sendCode(phone) : await provider.authorize({ phone, code });
console.log(JSON.stringify(found ?? null));
"""
    )
    options = [
        "--module",
        "NodeNext",
        "--moduleResolution",
        "NodeNext",
        "--target",
        "ES2022",
        "--strict",
        "--skipLibCheck",
    ]
    await asyncio.to_thread(
        subprocess.run, ["npx", "tsc", *options, "next-auth.ts"], cwd=built, check=True, timeout=120
    )
    environ = {**os.environ, "OTP_URL": service_urls[0], "OTP_KEY": API_KEY}

    async def run(*words: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            ["node", "authorize.mjs", *words], cwd=built, env=environ, capture_output=True, text=True, timeout=60,
            check=True,
        )  # fmt: skip
        return done.stdout.strip()

    assert await run("send", phone) == "null"
    code = (await gateways.codes(phone))[0]
    assert await run("check", phone, wrong(code)) == "null"
    assert await run("check", phone, code) == f'{{"id":"{phone}","name":"{phone}"}}'
    assert await run("check", phone, code) == "null"
    assert "Germany" in await run("send", "+4915123456789") or "DE" in await run("send", "+4915123456789")


@pytest.mark.parametrize(
    "file", sorted(EXAMPLES.glob("*.*s")) + sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.name
)
def test_an_example_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 100
