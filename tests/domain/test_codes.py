"""How codes are made, bound and compared."""

from __future__ import annotations

import hmac
import secrets
from collections import Counter

import pytest
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otp_service.domain import codes
from otp_service.domain.codes import Cost, Scope
from otp_service.domain.keyring import Keyring, Keys, Names, frame

CHEAP = Cost(8, 1, 1)
SCOPE = Scope("web", "login", "+79161234567", "id-1")


def test_the_local_code_is_the_same_whenever_it_is_asked_for() -> None:
    salt = bytes(range(16))
    assert codes.derive(b"k" * 32, salt, 6) == codes.derive(b"k" * 32, salt, 6)
    assert codes.derive(b"k" * 32, salt, 6) != codes.derive(b"x" * 32, salt, 6)


@given(st.binary(min_size=16, max_size=16), st.integers(4, 10))
def test_a_local_code_has_exactly_the_digits_asked_for(salt: bytes, digits: int) -> None:
    code = codes.derive(b"k" * 32, salt, digits)
    assert len(code) == digits
    assert code.isascii()
    assert code.isdecimal()


def test_local_codes_are_spread_evenly() -> None:
    """Chi-square over the first two digits of 20,000 codes: 99 degrees of freedom, 160 is beyond one in 10,000."""
    counts = Counter(codes.derive(b"k" * 32, n.to_bytes(16, "big"), 6)[:2] for n in range(20_000))
    expected = 20_000 / 100
    assert sum((counts[f"{n:02}"] - expected) ** 2 / expected for n in range(100)) < 160


def test_numbers_above_the_last_whole_multiple_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    top = (2**64 - 1).to_bytes(8, "big")
    blocks = [top * 4, (123).to_bytes(8, "big") + top * 3]
    monkeypatch.setattr(hmac, "digest", lambda *_: blocks.pop(0))
    assert codes.derive(b"k", b"s", 6) == "000123"


def digest(pepper: bytes, scope: Scope, code: str, salt: bytes, cost: Cost) -> bytes:
    return codes.stretch(codes.keyed(pepper, scope, code), salt, cost)


def test_a_digest_is_argon2id_over_a_keyed_mac_of_code_and_scope() -> None:
    salt = b"s" * 16
    mac = hmac.digest(b"pepper", frame(b"web", b"login", b"+79161234567", b"id-1", b"123456"), "sha256")
    assert digest(b"pepper", SCOPE, "123456", salt, CHEAP) == hash_secret_raw(mac, salt, 1, 8, 1, 32, Type.ID)


@given(
    st.binary(max_size=40),
    st.binary(min_size=16, max_size=16),
    st.integers(8, 300),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_both_libraries_compute_the_same(mac: bytes, salt: bytes, memory: int, passes: int, lanes: int) -> None:
    """A hash of a version that had one of them is good in one that has the other."""
    cost = Cost(max(memory, 8 * lanes), passes, lanes)
    expected = hash_secret_raw(mac, salt, passes, cost.memory_kib, lanes, 32, Type.ID)
    for compute in (codes.by_libsodium, codes.by_argon2_cffi):
        assert codes.stretch(mac, salt, cost, compute) == expected


@given(
    st.sampled_from(["application", "purpose", "phone", "verification_id"]),
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
)
def test_a_code_matches_in_no_other_scope(field: str, value: str) -> None:
    """No other application, purpose, phone or verification takes the hash."""
    salt = b"s" * 16
    stored = digest(b"p" * 32, SCOPE, "123456", salt, CHEAP)
    other = replace(SCOPE, **{field: value})
    same = other == SCOPE
    assert codes.matches_any(digest(b"p" * 32, other, "123456", salt, CHEAP), [stored]) == same


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_framing_is_unambiguous(one: list[bytes], two: list[bytes]) -> None:
    assert (frame(*one) == frame(*two)) == (one == two)


def test_matches_any_of_the_live_hashes() -> None:
    assert codes.matches_any(b"b", [b"a", b"b"])
    assert not codes.matches_any(b"c", [b"a", b"b"])
    assert not codes.matches_any(b"c", [])


def test_cost_is_written_and_read() -> None:
    assert Cost.parse(str(Cost(4096, 1, 2))) == Cost(4096, 1, 2)


def test_keys_of_two_secrets_and_two_uses_differ() -> None:
    one, two = Keys.of("a" * 32), Keys.of("b" * 32)
    assert len({one.pepper, one.code_derivation, one.encryption, two.pepper, two.code_derivation, two.encryption}) == 6
    assert one.id != two.id
    assert "a" * 8 not in repr(one)


def test_a_sealed_value_opens_only_where_it_belongs() -> None:
    keys = Keys.of("a" * 32)
    sealed = keys.seal(b"+79161234567", b"id-1")
    assert keys.open(sealed, b"id-1") == b"+79161234567"
    assert keys.seal(b"+79161234567", b"id-1") != sealed
    for broken, bound in ((sealed, b"id-2"), (sealed[:-1], b"id-1"), (b"", b"id-1"), (sealed[::-1], b"id-1")):
        with pytest.raises(ValueError, match="sealed under another key"):
            keys.open(broken, bound)
    with pytest.raises(ValueError, match="sealed under another key"):
        Keys.of("b" * 32).open(sealed, b"id-1")


def test_a_keyring_finds_old_secrets_while_they_are_listed() -> None:
    ring = Keyring(["new" * 11, "old" * 11])
    assert ring.current.id == Keys.of("new" * 11).id
    assert ring.get(Keys.of("old" * 11).id) is not None
    assert Keyring(["new" * 11]).get(Keys.of("old" * 11).id) is None


NAMES = Names(b"i" * 32, 256)


def test_an_id_says_where_its_verification_is_to_us_alone() -> None:
    first, second = NAMES.new_id("web", "+79161234567"), NAMES.new_id("web", "+79161234567")
    assert first != second
    assert len(first) == 36
    assert NAMES.locate(first) == NAMES.locate(second) == (
        NAMES.partition("+79161234567"), NAMES.phone_index("web", "+79161234567")
    )  # fmt: skip
    assert first[-15:] != second[-15:]  # the masked part does not give away that it is one phone
    assert Names(b"x" * 32, 256).locate(first) != NAMES.locate(first)


@given(st.text(max_size=60))
def test_any_text_may_be_asked_for_as_an_id(text: str) -> None:
    located = NAMES.locate(text)
    assert located is None or located[0] < 256


def test_forged_ids_lead_somewhere_and_to_nobody_s_phone() -> None:
    """So they are looked up like any other id, and take as long (S-11)."""
    found = [NAMES.locate(secrets.token_urlsafe(27)) for _ in range(2000)]
    assert None not in found
    assert len({index for _, index in filter(None, found)}) == 2000


def test_partitions_are_used_evenly() -> None:
    counts = Counter(NAMES.partition(f"+7916{n:07}") for n in range(25_600))
    assert len(counts) == 256
    assert max(counts.values()) < 160


def test_names_differ_by_application_and_use() -> None:
    assert NAMES.phone_index("web", "+7916") != NAMES.phone_index("shop", "+7916")
    assert NAMES.idempotency("web", "k") != NAMES.idempotency("shop", "k")
    assert NAMES.fingerprint("a", "bc") != NAMES.fingerprint("ab", "c")


def test_names_in_redis_are_what_they_were() -> None:
    """HMAC-SHA256 of the use and the parts, each behind its length: data of every version is found by them."""
    names, key = Names(b"k" * 32, 256), b"k" * 32

    def expected(*parts: bytes) -> bytes:
        return hmac.digest(key, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")

    for phone in (b"+79161234567", b"anna@example.com"):
        assert names.partition(phone.decode()) == int.from_bytes(expected(b"partition", phone)[:8], "big") % 256
        assert names.phone_index("web", phone.decode()) == expected(b"phone", b"web", phone)[:9].hex()
        assert names.counter("a", phone.decode()) == expected(b"counter", b"a", phone)[:12].hex()
