"""What each role may do: every page and every action, asked by HTTP without the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from otp_service.console.opening import PAGES
from otp_service.console.people import ACTIONS
from tests.console.desk import Desk

# GET and POST of every route that needs a session → from which role on. docs/console.md tells the same.
TABLE = {
    "GET /console": "viewer",
    "POST /console/sign-out": "viewer",
    "GET /console/gateways": "viewer",
    "GET /console/fraud": "viewer",
    "GET /console/webhooks": "viewer",
    "GET /console/find": "support",
    "POST /console/find": "support",
    "GET /console/verifications/{verification_id}": "support",
    "POST /console/verifications/{verification_id}": "support",
    "GET /console/events": "support",
    "POST /console/gateways/{name}": "admin",
    "POST /console/fraud/lists": "admin",
    "POST /console/webhooks/{endpoint_id}": "admin",
    "GET /console/keys": "admin",
    "POST /console/keys": "admin",
    "POST /console/keys/{key_id}": "admin",
    "GET /console/operators": "admin",
    "POST /console/operators": "admin",
    "POST /console/operators/{name}": "admin",
    "GET /console/audit": "admin",
    "POST /console/audit/export": "admin",
    "GET /console/settings": "admin",
    "GET /console/settings/findings": "admin",
}
OPEN = {
    "GET /console/sign-in",
    "POST /console/sign-in",
    "GET /console/enrol/{token}",
    "POST /console/enrol/{token}",
    "GET /console/static/{name}",
    "GET /console/language/{name}",
    "GET /console/status/{verification_id}",
}
ROLES = ("", "viewer", "support", "admin")
"""Each may do what those before it may; "" is nobody."""
DONE = ("POST /console/sign-out",)
"""Would end the session that the other cells need; test_sign_in.py has it."""


def may(role: str, needed: str) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


def test_the_table_is_complete() -> None:
    spelt = {f"{page.method} {re.sub(r':str', '', page.route)}": page.role for page in PAGES}
    assert {name: str(role) for name, role in spelt.items() if role} == TABLE
    assert {name for name, role in spelt.items() if role is None} == OPEN


def test_the_page_of_the_documentation_tells_the_same() -> None:
    text = (Path(__file__).parents[2] / "docs" / "console.md").read_text("utf-8")
    for name, role in TABLE.items():
        row = re.search(rf"^\| `{re.escape(name)}` \| (\w+) \|", text, re.MULTILINE)
        assert row, name
        assert row[1] == role, name


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", [name for name in TABLE if name not in DONE])
def test_a_cell(name: str, role: str, desks: Mapping[str, Desk], service_urls: list[str]) -> None:
    method, route = name.split(" ")
    path = re.sub(r"\{\w+\}", "nothing", route)
    desk = desks[role] if role else Desk(service_urls[0])
    answer = desk.get(path) if method == "GET" else desk.send("/console", path)
    if not role:
        assert (answer.status_code, answer.headers.get("location")) == (303, "/console/sign-in")
    elif may(role, TABLE[name]):
        assert answer.status_code in (200, 303, 404, 422), answer.text
    else:
        assert answer.status_code == 403
        assert "<table" not in answer.text


@pytest.mark.parametrize("role", ["support", "admin"])
@pytest.mark.parametrize("action", [action for action in ACTIONS if action not in ("cancel", "resend")])
def test_an_action_on_a_person(action: str, role: str, desks: Mapping[str, Desk], phone: str) -> None:
    about = phone if action in ("unlock", "erase") else "nobody"
    answer = desks[role].send("/console/find", q=phone, application="web", action=action, about=about)
    assert (answer.status_code == 403) == (not may(role, str(ACTIONS[action])))


def test_a_menu_shows_what_one_may_open(desks: Mapping[str, Desk]) -> None:
    for role, desk in desks.items():
        shown = set(re.findall(r'<li><a href="([^"]+)"', desk.get("/console").text))
        pages = [name.removeprefix("GET ") for name in TABLE if re.fullmatch(r"GET [a-z/]+(?<!findings)", name)]
        assert shown == {path for path in pages if may(role, TABLE[f"GET {path}"])}
