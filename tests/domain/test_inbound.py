"""Which SMS say the code that is waited for."""

from __future__ import annotations

import time

import pytest

from otp_service.domain.inbound import MOST_READ, holds

CODE = "123456"


@pytest.mark.parametrize(
    "text",
    [
        "SHOP 123456", "shop123456", "123456", "123 456", "123-456", "1 2 3 4 5 6", "12\u200b34\u00a056", "(123456)",
        "SHOP 123456 10:05", "SHOP 123 456 10:05", "Код 123456. 29.11.2026 10:05", "123456 123456", "123-456, 123-456",
        "123 456 123 456", "+79161234567 123456", "+7 916 123-45-67: 123456", "123456 от +7 (916) 123-45-67",
        "ДРУГОЕ 123456", "x" * 990 + " 123456",
    ],
)  # fmt: skip
def test_the_code_among_whatever_else(text: str) -> None:
    assert holds(text, CODE)


@pytest.mark.parametrize(
    "text",
    [
        "", "SHOP", "1234567", "0123456", "12345", "654321", "123456, 654321", "123456 654321", "123 456 654 321",
        "123456 " * 3 + "654321", "1234 567", "123\n456", "12:34:56", "٠١٢٣٤٥", "１２３４５６", "x" * MOST_READ + CODE,
    ],
)  # fmt: skip
def test_what_says_no_code_or_several(text: str) -> None:
    assert not holds(text, CODE)


@pytest.mark.parametrize("text", ["1 " * 500, "1" + " " * 999, "12345 " * 170, ("1" + " " * 199) * 5, "1" * 1000])
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.perf_counter()
    assert not holds(text * 1000, CODE)
    assert time.perf_counter() - began < 0.1
