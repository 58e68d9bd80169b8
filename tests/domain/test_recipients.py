"""Addresses as people paste them."""

from __future__ import annotations

import time

import pytest

from otp_service.domain import recipients
from otp_service.errors import Refused

ANNA = "anna@example.org"


@pytest.mark.parametrize(
    "written",
    [
        ANNA, "Anna@Example.ORG", f" {ANNA}\n", f"<{ANNA}>", f"< {ANNA} >", f"mailto:{ANNA}", f"mailto: {ANNA}",
        f"MAILTO:{ANNA}", f"<mailto:{ANNA}>", f"< mailto: {ANNA} >", f"mailto:<{ANNA}>", f"\u200b<\u00a0{ANNA}\u200b>",
        f"mailto:{ANNA}?subject=Hello%20<x@y.org>", f"Anna <{ANNA}>", f'"Ivanova, Anna" <{ANNA}>',
        f"Анна <mailto:{ANNA}>",
    ],
)  # fmt: skip
def test_what_stands_around_an_address_is_dropped(written: str) -> None:
    assert recipients.read_address(written).text == ANNA
    assert recipients.is_readable(written)


def test_escapes_of_a_link_are_read() -> None:
    assert recipients.read_address("mailto:anna%2Btag@example.org").text == "anna+tag@example.org"


@pytest.mark.parametrize(
    "written",
    [
        "", "<>", "mailto:", "anna", "anna@", "@example.org", "a b@example.org", "a@b@c.org", f"<{ANNA}", f"{ANNA}>",
        f"<<{ANNA}>>", f"x@y.org <{ANNA}>", f"{ANNA} <x@y.org>", f"<x@y.org> <{ANNA}>", f"{ANNA}, x@y.org",
        f"mailto:{ANNA},x@y.org", "mailto:anna@example.org%0ABcc:x@y.org", "mailto:anna%FF@example.org",
        f"mailto:mailto:mailto:{ANNA}", f"<a><b><{ANNA}>", f"Anna\n<{ANNA}\nBcc: x@y.org>", f"{ANNA}?subject=x",
    ],
)  # fmt: skip
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(Refused) as caught:
        recipients.read_address(written)
    assert caught.value.code == "invalid_address"


@pytest.mark.parametrize(
    "written", ["<" * 450, "<>" * 225, "mailto:" * 64, "%" * 450, f"{'x' * 400}<{ANNA}", "x" * 10**6]
)
def test_hostile_texts_take_no_time(written: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Refused):
        recipients.read_address(written)
    assert time.perf_counter() - began < 0.1
