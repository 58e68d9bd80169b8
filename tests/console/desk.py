"""An operator at the console by HTTP, as a browser without scripts: forms, cookies, the token of each form."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import httpx
import pyotp

PASSWORD = "green tea and a long walk"


def fields(html: str) -> dict[str, str]:
    """Hidden fields of a page; they are the same in each of its forms."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html)
    return {name: unescape(value) for name, value in found if value}


def link_in(html: str) -> str:
    """Of somebody who was added or reset."""
    found = re.search(r'id="link">([^<]+)<', html)
    assert found, html
    return found[1]


class Desk:
    """secret: of the authenticator, once enrolled. codes: backup codes."""

    def __init__(self, url: str, **headers: str) -> None:
        none_kept = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(
            base_url=url, headers=headers, trust_env=False, verify=False, timeout=60, limits=none_kept
        )
        self.token = ""
        self.name = ""
        self.secret = ""
        self.codes: list[str] = []
        self._used = 0
        self._csrf: dict[str, str] = {}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._kept(self.http.get(path, headers=self._headers(options), **options))

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """A bare POST, with nothing that a page would add."""
        return self._kept(self.http.post(path, data=data or {}, headers=self._headers(options), **options))

    def send(self, page: str, path: str = "", **data: Any) -> httpx.Response:
        """A form of a page, with the token that the page has: each of one session has the same."""
        if self.token not in self._csrf:
            self._csrf[self.token] = fields(self.get(page).text).get("csrf", "")
        return self.post(path or page, {"csrf": self._csrf[self.token], **data})

    def code(self) -> str:
        """A code of the authenticator that was not used yet."""
        step = max(int(time.time() // 30), self._used + 1)
        while step > time.time() // 30 + 1:
            time.sleep(0.5)
        self._used = step
        return pyotp.TOTP(self.secret).at(step * 30)

    def enrol(self, link: str, password: str = PASSWORD) -> httpx.Response:
        path = "/console/enrol/" + link.rpartition("/")[2]
        page = self.get(path)
        assert page.status_code == 200, page.text
        found = re.search(r'id="secret">([A-Z2-7 ]+)<', page.text)
        assert found, page.text
        self.secret = found[1].replace(" ", "")
        code, used = self.code(), self._used
        done = self.post(path, {"password": password, "again": password, "code": code})
        if done.status_code == 422:  # nobody looked at the code
            self._used = used - 1
        self.codes = re.findall(r"<li>([0-9A-Z-]{14})</li>", done.text)
        return done

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> httpx.Response:
        answer = self.post("/console/sign-in", {"name": name, "password": password})
        if answer.status_code != 303:
            return answer
        # A code of the app works once in 30 s; the backup codes need no waiting.
        return self.post("/console/sign-in", {"code": code or (self.codes.pop() if self.codes else self.code())})

    def _headers(self, options: dict[str, Any]) -> dict[str, str]:
        given = options.pop("headers", {})
        return ({"Cookie": f"otp_console={self.token}"} if self.token else {}) | given

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        """The cookie jar would not send a secure cookie over http, which is how tests come here."""
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if name == "otp_console":
                self.token = value.strip('"')
        self.http.cookies.clear()
        return answer
