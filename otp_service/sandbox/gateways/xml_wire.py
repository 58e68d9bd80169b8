"""The envelope of P and X: `<request><security>…` in, `<response>…` or `<response><error>…` out."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.ElementTree import fromstring

from otp_service.sandbox.accounts import Account
from otp_service.sandbox.faults import Fault
from otp_service.sandbox.gateways.operation import Answer, Call, Operation
from otp_service.sandbox.state import Sandbox

MEDIA_TYPE = "text/xml"

NO_DATA = "POST данные отсутствуют"
BAD_FORMAT = "Неправильный формат XML документа"
WRONG_LOGIN = "Неправильный логин или пароль"
BLOCKED = "Ваш аккаунт заблокирован"

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that came by another gateway and that no XML document can carry: left out (ours)."""

Run = Callable[[Sandbox, Account, Element, Fault | None], list[Element]]
"""What one operation does with a request that is well formed and logged in: the children of its `<response>`."""

Credential = Callable[[Element, str], str]


class RequestError(Exception):
    """The whole request is refused with this text."""


def by_attribute(security: Element, name: str) -> str:
    """X: `<login value="…"/>`."""
    found = security.find(name)
    return found.get("value", "") if found is not None else ""


def by_text(security: Element, name: str) -> str:
    """P: `<login>…</login>`."""
    return security.findtext(name, "")


def xml_operation(
    name: str, path: str, run: Run, *, credential: Credential = by_attribute, wrong_login: str = WRONG_LOGIN
) -> Operation:
    def answer(sandbox: Sandbox, call: Call) -> Answer:
        try:
            request = _parse(call.body)
            account = _log_in(sandbox, request, credential, wrong_login)
            elements = run(sandbox, account, request, call.fault)
        except RequestError as error:
            return Answer(error_document(str(error)), outcome=str(error))
        words = dict.fromkeys(made.text or made.get("status") or made.tag for made in elements)
        return Answer(document("response", elements), outcome="; ".join(words))  # as in `send; Такого отправителя нет.`

    return Operation(name=name, path=path, media_type=MEDIA_TYPE, run=answer, say_error=error_document)


def element(tag: str, text: str = "", /, **attributes: str) -> Element:
    made = Element(tag, attributes)
    made.text = text
    return made


def document(tag: str, elements: list[Element]) -> str:
    """tag: of the root. On one line but for the declaration (X1)."""
    root = Element(tag)
    root.extend(elements)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + NOT_IN_XML.sub("", tostring(root, encoding="unicode"))


def error_document(text: str) -> str:
    return document("response", [element("error", text)])


def unescape(text: str) -> str:
    """X1: a line break inside the data is written as the two characters `\\n`."""
    return text.replace("\\n", "\n")


def _parse(body: bytes) -> Element:
    if not body.strip():
        raise RequestError(NO_DATA)
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:  # ValueError: a DOCTYPE; LookupError: an unknown encoding
        raise RequestError(BAD_FORMAT) from error
    if root.tag != "request":
        raise RequestError(BAD_FORMAT)
    return root


def _log_in(sandbox: Sandbox, request: Element, credential: Credential, wrong_login: str) -> Account:
    security = request.find("security")
    if security is None:
        raise RequestError(BAD_FORMAT)  # ours
    account = sandbox.log_in("targetsms", credential(security, "login"), credential(security, "password"))
    if account is None:
        raise RequestError(wrong_login)
    return account
