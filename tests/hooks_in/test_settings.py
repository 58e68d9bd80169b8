"""Settings of hooks, deliveries and the facade: from the environment, and refused where they cannot work."""

from __future__ import annotations

import pytest

from otp_service.errors import SettingsError
from otp_service.settings import load
from tests.hooks_in.callers import SUPABASE_NEW

WEB = "OTP__APPLICATIONS__WEB__"
BASE = {
    "OTP__SERVICE__SECRET": "x" * 40,
    "OTP__GATEWAYS__A__KIND": "smska",
    "OTP__GATEWAYS__A__BASE_URL": "https://gateway.example.ru",
    "OTP__ROUTES__SMS__GATEWAYS": "a",
    f"{WEB}BRAND": "Example",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def test_tables_of_an_application_come_from_the_environment() -> None:
    more = {"TWILIO__ENABLED": "false", "DELIVERIES__TEXT": "true", "HOOKS__KRATOS__TEXT": "theirs"}
    more["HOOKS__SUPABASE__SECRET"] = f"v1,whsec_{SUPABASE_NEW}"
    web = load({**BASE, **{WEB + key: value for key, value in more.items()}}).applications["web"]
    assert (web.twilio.enabled, web.deliveries.text) == (False, True)
    assert web.hooks.kratos
    assert web.hooks.kratos.text == "theirs"
    assert web.hooks.supabase
    assert web.hooks.logto is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HOOKS__SUPABASE__SECRET", "whsec_!!"),
        ("HOOKS__SUPABASE__SECRET", "secret"),
        ("HOOKS__SUPABASE__TTL_SECONDS", "60"),
        ("HOOKS__NOBODY__TEXT", "ours"),
        ("HOOKS__KRATOS", "x"),
        ("TWILIO__SERVICE_SID", "VA1"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({**BASE, WEB + key: value})
    assert key.split("__")[0].lower() in str(caught.value).lower()
