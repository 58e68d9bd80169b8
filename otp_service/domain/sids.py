"""SIDs: the names under which Twilio's clients know things, a prefix and 32 lower-case hex digits.

That of a verification is made from its id: five keyed bytes tell it from the others of its phone, and the rest, masked
by them, says where the phone's verifications are. So nothing has to be kept to find it again.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from otp_service.domain.keyring import PHONE_INDEX_BYTES, Names

NONCE_BYTES = 5
_FORM = re.compile(r"[A-Z]{2}[0-9a-f]{32}")


def named(prefix: str, *parts: str) -> str:
    """The same for the same parts, in every installation."""
    return prefix + hashlib.sha256(":".join(parts).encode()).hexdigest()[:32]


def drawn(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def keyed(prefix: str, names: Names, *parts: str) -> str:
    """The same for the same parts, and nobody else can make it."""
    return prefix + (names.counter(prefix, *parts) + names.counter(prefix, "more", *parts))[:32]


def is_sid(text: str, prefix: str) -> bool:
    return bool(_FORM.fullmatch(text)) and text.startswith(prefix)


def of_verification(names: Names, verification_id: str) -> str:
    return _located("VE", names, verification_id, verification_id)


def of_message(names: Names, verification_id: str, number: int) -> str:
    return _located("VL", names, verification_id, f"{verification_id}.{number}")


def locate(names: Names, sid: str) -> tuple[int, str]:
    """Partition and phone index of a verification or message. One that nobody made leads somewhere, too."""
    raw = bytes.fromhex(sid[2:])
    packed = _masked(names, raw[:NONCE_BYTES], raw[NONCE_BYTES:])
    return int.from_bytes(packed[:2], "big") % names.partitions, packed[2:].hex()


def _located(prefix: str, names: Names, verification_id: str, what: str) -> str:
    found = names.locate(verification_id)
    if found is None:
        raise ValueError("not an id of ours")
    packed = found[0].to_bytes(2, "big") + bytes.fromhex(found[1])[:PHONE_INDEX_BYTES]
    nonce = bytes.fromhex(names.counter(prefix, what))[:NONCE_BYTES]
    return prefix + (nonce + _masked(names, nonce, packed)).hex()


def _masked(names: Names, nonce: bytes, packed: bytes) -> bytes:
    mask = bytes.fromhex(names.counter("sid", nonce.hex()))[: len(packed)]
    return bytes(a ^ b for a, b in zip(packed, mask, strict=True))
