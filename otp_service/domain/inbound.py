"""The channel `inbound`: the person sends us a code that the page shows, by SMS from the phone that is to be proved.

It costs the sender, not us, and works where operators hold back our SMS. The network tells us who sent it, and that can
be forged by whoever buys access to the network: so what it proves is *claimed*, where a code that was typed is *held*.
The code is no secret: what counts is from which phone it comes. It is derived apart from the code that SMS carry, so
whoever reads it on the page knows nothing of that one.
"""

from __future__ import annotations

import hmac
import re
from enum import StrEnum
from urllib.parse import quote

from otp_service.domain import codes
from otp_service.domain.value import Hidden, Value

CHANNEL = "inbound"
DIGITS = 6
_WHOLE = re.compile(rf"(?<![0-9])[0-9]{{{DIGITS}}}(?![0-9])")
_APART = re.compile(rf"(?<![0-9])[0-9](?:[{re.escape(codes.BETWEEN)}]*[0-9]){{{DIGITS - 1}}}(?![0-9])")
"""The same in groups, as in 123-456."""
MOST_READ = 1000
"""Characters of an SMS that are searched for a code."""


class Assurance(StrEnum):
    """How sure an approval is."""

    HELD = "held"
    """The code reached the recipient, and came back."""
    CLAIMED = "claimed"
    """An SMS came that named the phone as its sender."""


class Expected(Value):
    """The SMS that is waited for. number: to which it goes. prefix: a word that a shared number wants first."""

    number: str
    prefix: str
    code: Hidden[str]

    @property
    def text(self) -> str:
        return f"{self.prefix} {self.code}".strip()

    @property
    def uri(self) -> str:
        """Opens the person's own SMS, filled in (RFC 5724)."""
        return f"sms:{self.number}?body={quote(self.text)}"


class Incoming(Value):
    """An SMS that somebody sent us. id: of the provider. phone: E.164, as the network says it."""

    id: str
    phone: Hidden[str]
    text: Hidden[str]


def code_of(key: bytes, salt: bytes) -> str:
    return codes.derive(key, salt + CHANNEL.encode(), DIGITS)


def holds(text: str, code: str) -> bool:
    """Whether an SMS says the code, among whatever else: a time, a phone, the code once more. One that says several
    says none: an SMS is one guess, or a long one would be a hundred.

    Groups of digits are put together only where none has the length of a code by itself. The word that a shared number
    wants first is not asked for: by it the provider knows whose the SMS is, and may take it off.
    """
    said = text[:MOST_READ]
    found = set(_WHOLE.findall(said)) or set(map(codes.bare, _APART.findall(said)))
    return len(found) == 1 and hmac.compare_digest(found.pop(), code)
