"""Speaking to the service as a backend does, and to the sandbox as the person with the phone does."""

from __future__ import annotations

from typing import Any, Self

import httpx

from tests.running import code_in

Answer = httpx.Response


class Api:
    """A caller with an API key."""

    def __init__(self, url: str, key: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.http = httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            verify=False,  # plain http; without this each client spends 90 ms on certificates
            timeout=60,
            limits=limits,
            headers={"Authorization": f"Bearer {key}"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def start(self, to: str, *, key: str = "", **body: Any) -> Answer:
        return await self.post("/v1/verifications", {"to": to, **body}, key)

    async def check(self, verification_id: str, code: str, *, key: str = "", **body: Any) -> Answer:
        return await self.post(f"/v1/verifications/{verification_id}/check", {"code": code, **body}, key)

    async def resend(self, verification_id: str, *, key: str = "", **body: Any) -> Answer:
        return await self.post(f"/v1/verifications/{verification_id}/resend", body or None, key)

    async def cancel(self, verification_id: str, *, key: str = "") -> Answer:
        return await self.post(f"/v1/verifications/{verification_id}/cancel", None, key)

    async def status(self, verification_id: str) -> Answer:
        return await self.http.get(f"/v1/verifications/{verification_id}")

    async def started(self, to: str, **body: Any) -> dict[str, Any]:
        """A verification that must be pending."""
        answer = await self.start(to, **body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        assert found["status"] == "pending"
        return found

    async def outcome(self, verification_id: str, code: str, **body: Any) -> str:
        answer = await self.check(verification_id, code, **body)
        assert answer.status_code == 200, answer.text
        outcome: str = answer.json()["outcome"]
        assert answer.json()["approved"] == (outcome == "approved")
        return outcome

    async def post(self, path: str, body: dict[str, Any] | None, key: str = "") -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(path, json=body, headers=headers)


class Gateways:
    """The sandbox: what arrived on a phone, and what is to go wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def reset(self) -> None:
        assert (await self.http.post("/_sim/reset")).status_code == 204

    async def fail(self, gateway: str, fault: str, *, times: int | None = None, **details: Any) -> None:
        body = {"gateway": gateway, "fault": fault, "times": times, **details}
        answer = await self.http.post("/_sim/faults", json=body)
        assert answer.status_code == 201, answer.text

    async def account(self, login: str = "demo", provider: str = "targetsms", **changes: Any) -> None:
        answer = await self.http.post(f"/_sim/accounts/{login}", params={"provider": provider}, json=changes)
        assert answer.status_code == 200, answer.text

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """What the gateways took for a phone, newest first."""
        found: list[dict[str, Any]] = (await self.http.get("/_sim/messages", params={"phone": phone})).json()
        return found

    async def codes(self, phone: str) -> list[str]:
        """Codes on the phone, newest first."""
        return [code_in(message["text"]) for message in await self.messages(phone)]

    async def asked(self, operation: str) -> int:
        return len((await self.http.get("/_sim/requests", params={"operation": operation})).json())


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, in the one shape that all problems have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    found: dict[str, Any] = answer.json()
    assert found["code"] == code, found
    assert found["status"] == status
    assert found["type"] == f"urn:otp-service:problem:{code}"
    assert found["title"]
    assert found["detail"]
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return found
