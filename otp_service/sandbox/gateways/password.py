"""P: the gateway makes the code, sends it, and tells it in its answer (P1–P4)."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.drafts import TEXTS, Draft, is_digits, refusal
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.xml_wire import BLOCKED, RequestError, by_text, element, unescape, xml_operation
from otp_service.sandbox.messages import Status
from otp_service.sandbox.sending import affordable, compose, take
from otp_service.sandbox.state import Sandbox

WRONG_LOGIN = "Неверный логин или пароль"  # P3: another word than X uses
DEFAULT_TEXT = "Временный пароль: {код}"
DEFAULT_LENGTH = 4
PLACEHOLDER = "{код}"

# Ours: P documents one error text and says nothing of these two mistakes.
NO_PLACEHOLDER = "Текст сообщения должен содержать {код}"
BAD_LENGTH = "Неправильное количество цифр в коде"
LONGEST_CODE = 32  # ours too: P names no maximum

FATE_OF_STATUS = {
    "send": Status.DELIVERED,
    "deliver": Status.DELIVERED,
    "partly_deliver": Status.UNKNOWN,
    "not_deliver": Status.UNDELIVERED,
    "expired": Status.EXPIRED,
    "not_valid_phone": Status.REJECTED,
}
"""P2, the first status of the answer → what X4 tells later. With any other status nothing is sent."""


def _run(sandbox: Sandbox, account: Account, request: Element, fault: Fault | None) -> list[Element]:
    """Refusals are X3's texts in `<error>`: ours, P lists none. Without money nothing is held, unlike X3: the caller
    would not learn the code, so a late SMS is of no use."""
    if account.blocked:
        raise RequestError(BLOCKED)
    phone = request.findtext("phone", "").strip().removeprefix("+")
    text = unescape(request.findtext("text", "")) or DEFAULT_TEXT
    if PLACEHOLDER not in text:
        raise RequestError(NO_PLACEHOLDER)
    length = request.findtext("random_string_len", "").strip() or str(DEFAULT_LENGTH)
    if not is_digits(length) or len(length) > 2 or not 1 <= int(length) <= LONGEST_CODE:
        raise RequestError(BAD_LENGTH)
    longer = fault is not None and fault.fault == "code_length"
    code = "".join(sandbox.rng.choices("0123456789", k=int(length) + longer))  # the first may be 0
    draft = Draft(
        gateway="targetsms-password",
        phone=phone,
        sender=request.findtext("sender", ""),
        text=text.replace(PLACEHOLDER, code),
    )
    # Ours: a number that cannot exist gets no id, one that only turns out to be invalid (ending 06) gets one.
    if phone and (not is_digits(phone) or len(phone) >= 15):
        return [element("success", code=code, id_sms="", status="not_valid_phone")]
    if number := refusal(account, draft):
        raise RequestError(TEXTS[number])
    message = compose(sandbox, account, draft, sandbox.new_id())
    if not affordable(sandbox, message):
        raise RequestError(TEXTS[2])
    status = "not_valid_phone" if message.fate is Status.REJECTED else "send"
    if fault is not None and fault.fault == "success_status":
        status = fault.error
        if status not in FATE_OF_STATUS:
            return [element("success", code=code, id_sms="", status=status)]
        message = replace(message, fate=FATE_OF_STATUS[status])
    take(sandbox, message)
    return [element("success", code=code, id_sms=message.id, status=status)]


generate_password = xml_operation(
    "password", "/password_generation/api.php", _run, credential=by_text, wrong_login=WRONG_LOGIN
)
