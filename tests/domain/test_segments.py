"""How many SMS a text takes."""

from __future__ import annotations

from random import Random

import pytest

from otp_service.domain.segments import measure
from otp_service.sandbox.parts import count_parts

ALPHABETS = ("aZ09 .\n@", "a€[{|", "aZ9é€яё", "я😀", "aя\u200b—", "😀a€")


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 1), ("a" * 160, "GSM-7", 160, 1), ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2), ("a" * 307, "GSM-7", 307, 3),
        ("я" * 70, "UCS-2", 70, 1), ("я" * 71, "UCS-2", 71, 2), ("я" * 134, "UCS-2", 134, 2),
        ("я" * 135, "UCS-2", 135, 3),
        ("€" * 80, "GSM-7", 160, 1), ("€" * 80 + "a", "GSM-7", 161, 2), ("\f^{}\\[~]|€\n", "GSM-7", 21, 1),
        ("a" * 69 + "я", "UCS-2", 70, 1), ("a" * 70 + "я", "UCS-2", 71, 2),
        ("😀" * 35, "UCS-2", 70, 1), ("😀" * 36, "UCS-2", 72, 2), ("a\u200b" + "a" * 69, "UCS-2", 71, 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),  # an escape is not cut from its character, so 306 do not fit
        ("я" * 66 + "😀" + "я" * 66, "UCS-2", 134, 3),  # nor one half of a pair from the other
    ],
)  # fmt: skip
def test_sizes(text: str, encoding: str, units: int, parts: int) -> None:
    size = measure(text)
    assert (size.encoding, size.units, size.parts) == (encoding, units, parts)


def test_the_sandbox_counts_the_same_by_itself() -> None:
    rng = Random("segments")
    seen = set()
    for _ in range(5_000):
        text = "".join(rng.choices(rng.choice(ALPHABETS), k=rng.choice((rng.randint(0, 60), rng.randint(60, 480)))))
        size = measure(text)
        assert size.parts == count_parts(text), text
        seen.add((size.encoding, size.parts))
    assert {(encoding, parts) for encoding in ("GSM-7", "UCS-2") for parts in (1, 2, 3, 4)} <= seen
