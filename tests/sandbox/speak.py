"""Speaking to the sandbox as the vendor documents say, and to its control API."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape, quoteattr

import httpx

PHONE = "79161234567"


def security() -> str:
    return '<security><login value="demo"/><password value="demo-password"/></security>'


def password_request(phone: str = f"+{PHONE}", *, login: str = "demo", sender: str = "target", extra: str = "") -> str:
    return (
        f"<request><security><login>{login}</login><password>demo-password</password></security>"
        f"<phone>{phone}</phone><sender>{sender}</sender>{extra}</request>"
    )


def sms(phone: str = PHONE, text: str = "123456", *, sender: str = "DEMO", inside: str = "", **attributes: str) -> str:
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return (
        f'<message type="sms"><sender>{sender}</sender><text>{escape(text)}</text>{inside}'
        f'<abonent phone="{phone}" number_sms="1"{written}/></message>'
    )


def cascade() -> dict[str, Any]:
    """A message of J: Viber, then SMS."""
    return {
        "send_viber": "1",
        "send_sms": "2",
        "sender_viber": "DEMO",
        "text_viber": "Код 1234",
        "sender_sms": "DEMO",
        "text_sms": "Код 1234",
        "phones": [{"phone": PHONE}],
    }


class Sandbox:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, path: str, document: str) -> Element:
        """POST an XML document; the `<response>`."""
        response = await self.http.post(path, content=document.encode(), headers={"Content-Type": "text/xml"})
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/xml; charset=utf-8"
        return fromstring(response.content)

    async def xml(self, path: str, inside: str = "") -> Element:
        return await self.ask(path, f"<request>{security()}{inside}</request>")

    async def operation(self, name: str, inside: str = "") -> Element:
        """An XML operation that must not be refused: its `<response>`."""
        answer = await self.xml(f"/xml/{name}.php", inside)
        assert answer.find("error") is None, answer.findtext("error")
        return answer

    async def send(self, *messages: str) -> Element:
        """X3 with one message: its `<information>`."""
        return (await self.xml("/xml/", "".join(messages)))[0]

    async def state(self, id_sms: str) -> Element:
        return (await self.xml("/xml/state.php", f"<get_state><id_sms>{id_sms}</id_sms></get_state>"))[0]

    async def json(self, **content: Any) -> Any:
        """POST a document of J: its answer."""
        document = {"login": "demo", "password": "demo-password"} | content
        response = await self.http.post("/sendmessagejson.php", json=document)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        return response.json()

    async def cascade(self, **changes: Any) -> dict[str, str]:
        """J1 with one message to one phone: its item."""
        [[item]] = (await self.json(message=[cascade() | changes]))["message"]
        return item

    async def smska(self, **fields: str) -> str:
        form = {"APIKey": "demo", "APIPassword": "demo-password"} | fields
        response = await self.http.post("/api/httppost.php", data=form)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.text

    async def smska_send(self, phone: str = PHONE, **fields: str) -> str:
        return await self.smska(**{"MSISDN": phone, "SenderID": "DEMO", "Message": "Код 123456"} | fields)

    async def advance(self, seconds: float) -> None:
        await self._post("/_sim/clock/advance", {"seconds": seconds})

    async def account(self, provider: str = "targetsms", **changes: Any) -> Any:
        return await self._post(f"/_sim/accounts/demo?provider={provider}", changes)

    async def fault(self, fault: str, **more: Any) -> None:
        await self._post("/_sim/faults", {"fault": fault} | more)

    async def messages(self, phone: str = "") -> list[dict[str, Any]]:
        return (await self.http.get("/_sim/messages", params={"phone": phone})).json()

    async def requests(self, operation: str = "") -> list[dict[str, Any]]:
        return (await self.http.get("/_sim/requests", params={"operation": operation})).json()

    async def callbacks(self) -> list[dict[str, Any]]:
        return (await self.http.get("/_sim/callbacks")).json()

    async def _post(self, path: str, content: dict[str, Any]) -> Any:
        response = await self.http.post(path, json=content)
        assert response.is_success, response.text
        return response.json()
