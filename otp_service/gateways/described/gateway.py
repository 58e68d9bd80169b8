"""The gateway over a provider that the settings describe."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from otp_service.domain import phone
from otp_service.domain.inbound import Incoming
from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.errors import SettingsError
from otp_service.gateways import http
from otp_service.gateways.base import (
    Accepted,
    Delivery,
    Finding,
    GatewayError,
    Outgoing,
    Push,
    Pushed,
    Then,
)
from otp_service.gateways.config import account_name, hidden_in_errors, networks
from otp_service.gateways.described.answers import AnswerReader
from otp_service.gateways.described.config import Callback, HttpConfig
from otp_service.gateways.described.reading import Locator, check_pointer, document, inside, locator
from otp_service.gateways.described.requests import RequestMaker, signed, signer
from otp_service.gateways.http import broken_answer, decode
from otp_service.gateways.polling import one_by_one
from otp_service.gateways.wire import is_fresh, is_token

MESSAGE = frozenset(
    {
        "phone", "phone_digits", "text", "code", "sender", "client_id", "locale", "expires_at",
        "expires_unix", "ttl_seconds", "ttl_minutes",
    }
)  # fmt: skip
"""What `send` fills in. `{sender}` is that of the settings."""
QUESTION = frozenset({"id", "sender"})
NOT_UNDERSTOOD = Pushed([], status=400, understood=False)


class HttpGateway:
    """What it can do is what its table says. Raises `SettingsError` for a table that cannot work."""

    makes_code = False
    zone = None
    ask_batch = 20
    """One request each."""
    repeat_pause_seconds = 0.0

    def __init__(self, name: str, config: HttpConfig) -> None:
        where = f"gateways.{name}"
        self.name = name
        self.channel = config.channel
        self.repeatable = config.repeatable
        self.traits = config.traits()
        secrets = {f"secret.{key}": secret.reveal() for key, secret in config.secrets.items()}
        self._fixed = {f"value.{key}": text for key, text in config.values.items()} | secrets
        self._secrets = tuple(config.secrets.values())
        first = next(iter(config.secrets.values()), None)
        self.account = account_name("http", Secret(f"{config.base_url} {first.reveal() if first else name}"))
        self._config = config
        self._http = config.client(name)
        known = set(self._fixed)
        self._send = RequestMaker(config.send, config.auth, known | MESSAGE, f"{where}.send")
        self._sent = AnswerReader(config.send.answer, f"{where}.send.answer")
        _refuse_unfit(config, self._send.names, where)
        self._status = (
            RequestMaker(config.status, config.auth, known | QUESTION, f"{where}.status") if config.status else None
        )
        self._told = AnswerReader(config.status.answer, f"{where}.status.answer") if config.status else None
        self._balance = (
            RequestMaker(config.balance, config.auth, known | {"sender"}, f"{where}.balance")
            if config.balance
            else None
        )
        self._left = AnswerReader(config.balance.answer, f"{where}.balance.answer") if config.balance else None
        self.ask_pause_seconds = config.status.pause_seconds if config.status else 0.0
        self._pushes = _Pushes(config.callback, config, self._fixed, f"{where}.callback") if config.callback else None
        self.callback_tokens = config.callback.token.reveal() if config.callback else ()
        self.callback_networks = self._pushes.networks if self._pushes else []
        self.believes_pushes = bool(config.callback and config.callback.believe)
        self._turn = 0.0

    async def send(self, message: Outgoing, seconds: float) -> Accepted:
        country = phone.known(message.phone).region if self._config.countries else ""
        if self._config.countries and country not in self._config.countries:
            raise GatewayError(Reason.DIRECTION_CLOSED, Then.NEXT)
        deadline = time.monotonic() + seconds
        await self._wait_for_turn(seconds)
        reply = await self._send.send(self._http, self._values(message), max(0.05, deadline - time.monotonic()))
        with hidden_in_errors(*self._secrets):
            return self._sent.accepted(reply)

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def deliveries(self, provider_ids: Sequence[str]) -> list[Delivery]:
        if self._status is None:
            return []
        return await one_by_one(provider_ids, self._ask)

    async def balance(self, seconds: float) -> Decimal | None:
        if self._balance is None or self._left is None:
            return None
        values = {**self._fixed, "sender": self._config.sender}
        reply = await self._balance.send(self._http, values, seconds)
        with hidden_in_errors(*self._secrets):
            return self._left.balance(reply)

    async def probe(self, reason: Reason, seconds: float) -> bool:
        """By the balance, where the table knows how to ask for it."""
        if self._balance is None or reason in (Reason.SENDER, Reason.GATEWAY_EXHAUSTED):
            return False
        left = await self.balance(seconds)
        if reason is Reason.FUNDS and not left:
            raise GatewayError(Reason.FUNDS, Then.NEXT)
        return True

    async def examine(self) -> list[Finding]:
        if self._balance is None:
            return [Finding("table", True, f"is sound; `otp-service gateways try {self.name} --to PHONE` tries it")]
        try:
            left = await self.balance(self.traits.attempt_seconds)
        except GatewayError as error:
            return [Finding("balance", False, f"not told: {error}")]
        return [Finding("balance", bool(left and left > 0), f"{left}")]

    def read_push(self, push: Push) -> Pushed:
        try:
            return self._pushes.read(push) if self._pushes else NOT_UNDERSTOOD
        except GatewayError:
            return NOT_UNDERSTOOD

    async def examine_callback(self, public_url: str) -> Finding | None:
        return None

    async def register_callback(self, public_url: str) -> bool:
        return False

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, provider_id: str) -> Delivery | None:
        assert self._status is not None  # noqa: S101
        assert self._told is not None  # noqa: S101
        values = {**self._fixed, "id": provider_id, "sender": self._config.sender}
        reply = await self._status.send(self._http, values, self.traits.attempt_seconds)
        with hidden_in_errors(*self._secrets):
            return self._told.delivery(reply, provider_id)

    async def _wait_for_turn(self, seconds: float) -> None:
        """Raises `GatewayError` THROTTLED/next where the turn would come too late."""
        if not self._config.max_per_second:
            return
        now = time.monotonic()
        at = max(now, self._turn)
        if at - now > seconds / 2:
            raise GatewayError(Reason.THROTTLED, Then.NEXT)
        self._turn = at + 1 / self._config.max_per_second
        await asyncio.sleep(at - now)

    def _values(self, message: Outgoing) -> dict[str, str]:
        life = max(0, int((message.expires_at - datetime.now(UTC)).total_seconds()))
        return self._fixed | {
            "phone": message.phone,
            "phone_digits": message.phone.removeprefix("+"),
            "text": message.text,
            "code": message.code,
            "sender": self._config.sender,
            "client_id": message.client_id,
            "locale": message.locale,
            "expires_at": message.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "expires_unix": str(int(message.expires_at.timestamp())),
            "ttl_seconds": str(life),
            "ttl_minutes": str(max(1, life // 60)),
        }


def _refuse_unfit(config: HttpConfig, names: set[str], where: str) -> None:
    """A table that cannot work says so at the start. Raises `SettingsError`."""
    if not names & {"phone", "phone_digits"}:
        raise SettingsError(f"{where}.send: says to nobody: {{phone}} or {{phone_digits}} is missing")
    if not names & {"text", "code"}:
        raise SettingsError(f"{where}.send: sends no code: {{text}} or {{code}} is missing")
    if config.repeatable and "client_id" not in names:
        raise SettingsError(f"{where}.repeatable: is true, so {{client_id}} must stand in {where}.send")
    if "sender" in names and not config.sender:
        raise SettingsError(f"{where}.sender: is missing, and {{sender}} stands in {where}.send")
    good = [rule for rule in config.send.answer.rules if rule.then in ("accepted", "delivered", "held")]
    if not good:
        raise SettingsError(f"{where}.send.answer.rules: no rule says when a message is accepted")
    if (config.status or config.callback) and not config.send.answer.id:
        raise SettingsError(f"{where}.send.answer.id: is missing, so nothing can be asked or told of a message")
    if config.status and not config.status.answer.state:
        raise SettingsError(f"{where}.status.answer.state: is missing")
    if config.status and not config.status.answer.states:
        raise SettingsError(f"{where}.status.answer.states: says what the provider's words mean, and is empty")
    if config.balance and not config.balance.answer.balance:
        raise SettingsError(f"{where}.balance.answer.balance: is missing")


class _Pushes:
    """What a provider pushes, as `[gateways.NAME.callback]` describes it."""

    def __init__(self, callback: Callback, config: HttpConfig, fixed: Mapping[str, str], where: str) -> None:
        self._callback = callback
        self._fixed = fixed
        self._id = _required(locator(callback.id, callback.format, f"{where}.id"), f"{where}.id")
        self._state = _required(locator(callback.state, callback.format, f"{where}.state"), f"{where}.state")
        states = callback.states or (config.status.answer.states if config.status else {})
        if not states:
            raise SettingsError(f"{where}.states: says what the provider's words mean, and is missing")
        self._states = {word.casefold(): MessageStatus(status) for word, status in states.items()}
        if callback.items:
            if callback.format != "json":
                raise SettingsError(f"{where}.items: there is a list in JSON alone")
            check_pointer(callback.items, f"{where}.items")
        self._signer = signer(callback.signature, set(fixed), f"{where}.signature") if callback.signature else None
        if callback.believe and not (callback.signature or callback.networks):
            raise SettingsError(f"{where}.believe: needs `signature` or `networks`, or anybody could tell us anything")
        self._from = locator(callback.from_, callback.format, f"{where}.from")
        self._said = locator(callback.said, callback.format, f"{where}.said")
        if (self._from is None) != (self._said is None):
            raise SettingsError(f"{where}.{'said' if self._from else 'from'}: `from` and `said` go together")
        if self._from and not (callback.signature or callback.networks):
            raise SettingsError(f"{where}.from: needs `signature` or `networks`, or anybody could send for anybody")
        self.networks = networks(callback.networks, f"{where}.networks")

    def read(self, push: Push) -> Pushed:
        challenge = push.query.get(self._callback.challenge, "") if self._callback.challenge else ""
        if push.method == "GET" and challenge:
            if not is_token(challenge):
                raise broken_answer()
            return Pushed([], challenge.encode())
        self._check_signature(push)
        form = self._callback.format
        body = decode(push.body)
        found = push.query if push.method == "GET" and not body else document(body, form)
        items = [found]
        if self._callback.items:
            listed = inside(found, self._callback.items)
            items = listed if isinstance(listed, list) else []
        if found is None or len(items) > http.MOST_PUSHED:
            raise broken_answer()
        read = [self._delivery(item) for item in items]
        return Pushed(
            [each for each in read if each],
            self._callback.reply.encode(),
            "text/plain; charset=utf-8",
            incoming=[each for item in items if (each := self._incoming(item))],
        )

    def _incoming(self, item: object) -> Incoming | None:
        """What a person sent us; what names no phone as its sender proves nothing."""
        if self._from is None or self._said is None:
            return None
        sender, said = self._from.find(item), self._said.find(item)
        digits = (sender or "").strip().removeprefix("+")
        if said is None or not re.fullmatch("[0-9]{7,15}", digits):
            return None
        return Incoming("", f"+{digits}", said)

    def _delivery(self, item: object) -> Delivery | None:
        provider_id, word = self._id.find(item), self._state.find(item)
        if not provider_id or not is_token(provider_id) or word is None:
            return None
        return Delivery(provider_id, self._states.get(word.casefold(), MessageStatus.ACCEPTED))

    def _check_signature(self, push: Push) -> None:
        if self._signer is None:
            return
        given = push.headers.get(self._signer.header.lower(), "")
        sent_at = push.headers.get("x-request-timestamp", "")
        values = {**self._fixed, "method": push.method, "path": push.path, "timestamp": sent_at, "nonce": ""}
        if not hmac.compare_digest(signed(self._signer, values, push.body).encode(), given.encode("utf-8", "replace")):
            raise broken_answer()
        if "timestamp" in self._signer.over.names and not is_fresh(sent_at):
            raise broken_answer()


def _required(found: Locator | None, where: str) -> Locator:
    if found is None:
        raise SettingsError(f"{where}: is missing")
    return found
