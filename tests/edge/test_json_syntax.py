"""The depth of a body is counted without parsing it; what is within a string does not count."""

from __future__ import annotations

import pytest

from otp_service.api.json_syntax import MAX_DEPTH, check_json
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
    check_json(body.encode())


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
        check_json(body.encode())


@pytest.mark.parametrize("body", ["\ufeff{}", "{} {}", '{"a":1,"a":1}', '{"a":NaN}', '["\\ud800"]', "{", ""])
def test_what_parsers_may_read_differently_is_refused(body: str) -> None:
    with pytest.raises(Refused):
        check_json(body.encode())
