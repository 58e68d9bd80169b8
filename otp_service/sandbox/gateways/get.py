"""G: TargetSMS by GET, one address for send, status, detailed status and balance. Plain text, errors too (G1–G5)."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service.sandbox.accounts import Account, plain
from otp_service.sandbox.drafts import TEXTS, Draft, refusal
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.operation import Answer, Call, Operation
from otp_service.sandbox.gateways.php import serialize
from otp_service.sandbox.gateways.states import UNKNOWN_ID, WORDS
from otp_service.sandbox.gateways.xml_wire import WRONG_LOGIN
from otp_service.sandbox.sending import compose, take
from otp_service.sandbox.state import Sandbox
from otp_service.sandbox.times import SECOND, write_time

REPEATED = "error: Попытка отправки более одного одинакового запроса в течение минуты"

GET_TEXTS = {number: text for number, text in TEXTS.items() if number != 17} | {15: "Такого отправителя Нет."}
"""G5: the texts of X3 up to 16, one of them spelt otherwise."""


def _run(sandbox: Sandbox, call: Call) -> Answer:
    body = _answer(sandbox, call.parameters, call.fault)
    return Answer(body, outcome=body)


def _answer(sandbox: Sandbox, fields: Mapping[str, str], fault: Fault | None) -> str:
    """What a wrong login answers is ours, and so is the order: login, repeat, blocked account.

    A request for two operations is one for the balance, or else for the status (ours).
    """
    account = sandbox.log_in("targetsms", fields.get("user", ""), fields.get("pwd", ""))
    if account is None:
        return WRONG_LOGIN
    if sandbox.repeats.is_repeat((account.key, frozenset(fields.items())), sandbox.clock.now()):
        return REPEATED
    if account.blocked:
        return GET_TEXTS[3]
    if fields.get("balance") == "1":
        areas = ",".join(f"{area}:{account.money // price}" for area, price in account.prices.items())
        return f"{plain(account.money)} RUR\n{areas}"  # as in X6, the numbers are alternatives
    if "smsid" in fields:
        return _status(sandbox, account, fields["smsid"].strip(), detailed=fields.get("detail") == "1")
    phones = fields.get("dadr", "").split(",")
    if fault is not None and fault.fault == "message_error":
        return ",".join(fault.error for _ in phones)
    # Ours, for a list of which some are refused: the text stands where the id would.
    sender, text = fields.get("sadr", ""), fields.get("text", "")
    return ",".join(_send_one(sandbox, account, phone.strip(), sender, text) for phone in phones)


def _send_one(sandbox: Sandbox, account: Account, phone: str, sender: str, text: str) -> str:
    """A held SMS answers text 8, which leaves no place for its id."""
    draft = Draft(gateway="targetsms-get", phone=phone, sender=sender, text=text)
    if number := refusal(account, draft):
        return GET_TEXTS[number]
    message = compose(sandbox, account, draft, sandbox.new_id())
    take(sandbox, message)
    return GET_TEXTS[8] if message.held else message.id


def _status(sandbox: Sandbox, account: Account, id_sms: str, *, detailed: bool) -> str:
    message = sandbox.sms(account, id_sms)
    if message is None:
        return UNKNOWN_ID
    status, since = message.status_at(sandbox.clock.now())
    if not detailed:
        return WORDS[status]
    return serialize(
        {
            "id_sms": message.id,
            "time_change_state": write_time(account, since, SECOND),
            "state_sms": WORDS[status],
            "num_parts": str(message.parts),
            "price": plain(message.price),
        }
    )


sendsms = Operation(name="get", path="/sendsms.php", media_type="text/html", run=_run, say_error=str)
