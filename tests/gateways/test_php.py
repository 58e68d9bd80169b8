"""The reader of PHP's serialize()."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_service.gateways.targetsms.get.php import MAX_BYTES, PhpError, Value, read


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"N;", None),
        (b"b:1;", True),
        (b"b:0;", False),
        (b"i:-5;", -5),
        (b"i:2856677675;", 2856677675),
        (b"d:1.15;", Decimal("1.15")),
        (b"d:1.0E+25;", Decimal("1.0E+25")),
        (b's:0:"";', ""),
        (b's:7:"a";s:1:";', 'a";s:1:'),
        ('s:12:"статус";'.encode(), "статус"),
        (b"a:0:{}", {}),
        (b'a:2:{i:0;s:1:"a";s:1:"k";b:1;}', {0: "a", "k": True}),
        (b"a:1:{i:0;a:1:{i:0;a:1:{i:0;a:0:{}}}}", {0: {0: {0: {}}}}),
    ],
)
def test_values(data: bytes, value: Value) -> None:
    assert read(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"send",
        b'O:8:"stdClass":0:{}',
        b'C:11:"ArrayObject":0:{}',
        b"a:1:{i:0;R:1;}",
        b"a:1:{i:0;r:1;}",
        b'E:3:"A:B";',
        b's:5:"abc";',
        b's:2:"abc";',
        's:6:"статус";'.encode(),
        b's:-1:"";',
        b's:99999:"a";',
        b's:1:"\xff";',
        b"a:2:{i:0;N;}",
        b"a:1:{i:0;N;i:1;N;}",
        b"a:99999:{}",
        b"a:-1:{}",
        b"a:1:{N;N;}",
        b"a:1:{b:1;N;}",
        b"a:1:{d:1.5;N;}",
        b"a:1:{a:0:{}N;}",
        b"a:1:{i:0;a:1:{i:0;a:1:{i:0;a:1:{i:0;a:0:{}}}}}",
        b"N;N;",
        b"N; ",
        b" N;",
        b"b:2;",
        b"b:true;",
        b"i:1.5;",
        b"i:;",
        "i:٣;".encode(),
        b"i:99999999999999999999;",
        b"d:INF;",
        b"d:NAN;",
        b"d:1e5;",
        b"d:1E+999;",
        b's:20000:"' + b"a" * 20_000 + b'";',
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(PhpError):
        read(data)


def test_the_longest() -> None:
    size = MAX_BYTES - len(b's:16372:"";')
    assert read(b's:%d:"%b";' % (size, b"a" * size)) == "a" * size


def serialized(value: Value) -> bytes:
    """As PHP does it."""
    match value:
        case None:
            return b"N;"
        case bool():
            return b"b:%d;" % value
        case int():
            return b"i:%d;" % value
        case str():
            return b's:%d:"%b";' % (len(value.encode()), value.encode())
        case dict():
            inside = b"".join(serialized(key) + serialized(item) for key, item in value.items())
            return b"a:%d:{%b}" % (len(value), inside)
    raise AssertionError(value)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT


@given(st.recursive(PLAIN, lambda inner: st.dictionaries(TEXT, inner, max_size=4), max_leaves=8))
def test_what_php_writes_is_read(value: Value) -> None:
    def depth(found: Value) -> int:
        return 1 + max(map(depth, found.values()), default=0) if isinstance(found, dict) else 0

    if depth(value) > 4:
        with pytest.raises(PhpError):
            read(serialized(value))
    else:
        assert read(serialized(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with suppress(PhpError):
        read(data)
