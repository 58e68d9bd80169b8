"""The guide docs/two-factor.md, word for word: what it tells people to write works."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.authenticator import App, step_with_room
from tests.running import API_KEY

GUIDE = Path(__file__).parents[2] / "docs" / "two-factor.md"


def written(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the guide's code defines, with the rest of a site around them."""
    monkeypatch.setenv("OTP_API_KEY", API_KEY)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    assert "http://127.0.0.1:8000" in code
    site: dict[str, Any] = {
        "session": {},
        "logged_in": [],
        "told": [],
        "render": lambda page, **values: (page, values),
        "log_in": lambda user: site["logged_in"].append(user),
        "flash": lambda text: site["told"].append(text),
    }
    exec(compile(code.replace("http://127.0.0.1:8000", url), str(GUIDE), "exec"), site)
    site["otp"].close()
    site["otp"] = httpx.Client(base_url=url, headers=site["otp"].headers, trust_env=False, verify=False)
    return site


async def test_the_guide_works(service_urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    site = written(service_urls[0], monkeypatch)
    step = await step_with_room(8)
    await asyncio.to_thread(walk, site, step)
    site["otp"].close()


def walk(site: dict[str, Any], step: int) -> None:
    user = SimpleNamespace(id=f"guide-{step}", login="anna", two_factor=False)
    page, shown = site["begin"](user)
    assert (page, shown["qr"][:15]) == ("enrol.html", "data:image/svg+")
    app = App(f"otpauth://totp/x:anna?secret={shown['secret']}&issuer=x")
    assert "error" in site["confirm"](user, app.wrong(step))[1]
    page, shown = site["confirm"](user, app.at(step - 1))
    assert (page, len(shown["codes"]), user.two_factor) == ("backup_codes.html", 10, True)

    for typed in (app.wrong(step), "hello", shown["codes"][0][:4]):
        assert "error" in site["second_step"](user, typed)[1]
    assert site["logged_in"] == []
    site["second_step"](user, f" {app.at(step)} ")
    for code in shown["codes"][:8]:
        site["second_step"](user, code.lower())
    assert site["logged_in"] == [user] * 9
    assert site["told"] == ["You have 2 backup codes left. Make new ones."]

    assert site["lost_phone"](user)[0] == "enrol.html"
    assert "error" in site["second_step"](user, app.at(step + 1))[1]
