"""X5: where reports may go, and how many may wait."""

from __future__ import annotations

import httpx
import pytest

from otp_service.sandbox.app import create_sandbox

from .receiver import receiving
from .speak import PHONE, Sandbox, sms


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("http://site.ru/state.php", "not posted: not a loopback address"),
        ("http://127.0.0.1.nip.example/state", "not posted: not a loopback address"),
        ("http://192.0.2.1/", "not posted: not a loopback address"),
        ("no address", "not posted: not a loopback address"),
        ("http://[::1]:9/", "no answer: ConnectError"),
        ("ftp://localhost/", "no answer: UnsupportedProtocol"),
    ],
)
async def test_only_loopback_addresses(sandbox: Sandbox, url: str, outcome: str) -> None:
    await sandbox.account(callback_url=url)
    await sandbox.send(sms())
    await sandbox.advance(3)

    assert [post["outcome"] for post in await sandbox.callbacks()] == [outcome]


async def test_anywhere_if_told_so() -> None:
    """Nobody has this name: what counts is that it is tried."""
    transport = httpx.ASGITransport(app=create_sandbox(callbacks_anywhere=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        sandbox = Sandbox(client)
        await sandbox.account(callback_url="http://localhost.invalid:1/")
        await sandbox.send(sms(PHONE))
        await sandbox.advance(3)
        assert (await sandbox.callbacks())[0]["outcome"] == "no answer: ConnectError"


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otp_service.sandbox.reports.KEPT_REPORTS", 3)
    transport = httpx.ASGITransport(app=create_sandbox())
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client, receiving() as receiver:
        sandbox = Sandbox(client)
        await sandbox.account(callback_url=receiver.url)
        await sandbox.xml("/xml/", sms() * 5)
        await sandbox.advance(3)
        assert [len(post) for post in receiver.posts] == [3]
