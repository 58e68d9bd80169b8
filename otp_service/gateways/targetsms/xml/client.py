"""The XML API as an account sees it: credentials in, the good `<response>` out. Every operation X3 to X25 uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar
from xml.etree.ElementTree import Element

from otp_service.domain.secret import Secret
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient
from otp_service.gateways.targetsms.xml.lists import ListReader
from otp_service.gateways.targetsms.xml.wire import HEADERS, document, element, read

T = TypeVar("T")


class XmlApi:
    """seconds: for the whole of a call."""

    def __init__(self, http: HttpClient, login: Secret, password: Secret) -> None:
        self._http = http
        self._login = login
        self._password = password

    async def call(self, path: str, *content: Element, seconds: float, may_be_empty: bool = False) -> Element:
        """POST a request to `path`. may_be_empty: an empty answer is an empty list (ours: no document shows one).

        Raises `GatewayError`, also for a request-level `<error>`.
        """
        reply = await self._http.exchange(
            "POST", path, content=self._request(content), headers=HEADERS, seconds=seconds
        )
        with self.hidden():
            return read(reply.text(), may_be_empty=may_be_empty)

    def _request(self, content: Sequence[Element]) -> bytes:
        security = element(
            "security",
            "",
            element("login", value=self._login.reveal()),
            element("password", value=self._password.reveal()),
        )
        return document(security, *content)

    async def rows(
        self, path: str, *content: Element, tag: str, read: Callable[[Element], T], seconds: float
    ) -> tuple[Element, list[T]]:
        """POST a request whose answer is a list: what `read` makes of each `tag`, and the `<response>` without them.

        The answer is read as it comes, so it may be as long as `MAX_LIST`. Raises `GatewayError`.
        """
        rows = ListReader(tag, read)
        reply = await self._http.exchange(
            "POST", path, content=self._request(content), headers=HEADERS, seconds=seconds, sink=rows.feed
        )
        if reply.status // 100 != 2:
            reply.text()  # raises what the status means
        with self.hidden():
            return rows.finish()

    def hidden(self) -> AbstractContextManager[None]:
        """Around the reading of what an answer says of one message."""
        return hidden_in_errors(self._login, self._password)

    async def close(self) -> None:
        await self._http.close()
