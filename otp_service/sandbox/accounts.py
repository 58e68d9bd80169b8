"""Accounts at the gateways: what a manager of the vendor could change, changed here through `/_sim/accounts`."""

from __future__ import annotations

from datetime import timedelta, timezone
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

Provider = Literal["targetsms", "smska", "telegram", "smtp"]
"""TargetSMS is one platform behind P, X, G and J; sms-ka (K) is another vendor, Telegram Gateway a third, a
mail server the fourth."""

AccountKey = tuple[Provider, str]
"""Provider and login."""

SenderState = Literal["order", "completed", "rejected"]
"""X7: being arranged, ready for use, refused."""

AREAS = (("380", "Украина"), ("7", "Россия"))
"""Country prefix → area, as X6 names them."""
OTHER_AREA = "Остальные"


class Account(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """money: roubles, for sms-ka whole credits. prices: area → price of one part; an area without a price is closed."""

    provider: Provider
    login: str
    password: str
    money: Decimal
    prices: dict[str, Decimal]
    senders: dict[str, SenderState]
    any_originator: bool = False
    blocked: bool = False
    blocked_in: Literal["request", "message"] = "request"
    """X3 has a text for the whole request and one for each SMS, and does not say when which of them comes."""
    gateway_out_of_sms: bool = False
    """X3 text 1: the gateway itself has run out."""
    out_of_sms: bool = False
    """X3 text 2: the package of this account is used up, whatever its money (ours)."""
    viber_price: Decimal = Decimal("0.5")
    """Of one Viber message to anywhere (ours: J names no prices)."""
    callback_url: str = ""
    """Where reports go (X5): told to the manager, or set with X25."""
    stop_list: frozenset[str] = frozenset()
    """Phones, digits only."""
    closed_areas: frozenset[str] = frozenset()
    """Areas closed for this account alone (X3 text 6)."""
    moderated_words: frozenset[str] = frozenset()
    """A text with one of them, in any case, is refused (X3 text 9)."""
    dedupe: Literal["id", "error"] = "id"
    """What a repeated client_id_sms or client_id_message gets: X3 promises the earlier id and also lists text 17."""
    held_with_id: bool = True
    """Whether text 8 comes with id_sms. X3 says no id on errors, yet this SMS is kept: the default is ours."""
    utc_offset_hours: Annotated[float, Meta(ge=-12, le=14)] = 3
    """Zone of time_send, validity_period and all times in answers. X names none; the account's zone is ours."""
    time_with_date: bool = True
    """X19 answers a time in one sample and date and time in the other."""

    def __post_init__(self) -> None:
        prices = [self.viber_price, *self.prices.values()]
        if not (self.money.is_finite() and all(price.is_finite() and price > 0 for price in prices)):
            raise ValueError("money must be a number, and every price a number above 0")

    @property
    def key(self) -> AccountKey:
        return self.provider, self.login

    @property
    def zone(self) -> timezone:
        return timezone(timedelta(hours=self.utc_offset_hours))

    def price_to(self, phone: str) -> Decimal | None:
        """Of one part. phone: digits only, country code first."""
        return self.prices.get(area_of(phone))


DEFAULT_ACCOUNTS = (
    Account(
        provider="targetsms",
        login="demo",
        password="demo-password",
        money=Decimal(1_000_000),
        prices={"Россия": Decimal(1), "Украина": Decimal(2)},  # X6, the example
        senders={"target": "completed", "DEMO": "completed", "NEW": "order"},
    ),
    Account(
        provider="smska",
        login="demo",
        password="demo-password",
        money=Decimal(1_000_000),
        prices={"Россия": Decimal(1), "Украина": Decimal(1), OTHER_AREA: Decimal(1)},
        senders={"DEMO": "completed"},
    ),
    Account(
        provider="telegram",
        login="demo",
        password="demo-token-of-telegram",  # its token
        money=Decimal(1000),  # US dollars
        prices={"Россия": Decimal("0.01"), "Украина": Decimal("0.01"), OTHER_AREA: Decimal("0.01")},
        senders={"demo_channel": "completed"},
    ),
    Account(provider="smtp", login="demo", password="demo-password", money=Decimal(0), prices={}, senders={}),
)


def area_of(phone: str) -> str:
    """phone: digits only, country code first."""
    return next((area for prefix, area in AREAS if phone.startswith(prefix)), OTHER_AREA)


def plain(amount: Decimal) -> str:
    """`150`, `1.15`: as X6 and X4 write money, without an exponent or idle zeros."""
    return f"{amount.normalize():f}"
