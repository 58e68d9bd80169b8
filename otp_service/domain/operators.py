"""Who works with the console: roles, names and passwords."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from otp_service.domain.value import Value

LEAST_PASSWORD, LONGEST_PASSWORD = 12, 128
"""Characters. NIST SP 800-63B-4 §3.1.1.2: 8 or more beside a second factor."""
REALM = ":operators"
"""In place of an application for the second factors of operators; no application can have such a name."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")

FAILS_THAT_WAIT = 5
"""Wrong passwords in a row from which on the account waits; how long, and when it is disabled: domain/ledger.py."""


class Role(StrEnum):
    """What an operator may do; each may do what those before it may."""

    VIEWER = "viewer"
    """Figures: nothing about a person."""
    SUPPORT = "support"
    """Find a person, and help them."""
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Operator(Value):
    """Times are milliseconds of Redis time, 0 for never. passkeys: by their id, as stored."""

    id: str
    name: str
    role: Role
    created_at: int
    enrolled_at: int
    signed_in_at: int
    passkeys: int

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"operator:{self.name}"


def is_name(text: str) -> bool:
    """Lower-case letters, digits and `._@-`, at most 64, beginning with a letter or digit."""
    return bool(_NAME.fullmatch(text))


def password(typed: str) -> str:
    """A password as it is hashed, the same however a keyboard composed it (NIST SP 800-63B-4 §3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", typed)


def is_weak(chosen: str, name: str) -> bool:
    """Whether a new password can be guessed without trying many: short, the name, or a few signs again and again."""
    plain = chosen.casefold()
    return not LEAST_PASSWORD <= len(chosen) <= LONGEST_PASSWORD or len(set(plain)) < 5 or name in plain
