"""Backup codes: ten codes on paper for the day the phone is gone (NIST SP 800-63B-4 §3.1.2, look-up secrets).

A code is a selector, which finds it, and a verifier, which proves it: so one attempt is one argon2id computation
however many codes there are. The verifier has 39 bits, so it is kept under a keyed, salted password hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from otp_service.domain.codes import bare

COUNT = 10
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without what is misread: 0 and O, 1, I and L, and U beside V."""
SELECTOR = 4
LENGTH = 12
GROUP = 4


def new_codes() -> list[str]:
    """Ten codes in their plain form, no two with the same selector."""
    found: dict[str, str] = {}
    while len(found) < COUNT:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        found.setdefault(selector(code), code)
    return list(found.values())


def selector(code: str) -> str:
    return code[:SELECTOR]


def grouped(code: str) -> str:
    """For reading: ABCD-EFGH-JKMN."""
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def plain(typed: str) -> str:
    """What a person typed, in the plain form: any case, with hyphens and the like wherever they are."""
    text = bare(typed)
    return text.upper() if text.isascii() else text  # capitals of other scripts may become ours


def is_code(code: str) -> bool:
    """Whether a plain form can be a backup code; a TOTP code never can, since it is shorter."""
    return len(code) == LENGTH and all(character in ALPHABET for character in code)


def as_text(brand: str, codes: Iterable[str]) -> str:
    """The file that a person saves or prints."""
    lines = [f"{number:2}. {grouped(code)}" for number, code in enumerate(codes, start=1)]
    head = f"{brand}: backup codes\nEach works once. Keep them where you can reach them without your phone."
    return "\n".join([head, "", *lines, ""])
