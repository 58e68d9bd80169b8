"""TOTP against the vectors of the RFCs, against pyotp and oathtool, and at the edges of its window."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess

import pyotp
import pytest

from otp_service.domain import backup_codes, totp
from otp_service.domain.totp import Algorithm, ClockOff, Generator, from_base32, to_base32

DIGESTS = {Algorithm.SHA1: "sha1", Algorithm.SHA256: "sha256", Algorithm.SHA512: "sha512"}
SEED = b"1234567890" * 7
SECRETS = {Algorithm.SHA1: SEED[:20], Algorithm.SHA256: SEED[:32], Algorithm.SHA512: SEED[:64]}

# RFC 6238 appendix B: seconds, then the 8 digits by SHA-1, SHA-256 and SHA-512 (with the seeds of its erratum 2866).
APPENDIX_B = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
# RFC 4226 appendix D: HOTP of counters 0 to 9.
APPENDIX_D = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("seconds", "sha1", "sha256", "sha512"), APPENDIX_B)
def test_s19_rfc_6238_appendix_b(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    for algorithm, code in zip(Algorithm, (sha1, sha256, sha512), strict=True):
        assert Generator(SECRETS[algorithm], 8, algorithm).code(seconds // 30) == code


def test_rfc_4226_appendix_d() -> None:
    assert [Generator(SEED[:20]).code(counter) for counter in range(10)] == APPENDIX_D


def drawn(count: int) -> list[tuple[Generator, int]]:
    """Random authenticators of every form, and a time in seconds for each."""
    return [
        (
            Generator(
                random.randbytes(random.choice((16, 20, 32, 64))),
                random.choice((6, 8)),
                random.choice([*Algorithm]),
            ),
            random.randrange(4 * 10**9),
        )
        for _ in range(count)
    ]


def test_pyotp_agrees_a_thousand_times() -> None:
    for made, seconds in drawn(1000):
        theirs = pyotp.TOTP(
            to_base32(made.secret), digits=made.digits, digest=getattr(hashlib, DIGESTS[made.algorithm])
        )
        assert made.code(seconds // 30) == theirs.at(seconds)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("oathtool") and not os.environ.get("CI"), reason="apt-get install oathtool")
def test_oathtool_agrees_a_thousand_times() -> None:
    for made, seconds in drawn(1000):
        mode = f"--totp={DIGESTS[made.algorithm]}"
        command = ["oathtool", mode, f"--digits={made.digits}", f"--now=@{seconds}", made.secret.hex()]
        theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert made.code(seconds // 30) == theirs


NOW = 1_800_000_015_000
STEP = NOW // 30_000


@pytest.mark.parametrize(
    ("window", "drift", "good"),
    [
        (1, 0, {-1, 0, 1}),
        (0, 0, {0}),
        (0, 3, {0}),  # strict means strict, whatever was found before
        (2, 0, {-2, -1, 0, 1, 2}),
        (1, -2, {-3, -2, -1, 0, 1}),  # a clock two steps behind, or a device that was set right meanwhile
        (1, 1, {-1, 0, 1, 2}),
    ],
)
def test_s19_the_window(window: int, drift: int, good: set[int]) -> None:
    made = Generator.new(8, Algorithm.SHA1)
    for off in range(-6, 7):
        assert made.find(made.code(STEP + off), NOW, window, drift) == (STEP + off if off in good else None)


def test_drift_is_followed_so_far_and_no_further() -> None:
    made = Generator.new(6, Algorithm.SHA1)
    assert [made.drift_of(STEP + off, NOW) for off in (-9, -4, 0, 1, 9)] == [-6, -4, 0, 1, 6]
    slow = Generator(made.secret, period=60)
    assert [slow.drift_of(slow.step_at(NOW) + off, NOW) for off in (-9, 0, 2, 9)] == [-3, 0, 2, 3]


def test_p3_at_an_enrolment_a_clock_may_be_three_minutes_off() -> None:
    made = Generator.new(8, Algorithm.SHA1)
    window = made.enrolment_window(1)
    for off in range(-9, 10):
        found = made.find(made.code(STEP + off), NOW, window, 0)
        assert found == (STEP + off if abs(off) <= 6 else None)
    drift = made.drift_of(STEP + 6, NOW)
    assert {off for off in range(-9, 10) if made.find(made.code(STEP + off), NOW, 1, drift)} == {-1, 0, 1, 5, 6, 7}
    assert made.enrolment_window(0) == 0  # strict means strict
    assert Generator(made.secret, period=60).enrolment_window(1) == 3


@pytest.mark.parametrize(
    ("seconds", "at_login", "at_enrolment"),
    [(600, True, True), (-600, True, True), (3600, True, True), (3630, False, True), (-3 * 3600, False, True),
     (7 * 3600 - 90, False, True), (14 * 3600, False, True), (5400, False, False), (15 * 3600, False, False)],
)  # fmt: skip
def test_p3_a_wrong_clock_is_told_from_a_wrong_code(seconds: int, at_login: bool, at_enrolment: bool) -> None:
    made = Generator.new(8, Algorithm.SHA1)
    code = made.code(STEP + seconds // 30)
    for enrolment, told in ((False, at_login), (True, at_enrolment)):
        off = made.clock_off(code, NOW, enrolment=enrolment)
        assert off == (ClockOff(STEP + seconds // 30, seconds) if told else None)


@pytest.mark.parametrize(
    "typed", ["123456", " 123 456 ", "12-34-56", "123.456", "123\u00a0456", "\u202a1234567\u202c", "12345678"]
)
def test_p2_typed_codes(typed: str) -> None:
    assert totp.read(typed) == "".join(sign for sign in typed if sign in "0123456789")


@pytest.mark.parametrize("typed", ["12345", "123456789", "123456\n", "１２３４５６", "12a456", ""])
def test_p2_what_is_no_totp_code(typed: str) -> None:
    with pytest.raises(ValueError, match="no code"):
        totp.read(typed)


def test_secrets_have_160_bits_and_are_read_as_people_write_them() -> None:
    made = Generator.new(6, Algorithm.SHA1)
    assert len(made.secret) == 20
    text = to_base32(made.secret)
    for written in (
        text,
        text.lower(),
        " ".join(text[i : i + 4] for i in range(0, 32, 4)),
        text + "===="[: -len(text) % 8],
    ):
        assert from_base32(written) == made.secret
    assert from_base32(to_base32(bytes(10))) == bytes(10)
    for bad in ("", "A" * 15, "1" * 32, "ß" * 32, "A" * 200, "АБВГ" * 8):
        with pytest.raises(ValueError, match="secret") as refused:
            from_base32(bad)
        assert bad == "" or bad not in str(refused.value)


def test_backup_codes_are_told_from_totp_codes() -> None:
    codes = backup_codes.new_codes()
    assert len({backup_codes.selector(code) for code in codes}) == backup_codes.COUNT
    for code in codes:
        written = backup_codes.grouped(code)
        assert backup_codes.plain(f" {written.lower()} ") == code
        assert backup_codes.is_code(code)
    assert not any(map(backup_codes.is_code, ("123456", "12345678", "ABCDEFGHJKM0", "")))
