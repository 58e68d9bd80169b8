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

    async def call(self, path: str, *content: Element, seconds: float) -> Element:
        """POST a request to `path`. Raises `GatewayError`, also for a request-level `<error>`."""
        security = element(
            "security",
            "",
            element("login", value=self._login.reveal()),
            element("password", value=self._password.reveal()),
        )
        reply = await self._http.exchange(
            "POST", path, content=document(security, *content), headers=HEADERS, seconds=seconds
        )
        return read(reply.text())

    async def close(self) -> None:
        await self._http.close()
