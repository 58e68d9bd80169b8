"""Phone numbers: what people write becomes E.164 once, at the edge; what people read in logs is masked."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

import phonenumbers

from otp_service.domain.typed import DECORATION
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused

# What people put between digits goes, full-width signs become ours. Anything else is refused before libphonenumber
# sees it, because its parser looks for a number inside any text, reads letters as digits and knows the digits of every
# script.
_WIDTH = 0xFEE0
_SEPARATORS = dict.fromkeys(map(ord, DECORATION + "()./\uff08\uff09\uff0e\uff0f"), "")
_READ = {**_SEPARATORS, **{ord(sign) + _WIDTH: sign for sign in "+0123456789"}}
_DIGITS = re.compile(r"\+?[0-9]{5,17}")
_URI = re.compile(r"tel:(//)?", re.IGNORECASE)
LONGEST = 100
"""Characters, marks that nobody sees included."""
WRONG = "This is not a phone number. Write it with its country code, for example +79161234567."
"""What a person reads, whatever the mistake."""
BLOCK_DIGITS = 4
_LONG_ENOUGH = len("+79161234567")
"""To show nine of its characters and still hide three."""
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
    def text(self) -> str:
        """What it is stored as."""
        return self.e164

    @property
    def counted(self) -> str:
        """What limits count it by."""
        return self.e164

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
    """Read what a person wrote or pasted: `8 (916) 123-45-67` in region RU is +79161234567, and so is its `tel:` URI.

    A number without `+` is read as the region dials, its prefix for abroad included (`8 10` in RU, `00` in DE); where
    that is no number, `00` stands for `+`, as ITU-T E.164 recommends. Raises Refused `invalid_phone`.
    """
    bare = _bare(text)
    if not bare:
        raise _invalid()
    found = _parsed(bare, region)
    if found is None and bare.startswith("00"):
        found = _parsed(f"+{bare[2:]}", region)
    if found is None:
        raise _invalid()
    return found


def is_readable(text: str) -> bool:
    """Whether it can be a phone of some region."""
    return bool(_bare(text))


def _bare(text: str) -> str:
    """Digits, perhaps after a plus; '' for what cannot be a phone."""
    if len(text) > LONGEST:
        return ""
    text = text.strip().strip(DECORATION)
    uri = _URI.match(text)
    if uri:
        text = unquote(text[uri.end() :])
    bare = text.translate(_READ)
    return bare if _DIGITS.fullmatch(bare) else ""


def _parsed(bare: str, region: str) -> Phone | None:
    try:
        number = phonenumbers.parse(bare, region)
    except phonenumbers.NumberParseException:
        return None
    kind = phonenumbers.number_type(number)
    if kind == _TYPE.UNKNOWN:  # so libphonenumber calls what is not valid, and nothing else
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(e164, phonenumbers.region_code_for_number(number) or "ZZ", NUMBER_TYPES.get(kind, "unknown"))


@lru_cache(maxsize=256)  # each step of a request asks anew
def known(e164: str) -> Phone:
    """A phone that `normalise` has read before; of what type it is was judged then."""
    number = phonenumbers.parse(e164)
    return Phone(e164, phonenumbers.region_code_for_number(number) or "ZZ")


def is_region(code: str) -> bool:
    """Whether libphonenumber knows numbers of this country."""
    return code in phonenumbers.SUPPORTED_REGIONS


def mask(e164: str) -> str:
    """For logs: +7916***4567; a short number, of which that would leave next to nothing, as +***."""
    return f"{e164[:5]}***{e164[-4:]}" if len(e164) >= _LONG_ENOUGH else "+***"


def _invalid() -> Refused:
    return Refused("invalid_phone", WRONG, extra={"errors": [{"field": "to", "message": WRONG}]})
