"""Telegram Gateway: four methods, JSON in and out. Telegram writes the text; refusals are words of its page.

Ours: which phones it does not know (ending 12, and those that are no mobile of an area with a price), the words for
that, and that a revoked message is gone unless it was delivered before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.drafts import Draft
from otp_service.sandbox.gateways.operation import Answer, Call, Operation
from otp_service.sandbox.messages import NOT_ON_TELEGRAM_ENDING, Message, Status
from otp_service.sandbox.sending import affordable, compose, settle, take
from otp_service.sandbox.state import Sandbox

WORDS = {
    Status.DELIVERED: "delivered",
    Status.READ: "read",
    Status.CANCELED: "revoked",
    Status.EXPIRED: "expired",
    Status.UNDELIVERED: "expired",
    Status.REJECTED: "expired",
}
TEXT = "{} is your verification code. For your security, do not share this code."
Method = Callable[[Sandbox, Account, Mapping[str, Any]], Any]


class _RefusedError(Exception):
    """A word of the page."""


def _method(run: Method) -> Callable[[Sandbox, Call], Answer]:
    def answered(sandbox: Sandbox, call: Call) -> Answer:
        try:  # parameters come as query, form or JSON
            found = json.loads(call.body) if call.body.lstrip()[:1] == b"{" else {}
        except ValueError:
            found = {}
        given = {**call.parameters, **(found if isinstance(found, dict) else {})}
        # The token is the account's password; its login names it in the control API alone.
        token = call.authorization.removeprefix("Bearer ") or call.parameters.get("access_token", "")
        named = (one for one in sandbox.accounts.values() if one.provider == "telegram" and not one.blocked)
        account = next((one for one in named if token and one.password == token), None)
        if account is None:
            return Answer(say_error("ACCESS_TOKEN_INVALID"), outcome="ACCESS_TOKEN_INVALID")
        try:
            result = run(sandbox, account, given)
        except _RefusedError as refusal:
            return Answer(say_error(str(refusal)), outcome=str(refusal))
        return Answer(json.dumps({"ok": True, "result": result}), outcome="ok")

    return answered


def say_error(word: str) -> str:
    return json.dumps({"ok": False, "error": word}, ensure_ascii=False)


def _send(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    phone, code, ttl = _phone(sandbox, account, given), str(given.get("code", "")), given.get("ttl", 3600)
    if not (code.isascii() and code.isdigit() and 4 <= len(code) <= 8):
        raise _RefusedError("CODE_INVALID")
    if not isinstance(ttl, int) or not 30 <= ttl <= 3600:
        raise _RefusedError("TTL_INVALID")
    sender = str(given.get("sender_username", ""))
    if sender and account.senders.get(sender) != "completed":
        raise _RefusedError("SENDER_NOT_VERIFIED")
    asked, request_id = None, str(given.get("request_id", ""))
    if request_id:
        if sandbox.asked_of_telegram.get(request_id) != phone:
            raise _RefusedError("REQUEST_ID_INVALID")
        asked = _compose(sandbox, account, phone, "", "0000", request_id, 3600)
    message = _compose(sandbox, account, phone, sender, code, asked.id if asked else "", ttl)
    if not asked and not affordable(sandbox, message):
        raise _RefusedError("BALANCE_NOT_ENOUGH")
    take(sandbox, message)
    return _told(sandbox, message)


def _ability(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing arrives; who then sends with this id is not charged again (ours: neither of them is, here)."""
    phone = _phone(sandbox, account, given)
    message = _compose(sandbox, account, phone, "", "0000", "", 3600)
    sandbox.asked_of_telegram[message.id] = phone
    return {"request_id": message.id, "phone_number": f"+{phone}", "request_cost": float(message.price)}


def _state(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    return _told(sandbox, _message(sandbox, account, given))


def _revoke(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> bool:
    message, now = _message(sandbox, account, given), sandbox.clock.now()
    if message.status_at(now)[0] not in (Status.DELIVERED, Status.READ):
        message.canceled_at = now
        settle(sandbox)
    return True


def _phone(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> str:
    written = str(given.get("phone_number", ""))
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        raise _RefusedError("PHONE_NUMBER_INVALID")
    known = sandbox.scenarios.on_telegram(digits) and not digits.endswith(NOT_ON_TELEGRAM_ENDING)
    if not known or account.price_to(digits) is None:
        raise _RefusedError("PHONE_NUMBER_NOT_FOUND")
    return digits


def _compose(
    sandbox: Sandbox, account: Account, phone: str, sender: str, code: str, request_id: str, ttl: int
) -> Message:
    draft = Draft(
        gateway="telegram",
        phone=phone,
        sender=sender or "Verification Codes",
        text=TEXT.format(code),
        valid_until=sandbox.clock.now() + timedelta(seconds=ttl),
    )
    message = compose(sandbox, account, draft, request_id or sandbox.new_id())
    message.parts = 1
    return message


def _message(sandbox: Sandbox, account: Account, given: Mapping[str, Any]) -> Message:
    message = sandbox.message(account, str(given.get("request_id", "")))
    if message is None or message.gateway != "telegram":
        raise _RefusedError("REQUEST_ID_INVALID")
    return message


def _told(sandbox: Sandbox, message: Message) -> dict[str, Any]:
    """The cost is given back when it was not delivered in time."""
    status, since = message.status_at(sandbox.clock.now())
    word = WORDS.get(status, "sent")
    return {
        "request_id": message.id,
        "phone_number": f"+{message.phone}",
        "request_cost": float(plain(message.price)),
        "is_refunded": word in ("expired", "revoked"),
        "remaining_balance": float(sandbox.accounts[message.account].money),
        "delivery_status": {"status": word, "updated_at": int((since or message.taken_at).timestamp())},
    }


METHODS: dict[str, Method] = {
    "sendVerificationMessage": _send,
    "checkSendAbility": _ability,
    "checkVerificationStatus": _state,
    "revokeVerificationMessage": _revoke,
}

TELEGRAM = tuple(
    Operation(name=name, path=f"/{name}", media_type="application/json", run=_method(run), say_error=say_error)
    for name, run in METHODS.items()
)
