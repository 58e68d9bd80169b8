"""Codes: how they are made, read, hashed and compared (docs/adr/0003)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13

from otp_service.domain.keyring import frame
from otp_service.domain.typed import DECORATION
from otp_service.domain.value import Hidden, Value

Compute = Callable[[bytes, bytes, "Cost"], bytes]
"""argon2id of bytes, a salt and a cost."""
SALT_BYTES = 16
HASH_BYTES = 32
LONGEST_TYPED = 64
"""Characters of a code as it was typed, marks that nobody sees included."""
_CODE = re.compile(r"[0-9]{4,10}")
BETWEEN = DECORATION + "."
"""What may stand between the digits of a code, and is dropped."""
_DROPPED = dict.fromkeys(map(ord, BETWEEN), "")


def of_message(key: bytes, salt: bytes, number: int, digits: int) -> str:
    """The code that one message alone carries, by its number."""
    return derive(key, salt + b"message %d" % number, digits)


def derive(key: bytes, salt: bytes, digits: int) -> str:
    """The one local code of a verification: the same whenever it is asked for, so it is never stored.

    Each HMAC-SHA256 block is read as 64-bit numbers; those above the largest multiple of 10^digits are passed over,
    so every code is equally likely.
    """
    space = 10**digits
    limit = 2**64 - 2**64 % space
    counter = 0
    while True:
        block = hmac.digest(key, frame(salt, counter.to_bytes(4, "big")), hashlib.sha256)
        for offset in range(0, len(block), 8):
            number = int.from_bytes(block[offset : offset + 8], "big")
            if number < limit:
                return str(number % space).zfill(digits)
        counter += 1


def bare(typed: str) -> str:
    """What every route takes for the code, of whatever kind, that a person typed or pasted: `123 456` is 123456.

    Blanks, dashes, dots and marks that nobody sees are dropped wherever they are. Line breaks, and digits that are not
    ASCII, stay; so no reader takes them for a code.
    """
    return typed.translate(_DROPPED)


def read(typed: str) -> str:
    """The code of a verification: 4 to 10 digits. Raises ValueError."""
    code = bare(typed)
    if not _CODE.fullmatch(code):
        raise ValueError("no code of 4 to 10 digits")
    return code


class Scope(Value):
    """What a code is good for. A code hashed for one scope matches in no other."""

    application: str
    purpose: str
    phone: Hidden[str]
    verification_id: str


class Cost(Value):
    """Argon2id cost; stored with each verification, so that settings may change under live codes."""

    memory_kib: int
    time_cost: int
    parallelism: int

    def __str__(self) -> str:
        return f"{self.memory_kib},{self.time_cost},{self.parallelism}"

    @classmethod
    @lru_cache(maxsize=64)  # nearly all are alike
    def parse(cls, text: str) -> Cost:
        memory, time, lanes = map(int, text.split(","))
        return cls(memory, time, lanes)


OF_CODES = Cost(memory_kib=1024, time_cost=1, parallelism=1)
"""For a code that is good for minutes: what protects it is the pepper (docs/adr/0021)."""
OWASP = Cost(memory_kib=19_456, time_cost=2, parallelism=1)
"""The least that OWASP names for passwords: for what is good until somebody changes it, as backup codes and passwords
of operators (cheatsheetseries.owasp.org, Password Storage)."""


# A code is kept as argon2id(HMAC-SHA256(pepper, scope and code), salt), in two steps:


def keyed(pepper: bytes, scope: Scope, code: str) -> bytes:
    """HMAC-SHA256: quick, and of no use to anybody who has not got the pepper."""
    parts = (scope.application, scope.purpose, scope.phone, scope.verification_id, code)
    return hmac.digest(pepper, frame(*(part.encode() for part in parts)), hashlib.sha256)


def by_libsodium(mac: bytes, salt: bytes, cost: Cost) -> bytes:
    """argon2id of one lane, with the vector units of this processor, in memory that the kernel clears for each hash."""
    memory = 1024 * cost.memory_kib
    return crypto_pwhash_alg(HASH_BYTES, mac, salt, cost.time_cost, memory, crypto_pwhash_ALG_ARGON2ID13)


def by_argon2_cffi(mac: bytes, salt: bytes, cost: Cost) -> bytes:
    """argon2id as every processor of the architecture can compute it, in memory that is kept."""
    return hash_secret_raw(mac, salt, cost.time_cost, cost.memory_kib, cost.parallelism, HASH_BYTES, Type.ID)


def stretch(mac: bytes, salt: bytes, cost: Cost, compute: Compute = by_libsodium) -> bytes:
    """argon2id (RFC 9106): dear on purpose. Blocks for a millisecond and more, so run it in the hash pool.

    compute: for one lane, which is all that libsodium knows.
    """
    return (compute if cost.parallelism == 1 else by_argon2_cffi)(mac, salt, cost)


def matched_by(candidate: bytes, of_messages: Mapping[int, bytes]) -> int:
    """The message whose own code it is; 0 for none. Always compares with all of them."""
    found = 0
    for number, one in of_messages.items():
        found = number if hmac.compare_digest(candidate, one) else found
    return found


def matches_any(candidate: bytes, stored: Iterable[bytes]) -> bool:
    """Whether the candidate equals one of the live hashes; always compares with all of them."""
    found = False
    for one in stored:
        found |= hmac.compare_digest(candidate, one)
    return found
