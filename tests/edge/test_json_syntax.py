"""The depth of a body is counted without parsing it; what is within a string does not count."""

from __future__ import annotations

import time

import pytest

from otp_service.api.edge.json_syntax import MAX_DEPTH, parse_json
from otp_service.errors import Refused


def nested(depth: int) -> str:
    """Objects and lists in turn."""
    return '{"a":[' * (depth // 2) + "[]" * (depth % 2) + "]}" * (depth // 2)


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH),
        '{"a":"' + "[{" * 100 + '"}',
        '{"a":"\\"' + "[{" * 100 + '"}',
        "[" + "[{}]," * 100 + "[]]",
    ],
)
def test_many_brackets_are_no_depth(body: str) -> None:
    parse_json(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH + 1),
        '{"a":"' + "]}" * 100 + '","b":' + nested(MAX_DEPTH) + "}",
        "[" * (MAX_DEPTH + 1),
        "{" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_too_deep_is_refused_for_that(body: str) -> None:
    with pytest.raises(Refused, match="deeper"):
        parse_json(body.encode())


@pytest.mark.parametrize("body", ["\ufeff{}", "{} {}", '{"a":1,"a":1}', '{"a":NaN}', '["\\ud800"]', "{", ""])
def test_what_parsers_may_read_differently_is_refused(body: str) -> None:
    with pytest.raises(Refused):
        parse_json(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 17 + b'\\"' * 32_000,
        b"[" * 17 + b'"' * 64_000,
        b"[" * 17 + b'"' + b'\\"' * 32_000,
        b"[" * 17 + b'"' + b"\\" * 64_000,
    ],
    ids=["escaped quotes outside", "quotes", "escaped quotes in a string", "backslashes"],
)
def test_a1_a_string_that_never_ends_costs_no_more_than_its_length(body: bytes) -> None:
    """Escaped quotes that never close were tried again from each of them: 26 s for 64 kB."""
    began = time.process_time()
    with pytest.raises(Refused):
        parse_json(body[: 64 * 1024])
    assert time.process_time() - began < 0.1
