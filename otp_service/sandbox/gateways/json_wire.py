"""The envelope of J: one address, a document with `message` or `state` in it, answered by the list of the same name.

J lists no texts for mistakes in a document. The common ones are from the JSON documents of the platform's maker.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.json_send import Row, send
from otp_service.sandbox.gateways.json_state import state
from otp_service.sandbox.gateways.json_values import BAD_FORMAT, DocumentError, written
from otp_service.sandbox.gateways.operation import Answer, Call, Operation
from otp_service.sandbox.gateways.xml_wire import BLOCKED, NO_DATA, WRONG_LOGIN
from otp_service.sandbox.state import Sandbox


def _run(sandbox: Sandbox, call: Call) -> Answer:
    try:
        document = _parse(call.body)
        name, answered = _answer(sandbox, _log_in(sandbox, document), document, call.fault)
    except DocumentError as error:
        return Answer(_error_document(str(error)), outcome=str(error))
    items = [item for row in answered for item in (row if isinstance(row, list) else [row])]
    words = dict.fromkeys(item.get("error") or item.get("state") or "send" for item in items)
    return Answer(json.dumps({name: answered}), outcome="; ".join(words))  # as in `send; Нет отправителя.`


def _answer(
    sandbox: Sandbox, account: Account, document: dict[str, Any], fault: Fault | None
) -> tuple[str, Sequence[Row]]:
    """A document with both is one that sends (ours). A blocked account may still ask for states (ours)."""
    if isinstance(document.get("message"), list):
        if account.blocked and account.blocked_in == "request":
            raise DocumentError(BLOCKED)
        return "message", send(sandbox, account, document["message"], fault)
    if isinstance(document.get("state"), list):
        return "state", state(sandbox, account, document["state"])
    raise DocumentError(BAD_FORMAT)


def _parse(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise DocumentError(NO_DATA)
    try:
        document = json.loads(body)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise DocumentError(BAD_FORMAT) from error
    if not isinstance(document, dict):
        raise DocumentError(BAD_FORMAT)
    return document


def _error_document(text: str) -> str:
    """As PHP writes JSON, letters beyond ASCII are escaped."""
    return json.dumps({"error": text})


send_message = Operation(
    name="json",
    path="/sendmessagejson.php",
    media_type="application/json",
    run=_run,
    say_error=_error_document,
)


def _log_in(sandbox: Sandbox, document: dict[str, Any]) -> Account:
    account = sandbox.log_in("targetsms", written(document, "login"), written(document, "password"))
    if account is None:
        raise DocumentError(WRONG_LOGIN)
    return account
