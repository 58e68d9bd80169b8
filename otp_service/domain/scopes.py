"""What an API key may be used for. Each route says which one it needs (`opt={"scope": …}` on its handler)."""

from __future__ import annotations

from enum import StrEnum


class KeyScope(StrEnum):
    """None contains another: a key that shall do two things has two scopes."""

    SEND = "send"
    """Everything that costs money, makes something or ends it: start, resend, cancel; second factors."""
    CHECK = "check"
    """Judge a submitted code."""
    READ = "read"
    """Look at what there is."""
    ADMIN = "admin"
    """What an operator does over HTTP: the audit log, locks, lists."""


DEFAULT_SCOPES = frozenset({KeyScope.SEND, KeyScope.CHECK, KeyScope.READ})
"""Of a key made without naming any, and of OTP_BOOTSTRAP_API_KEY."""
