"""What every kind of hook says of itself: who may call it, what it reads, how it answers.

A kind is a translation. What a delivery is, what is limited, counted and refused, is decided behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from otp_service.api.auth import password
from otp_service.api.edge.json_syntax import parse_json
from otp_service.domain import locales
from otp_service.domain.texts import character_fault
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused
from otp_service.settings.integrations import Hook

SHORT_SECONDS, LONG_SECONDS = 60, 600
"""How long a second call with the same message counts as a repeat. A kind that names no message repeats for a minute,
since a person may ask anew."""
MOST_FIELDS = 100
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
_CODE = re.compile(r"[A-Za-z0-9-]{4,16}")
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


class Call(Value):
    """One request, as it came. headers: by lower-case name."""

    headers: Hidden[Mapping[str, str]]
    raw: Hidden[bytes]

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Handed(Value):
    """What a hook delivers. same: what makes two calls the same message. seconds: the code's life, 0 if the hook does
    not say."""

    to: Hidden[str]
    same: Hidden[Sequence[str]]
    code: Hidden[str] = ""
    text: Hidden[str] = ""
    locale: str = ""
    client_ip: Hidden[str] = ""
    webotp_host: str = ""
    seconds: float = 0


class Answer(Value):
    status: int
    body: bytes
    media: str = JSON
    retry_after: float | None = None


def taken(_: str) -> Answer:
    """`{}`, for whoever looks at the status alone."""
    return Answer(200, b"{}")


class Kind(Value):
    """One kind.

    reads: the body → what is handed over; raises Refused `malformed_request`. seconds: within which it is answered.
    window_seconds: in which a repeat sends nothing (window_of: where that depends). is_authentic: for kinds that sign,
    whether the signature is good; None where the caller has no secret of ours, so that an API key is needed. key_in: an
    API key in the body, for kinds that have such a place. refuses: what is answered to a refusal, by its status and a
    sentence for people; None: a problem document.
    """

    name: str
    reads: Callable[[Mapping[str, Any], Hook], Handed]
    seconds: float = 4.0
    window_seconds: int = LONG_SECONDS
    window_of: Callable[[Handed], int] | None = None
    is_authentic: Callable[[Call, Hook], bool | None] | None = None
    key_in: Callable[[Mapping[str, Any]], str] | None = None
    takes: Callable[[str], Answer] = taken
    refuses: Callable[[Refused, int, str], Answer] | None = None


def presented_key(headers: Mapping[str, str]) -> str:
    """An API key in `Authorization`: as a bearer token, as the password of any user, or bare. '' for none."""
    given = headers.get("authorization", "").strip()
    scheme, _, rest = given.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return password(given)
    return given if " " not in given else ""


def parsed(call: Call) -> Mapping[str, Any]:
    """The body: JSON or a form. Raises Refused `malformed_request`.

    Control characters inside strings are forgiven, since some callers put JSON together by hand.
    """
    if call.media == FORM:
        try:
            return dict(parse_qsl(call.raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            raise malformed("The body is no form in UTF-8.") from None
    found = parse_json(call.raw, strict=False)
    if not isinstance(found, dict):
        raise malformed("The body is not an object.")
    return found


def malformed(sentence: str) -> Refused:
    return Refused("malformed_request", sentence)


def table(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within the body; an empty one where there is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def text_in(body: Mapping[str, Any], *names: str) -> str:
    """The first of these members that holds something: a string, a number, or a list of one; '' for none."""
    for name in names:
        found = body.get(name)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, str) and found:
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return ""


def needed(value: str, name: str) -> str:
    """Raises Refused `malformed_request` where it is missing."""
    if not value:
        raise malformed(f"`{name}` is missing.")
    return value


def code_in(value: str, name: str) -> str:
    code = needed(value, name)
    if not _CODE.fullmatch(code):
        raise malformed(f"`{name}` is no code: 4 to 16 letters, digits and dashes.")
    return code


def message_in(value: str, name: str) -> str:
    """A ready text, with line breaks in one form and blanks for tabs."""
    text = needed(value, name).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").strip()
    if not text or character_fault(text.replace("\n", "")):
        raise malformed(f"`{name}` holds a character that has no place in an SMS.")
    return text


def said(hook: Hook, to: str, code: str, text: str, same: Sequence[str], **more: Any) -> Handed:
    """What to send: their code in our text, or their text as it is, as the settings say."""
    if hook.text == "theirs":
        return Handed(to, same, text=message_in(text, "text"), **more)
    return Handed(to, same, code=code_in(code, "code"), **more)


def with_plus(phone: str) -> str:
    """For callers that keep phones in E.164 without its plus."""
    return f"+{phone}" if phone.isascii() and phone.isdigit() else phone


def host_in(value: str) -> str:
    """A host name that may stand in a last line, else ''."""
    host = value.lower().partition(":")[0]
    return host if _HOST.fullmatch(host) else ""


def locale_in(value: str) -> str:
    """`ru-RU` → `ru`; '' for a language in which no texts are shipped."""
    return locales.nearest_or_none(value)


def as_json(status: int, body: Any, retry_after: float | None = None) -> Answer:
    return Answer(status, msgspec.json.encode(body), JSON, retry_after)


def as_text(status: int, text: str, retry_after: float | None = None) -> Answer:
    return Answer(status, text.encode(), "text/plain", retry_after)
