"""`Client` and `AsyncClient`: the same calls over the same rules of repeating.

What to send and what an answer means is said once, by `_Call` and `_Tries`; the two clients differ in how they wait.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from otp_service_client._errors import NoAnswer, Refused, refused
from otp_service_client._models import (
    CheckResult,
    Delivery,
    Event,
    FactorResult,
    SubjectResult,
    Totp,
    Verification,
    read,
)

T = TypeVar("T")
PAUSE_SECONDS = 0.2
"""Before a repeat of a request that got no answer; twice as long before each further one."""
KEPT_SECONDS = 30.0
"""An idle connection is not used again after so long: sooner than the service (75 s) and proxies (60 s) close it."""
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""The connection went away before an answer came, as one does that was idle for too long."""
REPEATED = frozenset({409, 429, 503})
"""Where the service says after how long to ask again."""
USER_AGENT = "otp-service-client-python/0.1"


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """One request, and how its answer is read. key: idempotency key, "" for a request that changes nothing."""

    method: str
    path: str
    read: Callable[[Any], T] = field(repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, Any] | None = None
    key: str = ""
    seconds: float = 0
    """Added to the time that the answer may take: a long poll."""


class _Tries:
    """How often one call was tried, and how long it may be waited for."""

    def __init__(self, retries: int, max_wait_seconds: float) -> None:
        self._left = retries
        self._wait_left = max_wait_seconds
        self._pause = PAUSE_SECONDS
        self._met_a_closed_connection = False

    def after_silence(self, error: httpx.TransportError) -> float:
        """Seconds to wait before the repeat. Raises NoAnswer.

        The first connection that closes without an answer is no trouble of the service: the request goes out at once
        over another one, under its Idempotency-Key, and counts as no retry.
        """
        if isinstance(error, CLOSED) and not self._met_a_closed_connection:
            self._met_a_closed_connection = True
            return 0
        pause, self._pause = self._pause * random.uniform(0.75, 1.25), self._pause * 2
        if not self._may(pause):
            raise NoAnswer(f"no answer came ({type(error).__name__})") from None
        return pause

    def after_refusal(self, refusal: Refused) -> float:
        """The same. Raises the refusal where waiting does not help, or takes too long."""
        if refusal.status not in REPEATED or refusal.retry_after is None or not self._may(refusal.retry_after):
            raise refusal
        return refusal.retry_after

    def _may(self, seconds: float) -> bool:
        self._left -= 1
        self._wait_left -= seconds
        return self._left >= 0 and self._wait_left >= 0


class _Calls:
    """Every request of the API. Subclasses send them."""

    def __init__(self, url: str, key: str, *, timeout: float, retries: int, max_wait_seconds: float) -> None:
        if not key.isascii() or not key.isprintable():
            raise ValueError("an API key is printable ASCII")
        self._options: dict[str, Any] = {
            "base_url": url.rstrip("/"),
            "timeout": timeout,
            "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEPT_SECONDS),
            "headers": {"Authorization": f"Bearer {key}", "User-Agent": USER_AGENT, "Accept": "application/json"},
        }
        self._timeout = timeout
        self._tries = lambda: _Tries(retries, max_wait_seconds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options['base_url']!r})"

    def _request(self, client: httpx.Client | httpx.AsyncClient, call: _Call[Any]) -> httpx.Request:
        headers = {"Idempotency-Key": call.key} if call.key else {}
        return client.build_request(
            call.method,
            call.path,
            json=call.body,
            params=call.query,
            headers=headers,
            timeout=self._timeout + call.seconds,
        )

    def _start(
        self,
        to: str,
        *,
        channel: str | None = None,
        steps: Sequence[Mapping[str, str | int]] | None = None,
        purpose: str | None = None,
        locale: str | None = None,
        reference: str | None = None,
        subject: str | None = None,
        client_ip: str | None = None,
        platform: str | None = None,
        client: Mapping[str, str | bool] | None = None,
        limits: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> _Call[Verification]:
        body = _body(
            to=to, channel=channel, steps=steps, purpose=purpose, locale=locale, reference=reference, subject=subject,
            client=_body(ip=client_ip, platform=platform, **(client or {})) or None, limits=limits,
        )  # fmt: skip
        return _post("/v1/verifications", Verification, body, idempotency_key)

    def _check(
        self,
        verification_id: str,
        code: str,
        *,
        to: str | None = None,
        purpose: str | None = None,
        idempotency_key: str | None = None,
    ) -> _Call[CheckResult]:
        body = _body(code=code, to=to, purpose=purpose)
        return _post(f"/v1/verifications/{_part(verification_id)}/check", CheckResult, body, idempotency_key)

    def _check_phone(
        self, to: str, code: str, *, purpose: str | None = None, idempotency_key: str | None = None
    ) -> _Call[CheckResult]:
        body = _body(to=to, code=code, purpose=purpose)
        return _post("/v1/verifications/check", CheckResult, body, idempotency_key)

    def _get(self, verification_id: str, *, wait: int = 0) -> _Call[Verification]:
        return _wait_for(f"/v1/verifications/{_part(verification_id)}", Verification, wait)

    def _resend(
        self, verification_id: str, *, channel: str | None = None, idempotency_key: str | None = None
    ) -> _Call[Verification]:
        path = f"/v1/verifications/{_part(verification_id)}/resend"
        return _post(path, Verification, _body(channel=channel), idempotency_key)

    def _cancel(self, verification_id: str) -> _Call[Verification]:
        return _post(f"/v1/verifications/{_part(verification_id)}/cancel", Verification, None, None)

    def _search(self, to: str) -> _Call[Sequence[Verification]]:
        def all_of(body: Any) -> Sequence[Verification]:
            return [read(Verification, one) for one in body["verifications"]]

        return _Call("POST", "/v1/verifications/search", all_of, {"to": to})

    def _deliver(
        self,
        to: str,
        *,
        code: str | None = None,
        text: str | None = None,
        channel: str | None = None,
        purpose: str | None = None,
        locale: str | None = None,
        reference: str | None = None,
        ttl_seconds: int | None = None,
        webotp_host: str | None = None,
        client_ip: str | None = None,
        platform: str | None = None,
        client: Mapping[str, str | bool] | None = None,
        limits: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> _Call[Delivery]:
        if (code is None) == (text is None):
            raise ValueError("give either code or text")
        body = _body(
            to=to, code=code, text=text, channel=channel, purpose=purpose, locale=locale, reference=reference,
            ttl_seconds=ttl_seconds, webotp_host=webotp_host,
            client=_body(ip=client_ip, platform=platform, **(client or {})) or None, limits=limits,
        )  # fmt: skip
        return _post("/v1/deliveries", Delivery, body, idempotency_key)

    def _get_delivery(self, delivery_id: str, *, wait: int = 0) -> _Call[Delivery]:
        return _wait_for(f"/v1/deliveries/{_part(delivery_id)}", Delivery, wait)

    def _converted(self, delivery_id: str) -> _Call[Delivery]:
        return _post(f"/v1/deliveries/{_part(delivery_id)}/converted", Delivery, None, None)

    def _events_page(self, after: str, limit: int) -> _Call[tuple[Sequence[Event], str]]:
        def page(body: Any) -> tuple[Sequence[Event], str]:
            return [read(Event, one) for one in body["events"]], body.get("next") or after

        return _Call("GET", "/v1/events", page, query=_body(after=after or None, limit=limit))

    def _enrol_totp(
        self,
        subject: str,
        *,
        name: str | None = None,
        label: str | None = None,
        issuer: str | None = None,
        idempotency_key: str | None = None,
    ) -> _Call[Totp]:
        body = _body(subject=subject, name=name, label=label, issuer=issuer)
        return _post("/v1/factors/totp", Totp, body, idempotency_key)

    def _confirm_totp(
        self, factor_id: str, code: str, *, subject: str | None = None, idempotency_key: str | None = None
    ) -> _Call[FactorResult]:
        body = _body(code=code, subject=subject)
        return _post(f"/v1/factors/totp/{_part(factor_id)}/confirm", FactorResult, body, idempotency_key)

    def _check_totp(
        self, factor_id: str, code: str, *, subject: str | None = None, idempotency_key: str | None = None
    ) -> _Call[FactorResult]:
        body = _body(code=code, subject=subject)
        return _post(f"/v1/factors/totp/{_part(factor_id)}/check", FactorResult, body, idempotency_key)

    def _check_subject(self, subject: str, code: str, *, idempotency_key: str | None = None) -> _Call[SubjectResult]:
        return _post(f"/v1/subjects/{_part(subject)}/check", SubjectResult, {"code": code}, idempotency_key)


class Client(_Calls):
    """Sync. timeout: seconds for one answer. retries: of one call. max_wait_seconds: of its pauses together.

    The methods are those of `_Calls` without the leading underscore. They raise Refused and NoAnswer.
    """

    def __init__(
        self, url: str, key: str, *, timeout: float = 20, retries: int = 3, max_wait_seconds: float = 5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        super().__init__(url, key, timeout=timeout, retries=retries, max_wait_seconds=max_wait_seconds)
        self._http = httpx.Client(**self._options, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def events(self, after: str = "", limit: int = 100) -> Iterator[Event]:
        """All events after one ("" for the oldest kept), to the newest; ask again from the last one's id."""
        while True:
            found, following = self._do(self._events_page(after, limit))
            yield from found
            if following == after or len(found) < limit:
                return
            after = following

    def _do(self, call: _Call[T]) -> T:
        tries, request = self._tries(), self._request(self._http, call)
        while True:
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                time.sleep(tries.after_silence(error))
                continue
            try:
                return _understood(call, answer)
            except Refused as refusal:
                time.sleep(tries.after_refusal(refusal))

    def start(self, to: str, **fields: Any) -> Verification:
        """Send a code to a phone or address. Fields: channel, steps (of `auto`), purpose, locale, reference,
        subject, client_ip, platform,
        client (trusted, device, ja4, challenge_passed), limits,
        idempotency_key."""
        return self._do(self._start(to, **fields))

    def check(self, verification_id: str, code: str, **fields: Any) -> CheckResult:
        """Judge a code. Fields: to, purpose (recommended), idempotency_key."""
        return self._do(self._check(verification_id, code, **fields))

    def check_phone(self, to: str, code: str, **fields: Any) -> CheckResult:
        """Judge a code for the phone's newest pending verification. Fields: purpose, idempotency_key."""
        return self._do(self._check_phone(to, code, **fields))

    def get(self, verification_id: str, *, wait: int = 0) -> Verification:
        """As it is now; with `wait` (0 to 30 s) after its next change."""
        return self._do(self._get(verification_id, wait=wait))

    def resend(self, verification_id: str, **fields: Any) -> Verification:
        """Send the code once more, or with the channel `inbound` let the person send it. Fields: channel,
        idempotency_key."""
        return self._do(self._resend(verification_id, **fields))

    def cancel(self, verification_id: str) -> Verification:
        return self._do(self._cancel(verification_id))

    def search(self, to: str) -> Sequence[Verification]:
        """A phone's verifications, newest first."""
        return self._do(self._search(to))

    def deliver(self, to: str, **fields: Any) -> Delivery:
        """Deliver a code that you made. Fields: code or text, channel, purpose, locale, reference, ttl_seconds,
        webotp_host, client_ip, platform, client (trusted, device, ja4, challenge_passed), limits, idempotency_key."""
        return self._do(self._deliver(to, **fields))

    def get_delivery(self, delivery_id: str, *, wait: int = 0) -> Delivery:
        return self._do(self._get_delivery(delivery_id, wait=wait))

    def converted(self, delivery_id: str) -> Delivery:
        """Report that the person entered the code of a delivery."""
        return self._do(self._converted(delivery_id))

    def enrol_totp(self, subject: str, **fields: Any) -> Totp:
        """A new authenticator, unconfirmed. Fields: name, label, issuer, idempotency_key."""
        return self._do(self._enrol_totp(subject, **fields))

    def confirm_totp(self, factor_id: str, code: str, **fields: Any) -> FactorResult:
        """Fields: subject, idempotency_key."""
        return self._do(self._confirm_totp(factor_id, code, **fields))

    def check_totp(self, factor_id: str, code: str, **fields: Any) -> FactorResult:
        """Fields: subject, idempotency_key."""
        return self._do(self._check_totp(factor_id, code, **fields))

    def check_subject(self, subject: str, code: str, **fields: Any) -> SubjectResult:
        """Judge whatever a person typed: a TOTP code or a backup code. Fields: idempotency_key."""
        return self._do(self._check_subject(subject, code, **fields))


class AsyncClient(_Calls):
    """As `Client`, its methods are awaited."""

    def __init__(
        self, url: str, key: str, *, timeout: float = 20, retries: int = 3, max_wait_seconds: float = 5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        super().__init__(url, key, timeout=timeout, retries=retries, max_wait_seconds=max_wait_seconds)
        self._http = httpx.AsyncClient(**self._options, transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def events(self, after: str = "", limit: int = 100) -> AsyncIterator[Event]:
        while True:
            found, following = await self._do(self._events_page(after, limit))
            for event in found:
                yield event
            if following == after or len(found) < limit:
                return
            after = following

    async def _do(self, call: _Call[T]) -> T:
        tries, request = self._tries(), self._request(self._http, call)
        while True:
            try:
                answer = await self._http.send(request)
            except httpx.TransportError as error:
                await asyncio.sleep(tries.after_silence(error))
                continue
            try:
                return _understood(call, answer)
            except Refused as refusal:
                await asyncio.sleep(tries.after_refusal(refusal))

    async def start(self, to: str, **fields: Any) -> Verification:
        return await self._do(self._start(to, **fields))

    async def check(self, verification_id: str, code: str, **fields: Any) -> CheckResult:
        return await self._do(self._check(verification_id, code, **fields))

    async def check_phone(self, to: str, code: str, **fields: Any) -> CheckResult:
        return await self._do(self._check_phone(to, code, **fields))

    async def get(self, verification_id: str, *, wait: int = 0) -> Verification:
        return await self._do(self._get(verification_id, wait=wait))

    async def resend(self, verification_id: str, **fields: Any) -> Verification:
        return await self._do(self._resend(verification_id, **fields))

    async def cancel(self, verification_id: str) -> Verification:
        return await self._do(self._cancel(verification_id))

    async def search(self, to: str) -> Sequence[Verification]:
        return await self._do(self._search(to))

    async def deliver(self, to: str, **fields: Any) -> Delivery:
        return await self._do(self._deliver(to, **fields))

    async def get_delivery(self, delivery_id: str, *, wait: int = 0) -> Delivery:
        return await self._do(self._get_delivery(delivery_id, wait=wait))

    async def converted(self, delivery_id: str) -> Delivery:
        return await self._do(self._converted(delivery_id))

    async def enrol_totp(self, subject: str, **fields: Any) -> Totp:
        return await self._do(self._enrol_totp(subject, **fields))

    async def confirm_totp(self, factor_id: str, code: str, **fields: Any) -> FactorResult:
        return await self._do(self._confirm_totp(factor_id, code, **fields))

    async def check_totp(self, factor_id: str, code: str, **fields: Any) -> FactorResult:
        return await self._do(self._check_totp(factor_id, code, **fields))

    async def check_subject(self, subject: str, code: str, **fields: Any) -> SubjectResult:
        return await self._do(self._check_subject(subject, code, **fields))


def _post(path: str, kind: type[T], body: Mapping[str, Any] | None, key: str | None) -> _Call[T]:
    return _Call("POST", path, lambda told: read(kind, told), body, key=key or str(uuid.uuid4()))


def _wait_for(path: str, kind: type[T], wait: int) -> _Call[T]:
    return _Call("GET", path, lambda told: read(kind, told), query={"wait": wait} if wait else None, seconds=wait)


def _body(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _part(text: str) -> str:
    """One part of a path, whatever it holds."""
    return quote(text, safe="")


def _understood(call: _Call[T], answer: httpx.Response) -> T:
    if answer.is_success:
        return call.read(json.loads(answer.content))
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = None
    wait = answer.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() else None
    raise refused(answer.status_code, body, seconds, answer.headers.get("x-request-id", ""))
