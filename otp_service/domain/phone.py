"""Phone numbers: what people write becomes E.164 once, at the edge; what people read in logs is masked."""

from __future__ import annotations

import re

import phonenumbers

from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused

# What people put between digits. Anything else is refused before libphonenumber sees it, because its parser looks for
# a number inside any text, reads letters as digits and accepts every script's digits.
_SEPARATORS = re.compile("[ \u00a0\u2009\u202f()./\u2010\u2011\u2012\u2013\u2014-]")
_DIGITS = re.compile(r"\+?[0-9]{5,17}")
BLOCK_DIGITS = 4
_TYPE = phonenumbers.PhoneNumberType
NUMBER_TYPES = {
    _TYPE.FIXED_LINE: "fixed_line",
    _TYPE.MOBILE: "mobile",
    _TYPE.FIXED_LINE_OR_MOBILE: "fixed_line_or_mobile",
    _TYPE.TOLL_FREE: "toll_free",
    _TYPE.PREMIUM_RATE: "premium_rate",
    _TYPE.SHARED_COST: "shared_cost",
    _TYPE.VOIP: "voip",
    _TYPE.PERSONAL_NUMBER: "personal_number",
    _TYPE.PAGER: "pager",
    _TYPE.UAN: "uan",
    _TYPE.VOICEMAIL: "voicemail",
    _TYPE.UNKNOWN: "unknown",
}
"""Where a country does not tell them apart (as in the USA), a number is `fixed_line_or_mobile`."""


class Phone(Value):
    """e164: with plus. region: ISO 3166-1 alpha-2; +7 is Russia and Kazakhstan, so the prefix alone says nothing.

    number_type: as libphonenumber has it, one of `NUMBER_TYPES`.
    """

    e164: Hidden[str]
    region: str
    number_type: str = "unknown"

    @property
    def block(self) -> str:
        """The number without its last four digits: the unit in which operators hand numbers out, and pumpers buy."""
        return self.e164[:-BLOCK_DIGITS]

    @property
    def place_in_block(self) -> int:
        """The last four digits."""
        return int(self.e164[-BLOCK_DIGITS:])


class Number(Value):
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
    kind = NUMBER_TYPES.get(phonenumbers.number_type(number), "unknown")
    return Phone(e164, phonenumbers.region_code_for_number(number) or "ZZ", kind)


def known(e164: str) -> Phone:
    """A phone that `normalise` has read before; of what type it is was judged then."""
    number = phonenumbers.parse(e164)
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
