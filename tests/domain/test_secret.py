"""How a secret is found again where somebody repeats it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from otp_service.domain.secret import forms

SECRET = 'p\u00e4ss/w+rd "&" =9'


@pytest.mark.parametrize(
    "written",
    [
        SECRET, quote(SECRET), quote_plus(SECRET), urlencode({"psw": SECRET}), json.dumps({"psw": SECRET}),
        json.dumps({"psw": SECRET}, ensure_ascii=False), json.dumps(SECRET).replace("/", "\\/"),
        *(base64.b64encode(f"{before}:{SECRET}{after}".encode()).decode()
          for before in ("", "a", "ab", "abc", "long-login") for after in ("", "1", "12", "123")),
    ],
)  # fmt: skip
def test_every_form_of_a_secret_is_known(written: str) -> None:
    assert any(form in written for form in forms(SECRET)), written


def test_nothing_is_no_secret_and_a_short_one_is_not_looked_for_in_base64() -> None:
    assert forms("") == set()
    assert all(len(form) >= 2 for form in forms("me"))
    assert base64.b64encode(b"me").decode() in forms("me")
