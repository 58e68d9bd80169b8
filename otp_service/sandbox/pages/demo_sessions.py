"""What the demo knows of a visitor, kept on the server: the browser holds a random key, so nobody can swap ids."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto

from otp_service.sandbox.pages.service import Factor, Login, Verification

KEPT_VISITS = 1_000


class Stage(Enum):
    """SIGN_UP: by phone, to the welcome. Then the authenticator app, backup codes, the login, and inside."""

    SIGN_UP = auto()
    ENROL = auto()
    CODES = auto()
    LOGIN = auto()
    IN = auto()


@dataclass(frozen=True, slots=True)
class Visit:
    """phone: as typed. channel: the way that was chosen. note: what is advised where no code came. attempts_left: as
    the service said last. approved: the phone is proved.

    account: the shop's own id of the person, the service's subject. lost: the phone is, with the app on it.
    """

    phone: str = ""
    verification: Verification | None = None
    attempts_left: int = 0
    approved: bool = False
    error: str = ""
    note: str = ""
    channel: str = "sms"
    account: str = field(default_factory=lambda: f"demo-{secrets.token_hex(8)}")
    stage: Stage = Stage.SIGN_UP
    factor: Factor | None = None
    codes: tuple[str, ...] = ()
    lost: bool = False
    login: Login | None = None


class DemoSessions:
    def __init__(self) -> None:
        self._visits: OrderedDict[str, Visit] = OrderedDict()

    def find(self, key: str) -> Visit:
        return self._visits.get(key, Visit())

    def keep(self, key: str, visit: Visit) -> str:
        """The key to put into the cookie: the given one if it is ours, otherwise a new one."""
        known = key if key in self._visits else secrets.token_urlsafe(24)
        self._visits[known] = visit
        self._visits.move_to_end(known)
        if len(self._visits) > KEPT_VISITS:
            self._visits.popitem(last=False)
        return known
