"""Whom a code goes to: a phone or an address. Each has one canonical text, under which it is stored and counted.

An address never looks like a phone in E.164, so both share keys, records and the fields that are called `phone` there.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from otp_service.domain import phone
from otp_service.domain.phone import Phone
from otp_service.domain.typed import BLANKS, MARKS
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused

EMAIL = "email"
"""The channel whose recipients are addresses; all others send to phones."""
AUTO = "auto"
"""Stands for an application's steps from channel to channel, of which some send to phones and some to addresses."""
LONGEST = 254
"""Of an address (RFC 5321 §4.5.3.1.3, as RFC 3696 erratum 1690 counts)."""
WRONG = "This is not an e-mail address. Write it as in anna@example.com."
_AROUND = BLANKS + MARKS
_BRACKETED = re.compile(r"[^<>@]*<([^<>]*)>")
"""As mail programs copy an address, perhaps with the name of its holder (RFC 5322 §3.4)."""
_PLAUSIBLE = re.compile(r"[^\s@]{1,64}@[^\s@]{1,253}")


class Mailbox(Value):
    """text: the address in lower case, its domain in ASCII (`xn--…`)."""

    text: Hidden[str]

    region = ""
    number_type = ""

    @property
    def domain(self) -> str:
        return self.text.rpartition("@")[2]

    @property
    def counted(self) -> str:
        """What limits count it by: without the tag after `+`, by which one mailbox has any number of addresses."""
        local, _, domain = self.text.rpartition("@")
        return f"{local.partition('+')[0] or local}@{domain}"


Recipient = Phone | Mailbox


def read(written: str, channel: str, region: str) -> Recipient:
    """What a person wrote, by the channel that is to reach them. Raises Refused `invalid_phone`, `invalid_address`."""
    if channel == AUTO:
        return read_any(written, region)
    return read_address(written) if channel == EMAIL else phone.normalise(written, region)


def read_any(written: str, region: str) -> Recipient:
    """The same where the channel is not known: no phone has an `@`. Raises Refused."""
    return read_address(written) if "@" in written else phone.normalise(written, region)


def read_address(written: str) -> Mailbox:
    """An address as people paste it: `mailto:`, angle brackets and the name before them are dropped. No DNS is asked.

    Raises Refused `invalid_address`.
    """
    # 1 MB of modules that most installations have no use for.
    from email_validator import EmailNotValidError, validate_email

    bare = _bare(written)
    if not bare:
        raise _invalid()
    try:
        found = validate_email(bare, check_deliverability=False, allow_smtputf8=False)
    except (EmailNotValidError, UnicodeError):
        raise _invalid() from None
    if not found.ascii_email or len(found.ascii_email) > LONGEST:
        raise _invalid()
    return Mailbox(found.ascii_email.lower())


def is_readable(text: str) -> bool:
    """Whether it can be a phone of some region, or an address."""
    return bool(_bare(text)) if "@" in text else phone.is_readable(text)


def known(text: str) -> Recipient:
    """What was read before, and stored as this."""
    return Mailbox(text) if is_address(text) else phone.known(text)


def is_address(text: str) -> bool:
    return "@" in text


def mask(text: str) -> str:
    """For logs and lists: `+7916***4567`, `a***@example.com`."""
    if not is_address(text):
        return phone.mask(text)
    local, _, domain = text.rpartition("@")
    return f"{local[:1]}***@{domain}"


def _bare(written: str) -> str:
    if len(written) > LONGEST + 2 * phone.LONGEST:
        return ""
    text = _trimmed(written)
    for _ in range(2):  # one may stand within the other
        if bracketed := _BRACKETED.fullmatch(text):
            text = _trimmed(bracketed[1])
        if text[:7].lower() == "mailto:":  # RFC 6068
            text = _trimmed(unquote(text[7:].partition("?")[0]))
    return text if len(text) <= LONGEST and _PLAUSIBLE.fullmatch(text) else ""


def _trimmed(text: str) -> str:
    return text.strip().strip(_AROUND)


def _invalid() -> Refused:
    return Refused("invalid_address", WRONG, extra={"errors": [{"field": "to", "message": WRONG}]})
