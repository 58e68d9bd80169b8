"""The XML API as an account sees it: credentials in, the good `<response>` out. Every operation X3 to X25 uses it."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from otp_service.domain.secret import Secret
from otp_service.gateways.http import HttpClient
from otp_service.gateways.targetsms.xml import HEADERS, document, element, read


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
        security = element(
            "security",
            "",
            element("login", value=self._login.reveal()),
            element("password", value=self._password.reveal()),
        )
        reply = await self._http.exchange(
            "POST", path, content=document(security, *content), headers=HEADERS, seconds=seconds
        )
        return read(reply.text(), may_be_empty=may_be_empty)

    async def close(self) -> None:
        await self._http.close()
