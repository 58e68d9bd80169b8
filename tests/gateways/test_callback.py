"""X5: states that the gateway, or anyone else, pushes to us."""

from __future__ import annotations

import pytest

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Delivery, GatewayError
from otp_service.gateways.targetsms.xml.callback import MAX_BYTES, MAX_STATES, acknowledgement, read_push
from tests.gateways.kinds import KINDS

PUSH = KINDS["targetsms-xml"].fixture("push")


def push(*states: str) -> bytes:
    return f"<request>{''.join(states)}</request>".encode()


def state(provider_id: str, word: str = "deliver", time: str = "2020-01-01 12:57:46") -> str:
    return f'<state id_sms="{provider_id}" time="{time}">{word}</state>'


def test_the_sample() -> None:
    assert read_push(PUSH) == [
        Delivery("3234", MessageStatus.DELIVERED, "2020-01-01 12:57:46"),
        Delivery("3235", MessageStatus.ACCEPTED),
    ]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("send", MessageStatus.ACCEPTED),
        ("not_deliver", MessageStatus.UNDELIVERED),
        ("expired", MessageStatus.EXPIRED),
        ("deliver", MessageStatus.DELIVERED),
        ("partly_deliver", MessageStatus.UNKNOWN),
        ("read", MessageStatus.DELIVERED),
        ("teleported", MessageStatus.ACCEPTED),
        ("Что-то новое", MessageStatus.ACCEPTED),
        ("", MessageStatus.ACCEPTED),
    ],
)
def test_words(word: str, status: MessageStatus) -> None:
    """What nobody knows changes nothing and is still acknowledged, so that it does not come five times."""
    (found,) = read_push(push(state("1", word)))

    assert (found.provider_id, found.status) == ("1", status)


@pytest.mark.parametrize("hostile", ["", "1 2", "&lt;script&gt;", "1" * 65, "../1", "٣", "1&#10;"])
def test_states_without_a_usable_id_are_left_out(hostile: str) -> None:
    assert [found.provider_id for found in read_push(push(state(hostile), state("2")))] == ["2"]


def test_9_a_thousand_states_fit() -> None:
    states = [state(f"{10**18 + number}", "partly_deliver") for number in range(1000)]
    spaced = "<request>" + "".join(f"  {each}\r\n" for each in states) + "</request>"

    assert 64 * 1024 < len(spaced) <= MAX_BYTES
    assert len(read_push(spaced.encode())) == 1000


def test_times_are_checked() -> None:
    assert [found.changed_at for found in read_push(push(state("1", time="now"), state("2", time="")))] == ["", ""]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"<request>",
        b"<response><state id_sms='1'>deliver</state></response>",
        b"<!DOCTYPE request><request/>",
        b'<!DOCTYPE r [<!ENTITY a "deliver">]>' + push(state("1", "&a;")),
        b'<?xml version="1.0"?><!DOCTYPE r SYSTEM "file:///etc/passwd">' + push(state("1")),
        push(state("1")) + b" " * MAX_BYTES,
        push(*["<state/>"] * (MAX_STATES + 1)),
        b"<request>" + b"<a>" * 20_000,
        b"id_sms=1&state=deliver",
        b'{"state": "deliver"}',
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_push(body)

    assert caught.value.reason is Reason.BROKEN_ANSWER
    assert caught.value.__context__ is None


def test_an_empty_push_has_no_states() -> None:
    assert read_push(b"<request/>") == []


def test_the_largest_push() -> None:
    states = [state(str(number), "read", "") for number in range(MAX_STATES)]

    assert len(read_push(push(*states))) == MAX_STATES


def test_windows_1251_and_a_byte_order_mark() -> None:
    body = push(state("1", "Статус")).decode()

    assert read_push(body.encode("windows-1251")) == read_push(b"\xef\xbb\xbf" + body.encode())


def test_the_acknowledgement() -> None:
    assert acknowledgement(["3234", "3235"]).decode() == (
        '<?xml version="1.0" encoding="utf-8"?><response><id_sms>3234</id_sms><id_sms>3235</id_sms></response>'
    )
    assert acknowledgement([]) == b'<?xml version="1.0" encoding="utf-8"?><response />'
