"""Faults that an operation itself carries out."""

from __future__ import annotations

import pytest

from .speak import Sandbox, password_request, sms


async def test_message_error(sandbox: Sandbox) -> None:
    await sandbox.fault("message_error", error="Нет ссылки.")

    information = await sandbox.send(sms())

    assert (information.text, information.attrib) == ("Нет ссылки.", {"number_sms": "1"})
    assert await sandbox.messages() == []


@pytest.mark.parametrize(
    ("status", "later"),
    [
        ("not_deliver", "not_deliver"),
        ("expired", "expired"),
        ("deliver", "deliver"),
        ("partly_deliver", "partly_deliver"),
        ("not_valid_phone", "not_deliver"),
        ("connection_error", None),
        ("word_of_tomorrow", None),
    ],
)
async def test_success_status(sandbox: Sandbox, status: str, later: str | None) -> None:
    await sandbox.fault("success_status", error=status)

    [success] = await sandbox.ask("/password_generation/api.php", password_request())
    await sandbox.advance(3)

    assert success.attrib["status"] == status
    if later is None:
        assert await sandbox.messages() == []
    else:
        assert (await sandbox.state(success.attrib["id_sms"])).text == later


async def test_code_length(sandbox: Sandbox) -> None:
    await sandbox.fault("code_length", gateway="password")

    [success] = await sandbox.ask("/password_generation/api.php", password_request())

    assert len(success.attrib["code"]) == 5
