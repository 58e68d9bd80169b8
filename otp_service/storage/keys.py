"""Every key in Redis: its name, type, life, and whether it holds personal data.

`{p}` is the partition's hash tag: all keys of one phone share a slot, so one script may touch them together.
No key name and no value holds a phone or a code in clear.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of key, for the catalogue in docs/operations.md and the test that compares it with a live Redis."""

    pattern: str
    type: str
    life: str
    personal: str
    purpose: str


CATALOGUE = (
    Kind("otp:install", "hash", "for ever", "no", "number of partitions, wrapped index key"),
    Kind("otp:v:{p}:<id>", "hash", "expiry + retention", "phone, encrypted", "a verification with its messages"),
    Kind("otp:pause:{p}:<phone index>", "hash", "end of pause + 10 min", "no", "when a phone may be sent to again"),
    Kind("otp:fails:{p}:<phone index>", "hash", "until a success", "no", "consecutive wrong codes of a phone"),
    Kind("otp:due:{p}", "sorted set", "while jobs are due", "no", "jobs of a partition by the time they are due"),
    Kind("otp:idem:<keyed hash>", "hash", "24 h", "no", "an Idempotency-Key: fingerprint and verification id"),
    Kind("otp:clientid:<account hash>", "string", "for ever", "no", "the last client id drawn for a provider account"),
    Kind("otp:apikey:<SHA-256>", "hash", "until revoked", "no", "an API key: application, name, when made"),
    Kind("otp:apikeys", "hash", "for ever", "no", "id of each API key → its SHA-256"),
)

INSTALL = "otp:install"
API_KEYS = "otp:apikeys"


def verification(partition: int, verification_id: str) -> str:
    return f"otp:v:{{{partition}}}:{verification_id}"


def pause(partition: int, phone_index: str) -> str:
    return f"otp:pause:{{{partition}}}:{phone_index}"


def fails(partition: int, phone_index: str) -> str:
    return f"otp:fails:{{{partition}}}:{phone_index}"


def due(partition: int) -> str:
    return f"otp:due:{{{partition}}}"


def idempotency(name: str) -> str:
    return f"otp:idem:{name}"


def client_id(account: str) -> str:
    return f"otp:clientid:{account}"


def api_key(digest: str) -> str:
    return f"otp:apikey:{digest}"
