"""K: sms-ka HTTP, one address for send, balance and query. Fields in the query or the form, answers split by `|`."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.drafts import Draft
from otp_service.sandbox.gateways.operation import Answer, Call, Operation
from otp_service.sandbox.messages import CLOSED_AREA_ENDING, STOP_LIST_ENDING, Status
from otp_service.sandbox.sending import affordable, compose, take
from otp_service.sandbox.state import Sandbox

MEDIA_TYPE = "text/html"

AUTHENTICATION = (
    "-1|Authentication failed. Your API Key, Password combination is not valid or your account has been locked."
)
ARGUMENTS = "-4|Argument validation failed. One or more of your POST-Vars is invalid or missing."
CREDITS = "-5|Insufficient Credits. You do not have sufficient credits to send the message."
MSISDN = "-6|Invalid MSISDN. The mobile number is not valid or can not be reached via the API"
SENDER = "-7|Your SenderID is not valid."

CODES = {
    Status.ACCEPTED: "3|ACCEPTD",
    Status.DELIVERED: "4|DELIVRD",
    Status.REJECTED: "5|REJECTD",
    Status.UNDELIVERED: "6|REJECTD",  # ours: K has no word for it, and does not say how 5 and 6 differ
    Status.EXPIRED: "7|EXPIRED",
    Status.CANCELED: "8|DELETED",
    # Ours: K knows no reading, no lost reports, no schedule and no holding.
    Status.READ: "4|DELIVRD",
    Status.UNKNOWN: "3|ACCEPTD",
    Status.SCHEDULED: "3|ACCEPTD",
    Status.HELD: "3|ACCEPTD",
}


def _run(sandbox: Sandbox, call: Call) -> Answer:
    body = _answer(sandbox, call.parameters)
    return Answer(body, outcome=body)


def _answer(sandbox: Sandbox, fields: Mapping[str, str]) -> str:
    """Order of checks: fields, login, the rest (ours)."""
    login, password, action = (fields.get(name, "") for name in ("APIKey", "APIPassword", "Action"))
    if not (login and password) or action not in ACTIONS:
        return ARGUMENTS
    account = sandbox.log_in("smska", login, password)
    if account is None or account.blocked:
        return AUTHENTICATION
    return ACTIONS[action](sandbox, account, fields)


def _send(sandbox: Sandbox, account: Account, fields: Mapping[str, str]) -> str:
    phone, sender, text = (fields.get(name, "") for name in ("MSISDN", "SenderID", "Message"))
    if not (phone and sender and text):
        return ARGUMENTS
    # The document says `79XXXXXXXXXX`; digits of any country pass (ours), a plus or spaces do not.
    reachable = re.fullmatch(r"[1-9][0-9]{9,13}", phone) and account.price_to(phone) is not None
    if not reachable or phone.endswith((STOP_LIST_ENDING, CLOSED_AREA_ENDING)) or phone in account.stop_list:
        return MSISDN
    if not account.any_originator and account.senders.get(sender) != "completed":
        return SENDER
    draft = Draft(gateway="smska", phone=phone, sender=sender, text=text)
    # 17 characters, like `ah1acugxz98a27t9z` of the document.
    new_id = "".join(sandbox.rng.choices(string.ascii_lowercase + string.digits, k=17))
    message = compose(sandbox, account, draft, new_id)
    if not affordable(sandbox, message):
        return CREDITS
    take(sandbox, message)
    return f"0|Message sent|{message.id}|Balance status|{_credits(sandbox, account)}"


def _balance(sandbox: Sandbox, account: Account, _fields: Mapping[str, str]) -> str:
    """The document prints `_0` here and `0` elsewhere."""
    return f"_0|Balance status|{_credits(sandbox, account)}"


def _query(sandbox: Sandbox, account: Account, fields: Mapping[str, str]) -> str:
    message = sandbox.message(account, fields.get("BatchId", ""))
    if message is None:
        return ARGUMENTS  # ours: what an unknown id answers is not documented
    return f"0|Status|{CODES[message.status_at(sandbox.clock.now())[0]]}"


def _credits(sandbox: Sandbox, account: Account) -> int:
    return int(sandbox.accounts[account.key].money)


ACTIONS: dict[str, Callable[[Sandbox, Account, Mapping[str, str]], str]] = {
    "": _send,
    "balance": _balance,
    "query": _query,
}

http_post = Operation(name="smska", path="/api/httppost.php", media_type=MEDIA_TYPE, run=_run, say_error=str)
