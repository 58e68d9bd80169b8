"""What is taken out of a line of the log, whatever else stands in it."""

from __future__ import annotations

from typing import Any

import pytest

from otp_service.telemetry.logs import Redaction

CREDENTIALS = ["pass", "pass+word(1)", "two\nlines", "0123456789"]
REDACTION = Redaction(CREDENTIALS)
USUAL = {"event": "request", "status": 200, "ms": 1.5, "request_id": "5f0c6de2e1b04c8a", "why": None}


def cleaned(value: Any) -> Any:
    """In the middle of a usual line, which stays as it is."""
    line = dict(REDACTION(None, "info", {"level": "info", "value": value, **USUAL}))
    found = line.pop("value")
    assert line == {"level": "info", **USUAL}
    return found


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("+79161234567", "[phone]"),
        ("79161234567", "[phone]"),
        ("to +79161234567, 123456789012345.", "to [phone], [phone]."),
        ("9161234567", "9161234567"),
        ("1234567890123456", "1234567890123456"),
        ("a79161234567", "a79161234567"),
        ("+7916***4567", "+7916***4567"),
        ("2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123456Z"),
        ("pass", "[redacted]"),
        ("xpass+word(1)x", "x[redacted]x"),
        ("of two\nlines", "of [redacted]"),
        ("0123456789", "[redacted]"),
        ("", ""),
        ("to <anna@example.com>: 550", "to <[address]>: 550"),
        ("RCPT TO:<=?utf-8?q?x?=@example.com>", "RCPT TO:<[address]>"),
        ("<'a'@example.com> <{minutes}@example.com> <a/b@example.com>", "<[address]> <[address]> <[address]>"),
        ("a***@example.com", "a***@example.com"),
        ("https://login:word@example.com/a/b", "https://login:word@example.com/a/b"),
        ("redis://login@10.0.0.1", "redis://login@10.0.0.1"),
    ],
)
def test_a_text(text: str, clean: str) -> None:
    assert cleaned(text) == clean
    assert cleaned({"a": [text, 1, {"b": (text,)}]}) == {"a": [clean, 1, {"b": [clean]}]}


@pytest.mark.parametrize("value", [79161234567, 0.79161234567, True, None, [], {}])
def test_what_is_no_text_stays(value: object) -> None:
    assert cleaned(value) == value


def test_two_texts_are_not_read_as_one() -> None:
    line = {"a": "7916", "b": "1234567", "c": "two", "d": "lines", "e": "pas", "f": "s"}
    assert REDACTION(None, "info", line) == line


def test_without_credentials_phones_are_still_taken_out() -> None:
    assert Redaction([])(None, "info", {"a": "x", "b": "+79161234567"}) == {"a": "x", "b": "[phone]"}
