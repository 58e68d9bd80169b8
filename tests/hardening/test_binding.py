"""A code is good for one application, purpose, phone and verification, in one spelling (S-06, S-17)."""

from __future__ import annotations

import base64
import re
import unicodedata

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otp_service.domain import codes, phone
from otp_service.domain.codes import Cost, Scope
from otp_service.domain.keyring import Keyring, Keys, Names
from otp_service.errors import Refused
from otp_service.schemas.verifications import CheckCode
from otp_service.storage.records import Records
from tests.api import Api, Gateways, problem
from tests.sizes import sized

CHEAP = Cost(8, 1, 1)
SALT = b"s" * 16
TEXT = st.text(min_size=1, max_size=20)
SCOPES = st.builds(Scope, TEXT, TEXT, TEXT, TEXT)
FIELDS = ("application", "purpose", "phone", "verification_id")
KEYS = Keys.of("a" * 32)
OTHER_KEYS = Keys.of("b" * 32)


@given(SCOPES, SCOPES, st.sampled_from([*FIELDS, "key id"]), st.integers(0, 999_999))
@settings(max_examples=300, deadline=None)
def test_s06_a_code_moved_elsewhere_is_not_approved(mine: Scope, theirs: Scope, moved: str, number: int) -> None:
    check_scope(mine, theirs, moved, number)


@pytest.mark.slow
@given(SCOPES, SCOPES, st.sampled_from([*FIELDS, "key id"]), st.integers(0, 999_999))
@settings(max_examples=sized(10_000, 2_000), deadline=None)
def test_s06_thousands_of_codes_moved_elsewhere(mine: Scope, theirs: Scope, moved: str, number: int) -> None:
    check_scope(mine, theirs, moved, number)


def digest(pepper: bytes, scope: Scope, code: str) -> bytes:
    return codes.stretch(codes.keyed(pepper, scope, code), SALT, CHEAP)


def check_scope(mine: Scope, theirs: Scope, moved: str, number: int) -> None:
    """One field, or the key, of the other; also where a text moves from one field into the next."""
    code = f"{number:06}"
    stored = digest(KEYS.pepper, mine, code)
    assert codes.matches_any(digest(KEYS.pepper, mine, code), [stored])
    if moved == "key id":
        assert not codes.matches_any(digest(OTHER_KEYS.pepper, mine, code), [stored])
        return
    values = {name: getattr(mine, name) for name in FIELDS}
    other = Scope(**{**values, moved: getattr(theirs, moved)})
    shifted = Scope(mine.application + mine.purpose[:1], mine.purpose[1:], mine.phone, mine.verification_id)
    for elsewhere in (other, shifted):
        if elsewhere != mine:
            assert not codes.matches_any(digest(KEYS.pepper, elsewhere, code), [stored])


def test_s06_a_phone_moved_to_another_record_does_not_open() -> None:
    sealed = KEYS.seal(b"+79161234567", b"id-1")
    assert KEYS.open(sealed, b"id-1") == b"+79161234567"
    for keys, place in ((KEYS, b"id-2"), (OTHER_KEYS, b"id-1")):
        with pytest.raises(ValueError, match="another key"):
            keys.open(sealed, place)


@given(st.binary(min_size=27, max_size=27))
@settings(max_examples=300, deadline=None)
def test_s06_an_id_leads_to_one_slot_whoever_made_it(raw: bytes) -> None:
    """A forged id is looked up where nothing is; it never leads out of the partitions."""
    names = Names(b"k" * 32, 256)
    located = names.locate(base64.urlsafe_b64encode(raw).decode())
    assert located is not None
    assert 0 <= located[0] < 256
    place = Records(None, Keyring(["a" * 32]), names).key_names(base64.urlsafe_b64encode(raw).decode())  # type: ignore[arg-type]
    assert place.verification.startswith(f"otp:v:{{{located[0]}}}:")


async def test_s06_the_right_code_elsewhere(api: Api, other: Api, gateways: Gateways, phone: str) -> None:
    """Over HTTP: verifications of another purpose, phone and application, and the code of the first."""
    started = {
        "mine": (api, await api.started(phone, purpose="login")),
        "purpose": (api, await api.started(phone, purpose="payment")),
        "phone": (api, await api.started(f"{phone[:-2]}71", purpose="login")),
        "application": (other, await other.started(phone, purpose="login")),
    }
    (code, *_) = [found["text"] for found in reversed(await gateways.messages(phone))]  # the oldest: that of "mine"
    code = re.findall(r"[0-9]{6}", code)[0]
    for name, (caller, verification) in started.items():
        if name != "mine":
            assert await caller.outcome(verification["id"], code) == "wrong_code", name
    mine = started["mine"][1]["id"]
    problem(await api.check(mine, code, to=f"{phone[:-2]}71"), 404, "not_found")
    problem(await api.check(mine, code, purpose="payment"), 404, "not_found")
    problem(await other.check(mine, code), 404, "not_found")
    assert await api.outcome(mine, code, to=phone, purpose="login") == "approved"


DIGITS = st.characters(categories=["Nd", "Nl", "No"])
SPELLED = st.text(alphabet=st.one_of(DIGITS, st.sampled_from("0123456789"), st.characters()), max_size=12)


def check_code(written: str) -> None:
    """What is accepted is read as its ASCII digits in their order, and holds no letter and no digit of another script;
    4 to 10 ASCII digits as they stand are accepted. So a code has one reading, whatever people paste around it.
    """
    plain = re.fullmatch("[0-9]{4,10}", written) is not None
    try:
        read = msgspec.convert({"code": written}, CheckCode)
    except msgspec.ValidationError:
        assert not plain
    else:
        assert re.fullmatch("[0-9]{4,10}", read.code)
        assert read.code == re.sub("[^0-9]", "", written)
        assert not any(unicodedata.category(character)[0] in "LN" for character in re.sub("[0-9]", "", written))


def check_phone(written: str, number: int) -> None:
    """Whatever is accepted is one ASCII key, and reading that again changes nothing."""
    for text in (written, f"+7916{number:07}", f"8 916{number:07}{written}", f"{written}+7916{number:07}"):
        try:
            found = phone.normalise(text, "RU")
        except Refused:
            continue
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", found.e164)
        assert phone.normalise(found.e164, "RU") == found
        digits = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", text))
        assert found.e164.endswith(digits.removeprefix("8").removeprefix("10")[-7:])


@given(SPELLED)
@example("123456\n")
@example("１２３４５６")
@example("١٢٣٤٥٦")
@example("12345²")
@settings(max_examples=500, deadline=None)
def test_s17_a_code_has_one_spelling(written: str) -> None:
    check_code(written)


@given(SPELLED, st.integers(0, 9_999_999))
@settings(max_examples=200, deadline=None)
def test_s17_a_phone_has_one_key(written: str, number: int) -> None:
    check_phone(written, number)


@pytest.mark.slow
@given(SPELLED, st.integers(0, 9_999_999))
@settings(max_examples=sized(5_000, 1_500), deadline=None)
def test_s17_thousands_of_spellings(written: str, number: int) -> None:
    check_code(written)
    check_phone(written, number)
