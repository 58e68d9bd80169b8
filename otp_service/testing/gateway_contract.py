"""What every gateway must do, for tests of your own. docs/adding-a-gateway.md shows how.

    class TestMine(GatewayContract):
        subject = Subject(
            build=lambda url: registry.build("mine", {"kind": "mine", "base_url": url, "key": "canary-key"}),
            accepted=Answer(b'{"id": "7"}'), accepted_id="7",
            refusals={"no money": (Answer(b'{"error": "funds"}'), Reason.FUNDS, Then.NEXT)},
            canaries=("canary-key",),
        )

Each test is synchronous and speaks over real sockets of loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, Gateway, GatewayError, Outgoing, Push, TakesCallbacks, Then
from otp_service.testing.stub import FAULTS, Stub, closed_port

T = TypeVar("T")

PHONE, CODE = "+79161234567", "64653989"
UNCLEAR = (Reason.BROKEN_ANSWER, Then.UNCLEAR)
SECONDS = 30.0
"""For an exchange that is not about time: a busy machine takes its own."""
NO_ANSWERS = (
    b"", b" \r\n", b"<html><body>502 Bad Gateway</body></html>", b"502 Bad Gateway", b"error code: 502", b"OK", b"0",
    b"{}", b"[]", b"null", b'"', b"<", b"<response></response>", b"\x01\x02\x03", b"[" * 100_000, b"<a>" * 10_000,
    b"x" * 300_000, b'<!DOCTYPE r [<!ENTITY a "send">]><response>&a;</response>',
)  # fmt: skip
"""Pages, words of proxies, nothing, too much."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200


@dataclass(frozen=True)
class Subject:
    """build: makes the gateway for a base URL. accepted: an answer that takes a message, and the id in it. refusals: by
    a name for the reader, an answer that refuses one, and what it means. unclear: answers that nobody can rely on.
    canaries: credentials that `build` gives it, which must never be shown. outgoing: fields of `Outgoing` that differ.
    """

    build: Callable[[str], Gateway]
    accepted: Answer
    accepted_id: str
    refusals: Mapping[str, tuple[Answer, Reason, Then]] = field(default_factory=dict)
    unclear: tuple[Answer, ...] = ()
    canaries: tuple[str, ...] = ()
    outgoing: Mapping[str, Any] = field(default_factory=dict)

    def message(self) -> Outgoing:
        fields: dict[str, Any] = {
            "phone": PHONE, "text": f"Code {CODE}", "client_id": "170000000000101", "code": CODE, "locale": "en",
            "expires_at": datetime.now(UTC) + timedelta(minutes=5), **self.outgoing,
        }  # fmt: skip
        return Outgoing(**fields)


class GatewayContract:
    """Subclass it with a `subject`."""

    subject: ClassVar[Subject]

    def test_it_says_what_it_is(self) -> None:
        async def story(gateway: Gateway, _: Stub) -> None:
            assert gateway.name
            assert gateway.channel
            assert gateway.account
            assert gateway.traits.attempt_seconds > 0
            assert gateway.traits.balance_low >= 0
            assert isinstance(gateway.traits.circuit_breaker, bool)
            assert gateway.ask_batch >= 1
            for trait in ("makes_code", "repeatable"):
                assert isinstance(getattr(gateway, trait), bool), trait
            for trait in ("ask_pause_seconds", "repeat_pause_seconds"):
                assert getattr(gateway, trait) >= 0, trait
            assert gateway.zone is None or gateway.zone.key

        self._run(story)

    def test_accepted_in_one_request(self) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            self._answer(stub, self.subject.accepted)
            accepted = await gateway.send(self.subject.message(), SECONDS)
            assert isinstance(accepted, Accepted)
            assert accepted.provider_id == self.subject.accepted_id
            assert accepted.status in (MessageStatus.ACCEPTED, MessageStatus.DELIVERED, MessageStatus.SCHEDULED)
            assert not accepted.earlier
            assert bool(accepted.code) == gateway.makes_code
            assert len(stub.read) == 1

        self._run(story)

    def test_refusals_mean_what_they_say(self) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            for name, (answer, reason, then) in self.subject.refusals.items():
                self._answer(stub, answer)
                assert await self._refusal(gateway) == (reason, then), name

        self._run(story)

    def test_what_is_no_answer_is_unclear(self) -> None:
        """It may have been sent: the service does not call it a failure."""

        async def story(gateway: Gateway, stub: Stub) -> None:
            for body in NO_ANSWERS:
                self._answer(stub, Answer(body))
                assert await self._refusal(gateway) == UNCLEAR, body[:40]
            for answer in self.subject.unclear:
                self._answer(stub, answer)
                assert await self._refusal(gateway) == UNCLEAR, answer.body[:40]

        self._run(story)

    def test_http_statuses(self) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            for status, then in (
                (301, Then.UNCLEAR),
                (401, Then.NEXT),
                (429, Then.NEXT),
                (500, Then.UNCLEAR),
                (502, Then.UNCLEAR),
            ):
                self._answer(stub, Answer(b"<html>page</html>", status))
                assert (await self._refusal(gateway))[1] is then, status

        self._run(story)

    def test_a_closed_port_is_not_sent(self) -> None:
        async def story() -> None:
            gateway = self.subject.build(f"http://127.0.0.1:{closed_port()}")
            try:
                assert await self._refusal(gateway) == (Reason.UNREACHABLE, Then.NEXT)
            finally:
                await gateway.close()

        asyncio.run(story())

    @pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "reset at accept"])
    def test_a_fault_is_unclear_and_is_not_repeated(self, fault: str) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            self._answer(stub, self.subject.accepted)
            late = fault in ("stall", "drip")
            if late:  # with a connection at hand: to connect may take a busy machine longer than all of this time
                await gateway.send(self.subject.message(), SECONDS)
            stub.fault = fault
            reason, then = await self._refusal(gateway, 1.0 if late else SECONDS)
            assert then is Then.UNCLEAR
            assert reason in (Reason.BROKEN_ANSWER, Reason.TIMEOUT)
            await asyncio.sleep(0.1)
            assert len(stub.read) == 1 + late

        self._run(story)

    def test_it_keeps_to_its_time(self) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            stub.fault = "stall"
            loop = asyncio.get_running_loop()
            began = loop.time()
            await self._refusal(gateway, 0.3)
            assert loop.time() - began < 2.0

        self._run(story)

    def test_nothing_secret_is_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        """Of credentials, phone and code: neither in logs at DEBUG nor in reprs, errors, their words and tracebacks."""
        caplog.set_level(logging.DEBUG)
        canaries = (*self.subject.canaries, PHONE, PHONE[1:], CODE)
        shown: list[str] = []

        async def story(gateway: Gateway, stub: Stub) -> None:
            shown.extend([repr(gateway), repr(self.subject.message()), gateway.account, gateway.name])
            self._answer(stub, self.subject.accepted)
            shown.append(repr(await gateway.send(self.subject.message(), SECONDS)))
            answers = [
                *(answer for answer, _, _ in self.subject.refusals.values()),
                Answer(" ".join(canaries).encode(), 400),
            ]
            for answer in answers:
                self._answer(stub, answer)
                await self._show(gateway, shown)
            for stub.fault in ("processed, then reset", "cut", "garbage"):
                await self._show(gateway, shown)

        self._run(story)
        for words in [*shown, caplog.text]:
            assert not [canary for canary in canaries if canary in words]

    def test_questions_never_break(self) -> None:
        """About messages, the balance, itself: an answer, or `GatewayError`; about nothing, nothing is asked."""

        async def story(gateway: Gateway, stub: Stub) -> None:
            assert await gateway.deliveries([]) == []
            assert stub.read == []
            for body in NO_ANSWERS:
                self._answer(stub, Answer(body))
                for question in (
                    gateway.deliveries([self.subject.accepted_id]),
                    gateway.balance(SECONDS),
                    gateway.withdraw(self.subject.accepted_id),
                    gateway.probe(Reason.CREDENTIALS, SECONDS),
                ):
                    with contextlib.suppress(GatewayError):
                        await question
                assert all(finding.name for finding in await gateway.examine())

        self._run(story)

    def test_pushes_never_break(self) -> None:
        async def story(gateway: Gateway, _: Stub) -> None:
            if isinstance(gateway, TakesCallbacks):
                for body in NO_ANSWERS:
                    for method in ("GET", "POST"):
                        pushed = gateway.read_push(Push(method, "/callbacks/x", {}, {}, body))
                        assert pushed.deliveries == []
                        assert pushed.status in range(200, 500)

        self._run(story)

    def test_many_at_a_time(self) -> None:
        async def story(gateway: Gateway, stub: Stub) -> None:
            self._answer(stub, self.subject.accepted)
            sends = [gateway.send(self.subject.message(), SECONDS) for _ in range(20)]
            assert {each.provider_id for each in await asyncio.gather(*sends)} == {self.subject.accepted_id}
            assert len(stub.read) == 20

        self._run(story)

    def _run(self, story: Callable[[Gateway, Stub], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with Stub() as stub:
                gateway = self.subject.build(stub.url)
                try:
                    await story(gateway, stub)
                finally:
                    await gateway.close()

        asyncio.run(whole())

    @staticmethod
    def _answer(stub: Stub, answer: Answer) -> None:
        stub.status, stub.body = answer.status, answer.body

    async def _refusal(self, gateway: Gateway, seconds: float = SECONDS) -> tuple[Reason, Then]:
        with pytest.raises(GatewayError) as caught:
            await gateway.send(self.subject.message(), seconds)
        assert caught.value.__cause__ is None, "an error must not drag along what it was made of"
        assert caught.value.__context__ is None
        return caught.value.reason, caught.value.then

    async def _show(self, gateway: Gateway, shown: list[str]) -> None:
        try:
            shown.append(repr(await gateway.send(self.subject.message(), SECONDS)))
        except GatewayError as error:
            shown += [str(error), repr(error), error.words, error.text, "".join(traceback.format_exception(error))]
