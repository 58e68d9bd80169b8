"""Phone numbers: what people write becomes E.164 once, at the edge; what people read in logs is masked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import phonenumbers

from otp_service.errors import Refused

# What people put between digits. Anything else is refused before libphonenumber sees it, because its parser looks for
# a number inside any text, reads letters as digits and accepts every script's digits.
_SEPARATORS = re.compile("[ \u00a0\u2009\u202f()./\u2010\u2011\u2012\u2013\u2014-]")
_DIGITS = re.compile(r"\+?[0-9]{5,17}")


@dataclass(frozen=True, slots=True)
class Phone:
    """e164: with plus. region: ISO 3166-1 alpha-2; +7 is Russia and Kazakhstan, so the prefix alone says nothing."""

    e164: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class Number:
    """What a provider knows of a phone; '' where it does not. region: within the country, in its words."""

    operator: str = ""
    region: str = ""


def normalise(text: str, region: str) -> Phone:
    """Read what a person wrote: `8 (916) 123-45-67` in region RU is +79161234567.

    Raises Refused `invalid_phone`.
    """
    bare = _SEPARATORS.sub("", text.strip())
    if not _DIGITS.fullmatch(bare):
        raise _invalid()
    try:
        number = phonenumbers.parse(bare, region)
    except phonenumbers.NumberParseException:
        raise _invalid() from None
    if not phonenumbers.is_valid_number(number):
        raise _invalid()
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(e164, phonenumbers.region_code_for_number(number) or "ZZ")


def is_region(code: str) -> bool:
    """Whether libphonenumber knows numbers of this country."""
    return code in phonenumbers.SUPPORTED_REGIONS


def mask(e164: str) -> str:
    """For logs: +7916***4567."""
    return f"{e164[:5]}***{e164[-4:]}"


def _invalid() -> Refused:
    return Refused(
        "invalid_phone",
        "`to` is not a phone number. Write it with its country code, for example +79161234567.",
        extra={"errors": [{"field": "to", "message": "not a valid phone number"}]},
    )
