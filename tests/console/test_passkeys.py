"""Passkeys by HTTP, with an authenticator that answers as it is told: each check of the specification, and who sends
the same answer twice, to two processes, or bytes that no authenticator makes (WebAuthn Level 3, §7.1 and §7.2)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from redis.asyncio import Redis

from tests.console.authenticator import AT, ED, UP, UV, Authenticator
from tests.console.conftest import Invite, named
from tests.console.desk import PASSWORD, Desk

ORIGIN = "https://otp.example.ru"
CERTIFICATE = {"alg": -7, "sig": b"\x30\x06\x02\x01\x01\x02\x01\x01", "x5c": [b"\x30\x82"]}
HOSTILE_CBOR = {
    "deep": b"\x81" * 5000 + b"\x00",
    "a length that is not there": b"\x9b\x00\x00\x00\x0f" + b"\xff" * 4,
    "a long string that is not there": b"\x5b\x0f" + b"\xff" * 7,
    "a large float": b"\xc5\x82\x1b" + b"\x7f" + b"\xff" * 7 + b"\x03",
    "a pattern": cbor2.dumps(cbor2.CBORTag(35, "(a+)+" * 800)),
    "no map": b"\x01",
    "twice the same name": b"\xa2\x63fmt\x64none\x63fmt\x64none",
    "empty": b"",
}


def options_of(desk: Desk, path: str, kind: str) -> dict[str, Any]:
    found = re.search(rf'data-passkey-{kind}="([^"]+)"', desk.get(path).text)
    assert found, "no passkey is offered"
    options: dict[str, Any] = json.loads(unescape(found[1]))
    return options


class Holder:
    """An invited operator with an authenticator."""

    def __init__(self, link: str, name: str, url: str, **options: bool) -> None:
        self.desk = Desk(url)
        self.name = name
        self.path = "/console/enrol/" + link.rpartition("/")[2]
        self.device = Authenticator(ORIGIN, **options)

    def enrol(self, **changed: Any) -> int:
        answer = changed.pop("answer_as_it_is", None) or self.device.created(
            options_of(self.desk, self.path, "create"), **changed
        )
        form = {"password": PASSWORD, "again": PASSWORD, "passkey": answer}
        return self.desk.post(self.path, form).status_code

    def asked(self, desk: Desk) -> dict[str, Any]:
        """The question of a new session that knows the password."""
        desk.token = ""
        assert desk.post("/console/sign-in", {"name": self.name, "password": PASSWORD}).status_code == 303
        return options_of(desk, "/console/sign-in", "get")

    def sign_in(self, **changed: Any) -> int:
        answer = self.device.got(self.asked(self.desk), **changed)
        self.desk.post("/console/sign-in", {"passkey": answer})
        return self.desk.get("/console").status_code


@pytest.fixture(scope="module")
def invited(invite: Invite, service_urls: list[str]) -> Callable[..., Holder]:
    def made(**options: bool) -> Holder:
        name = named()
        return Holder(invite("support", name), name, service_urls[0], **options)

    return made


@pytest.fixture(scope="module")
def waiting(invited: Callable[..., Holder]) -> Holder:
    """Somebody whose link is good still, whatever was refused."""
    return invited()


@pytest.fixture(scope="module")
def holder(invited: Callable[..., Holder]) -> Holder:
    found = invited()
    assert found.enrol() == 200
    return found


def test_what_is_asked_for(invited: Callable[..., Holder]) -> None:
    found = invited()
    options = options_of(found.desk, found.path, "create")
    assert options["rp"]["id"] == "otp.example.ru"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert options["attestation"] == "none"
    assert len(options["challenge"]) >= 43
    assert found.enrol() == 200
    asked = found.asked(found.desk)
    assert (asked["rpId"], asked["userVerification"]) == ("otp.example.ru", "required")
    assert asked["challenge"] != found.asked(found.desk)["challenge"]


def test_a_passkey_lets_in(holder: Holder) -> None:
    assert holder.sign_in() == 200
    assert holder.sign_in() == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"told": {"type": "webauthn.get"}},
        {"told": {"challenge": "AAAA"}},
        {"told": {"origin": "https://evil.example"}},
        {"told": {"origin": "http://otp.example.ru"}},
        {"told": {"origin": "https://otp.example.ru:8443"}},
        {"told": {"crossOrigin": True}},
        {"rp_id": "evil.example"},
        {"flags": UP | AT},
        {"flags": UV | AT},
        {"flags": UP | UV},
        {"key": {1: 2, 3: -8, -1: 1, -2: bytes(32), -3: bytes(32)}},
        {"key": {1: 2, 3: -7, -1: 1, -2: bytes(31) + b"\1", -3: bytes(31) + b"\1"}},
        {"key": {1: 2, 3: -36, -1: 3, -2: bytes(66), -3: bytes(66)}},
        {"key": b"\x81" * 4000},
        {"fmt": "packed", "statement": CERTIFICATE},
        {"fmt": "tpm", "statement": {"ver": "2.0", **CERTIFICATE}},
        {"fmt": "fido-u2f", "statement": CERTIFICATE},
        {"fmt": "none", "statement": {"sig": b"x"}},
        {"fmt": ["none"]},
        {"more": b"\x00"},
        {"flags": UP | UV | AT | ED, "more": b"\x9b" + b"\xff" * 8},
        {"id": b"x" * 1024},
        {"id": b""},
        {"answer": {"rawId": "AAAA"}},
        {"answer": {"type": "password"}},
        {"answer": {"response": None}},
        {"answer": {"response": {"clientDataJSON": 1, "attestationObject": []}}},
        {"told": b"[" * 4000},
        {"told": b'{"type": "webauthn.create", "challenge": 7, "origin": {}}'},
        {"told": b"\xff\xfe"},
        *({"object": each} for each in HOSTILE_CBOR.values()),
    ],
    ids=lambda changed: str(changed)[:48],
)
def test_what_is_no_new_passkey_is_refused(waiting: Holder, changed: dict[str, Any]) -> None:
    began = time.monotonic()
    assert waiting.enrol(**changed) == 422
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("said", "status"),
    [("{", 400), ("[]", 400), ('{"a":' * 2500, 400), ('{"a":' + "[" * 15_000, 400), ("{}", 422), ('{"id": 1}', 422)],
    ids=lambda said: str(said)[:12],
)
def test_what_is_no_answer_is_refused(waiting: Holder, said: str, status: int) -> None:
    assert waiting.enrol(answer_as_it_is=said) == status


def test_an_answer_is_bounded_and_the_link_is_good_still(waiting: Holder) -> None:
    """Where an authenticator's key costs its checker time: it is as long as the answer may be."""
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    long_key = {1: 3, 3: -257, -1: bytes(7000) + numbers.n.to_bytes(128, "big"), -2: b"\1\0\1"}
    began = time.monotonic()
    assert waiting.enrol(key=long_key) == 422
    assert time.monotonic() - began < 2
    assert waiting.enrol() == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"told": {"type": "webauthn.create"}},
        {"told": {"challenge": "AAAA"}},
        {"told": {"origin": "https://evil.example"}},
        {"told": {"crossOrigin": True}},
        {"rp_id": "evil.example"},
        {"flags": UV},
        {"flags": UP},
        {"counter": 0},
        {"counter": 1},
        {"signature": b"x" * 64},
        {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
        {"id": bytes(range(16))},
        {"more": b"\x00"},
        {"flags": UP | UV | ED, "more": b"\x81" * 4000},
        {"answer": {"rawId": "AAAA"}},
        {"told": b"[" * 4000},
        {"answer": {"response": {"clientDataJSON": None}}},
    ],
    ids=lambda changed: str(changed)[:48],
)
def test_what_is_no_answer_of_the_passkey_lets_nobody_in(holder: Holder, changed: dict[str, Any]) -> None:
    assert holder.sign_in(**changed) == 303


def test_a_question_is_answered_once(holder: Holder, service_urls: list[str]) -> None:
    """Rightly or wrongly: after a wrong answer one begins with the password."""
    options = holder.asked(holder.desk)
    half = holder.desk.token
    refused = holder.desk.post("/console/sign-in", {"passkey": holder.device.got(options, signature=b"x")})
    assert refused.status_code == 401
    holder.desk.token = half
    holder.desk.post("/console/sign-in", {"passkey": holder.device.got(options)})
    assert holder.desk.get("/console").status_code == 303

    options = holder.asked(holder.desk)
    half, answer = holder.desk.token, holder.device.got(options)
    desks = [Desk(service_urls[n % 2]) for n in range(4)]

    def sent(desk: Desk) -> int:
        desk.token = half
        desk.post("/console/sign-in", {"passkey": answer})
        return desk.get("/console").status_code

    with ThreadPoolExecutor() as pool:
        heard = sorted(pool.map(sent, desks))
    assert heard == [200, 303, 303, 303]


def test_a_copy_of_a_passkey_gets_in_once_at_most(holder: Holder, service_urls: list[str]) -> None:
    """Two sessions, two processes, two good answers of the same counter at the same moment."""
    for _ in range(2):
        desks = [Desk(service_urls[n % 2]) for n in range(4)]
        holder.device.counter += 1
        answers = [holder.device.got(holder.asked(desk), counter=holder.device.counter) for desk in desks]

        def sent(place: int, desks: list[Desk] = desks, answers: list[str] = answers) -> int:
            desks[place].post("/console/sign-in", {"passkey": answers[place]})
            return desks[place].get("/console").status_code

        with ThreadPoolExecutor() as pool:
            heard = sorted(pool.map(sent, range(4)))
        assert heard == [200, 303, 303, 303]


def test_an_authenticator_that_does_not_count_gets_in_again_and_again(invited: Callable[..., Holder]) -> None:
    found = invited(counts=False)
    assert found.enrol() == 200
    assert [found.sign_in(), found.sign_in()] == [200, 200]


def test_a_reset_takes_the_passkey_away(invited: Callable[..., Holder], admin_desk: Desk) -> None:
    holder = invited()
    assert holder.enrol() == 200
    options = holder.asked(holder.desk)
    admin_desk.send("/console/operators", f"/console/operators/{holder.name}", action="reset")
    holder.desk.post("/console/sign-in", {"passkey": holder.device.got(options)})
    assert holder.desk.get("/console").status_code == 303


async def test_a_wrong_answer_is_written_down(holder: Holder, redis: Redis) -> None:
    holder.sign_in(signature=b"x")
    entries = [entry for _, entry in await redis.xrevrange("otp:audit", count=30)]
    actor = f"operator:{holder.name}".encode()
    assert next(entry[b"action"] for entry in entries if entry[b"actor"] == actor) == b"operator.refused"
