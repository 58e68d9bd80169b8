"""Settings that every gateway has. Each adapter adds its own and is the only one to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta

from otp_service.domain.networks import Network
from otp_service.domain.secret import Secret
from otp_service.errors import SettingsError
from otp_service.gateways.address import checked_address
from otp_service.gateways.base import GatewayError, Traits
from otp_service.gateways.http import HttpClient
from otp_service.settings import Section
from otp_service.settings.section import END

Parallel = Annotated[int, Meta(ge=1, le=1000)]
PARALLEL = 50
"""Where `max_parallel` says nothing else."""


class GatewayConfig(Section, frozen=True, kw_only=True):
    """sender: the name agreed with the provider, case matters. Each field that ends in `base_url` is an address."""

    base_url: str
    sender: Annotated[str, Meta(min_length=1, max_length=15)]
    allow_plaintext: bool = False
    max_parallel: Parallel = PARALLEL
    """Requests at the same time, in this process."""
    attempt_seconds: Annotated[float, Meta(ge=0.1, le=60)] = 4.0
    connect_seconds: Annotated[float, Meta(ge=0.1, le=30)] = 2.0
    balance_low: Annotated[float, Meta(ge=0)] = 0.0
    """Below this, in money or SMS as the provider counts, `gateway.balance_low` is told; 0: never."""
    circuit_breaker: bool = True
    """Leave the gateway alone for a while after it failed; false: ask it whatever happened before."""
    prices: Mapping[Annotated[str, Meta(pattern=r"^([A-Z]{2}|\*)" + END)], str | int] = {}
    """Of one part in roubles, by country; read by settings.prices."""
    billed: Literal["sent", "delivered"] = "sent"
    """What is paid: every part that leaves, or those of messages that arrive; read by settings.prices."""

    def traits(self) -> Traits:
        return Traits(self.attempt_seconds, self.balance_low, self.circuit_breaker)

    def client(self, name: str, key: str = "base_url") -> HttpClient:
        """A client for the address under `key`. name: of the gateway. Raises `SettingsError`."""
        address = checked_address(getattr(self, key), f"gateways.{name}.{key}", allow_plaintext=self.allow_plaintext)
        return HttpClient(address, max_parallel=self.max_parallel, connect_seconds=self.connect_seconds)


def networks(written: Sequence[str], key: str) -> list[Network]:
    """Where pushes may come from. key: of the settings, for the sentence. Raises `SettingsError`."""
    try:
        return [Network.parse(each) for each in written]
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None


@contextmanager
def hidden_in_errors(*secrets: Secret) -> Iterator[None]:
    """What is read of an answer inside: a provider that repeats our credentials in an error tells them to nobody."""
    try:
        yield
    except GatewayError as error:
        error.hide(secret.reveal() for secret in secrets)
        raise


def account_name(platform: str, login: Secret) -> str:
    """A name for a provider account that does not tell the login: it becomes part of a key in Redis."""
    return f"{platform}:{sha256(login.reveal().encode()).hexdigest()[:16]}"
