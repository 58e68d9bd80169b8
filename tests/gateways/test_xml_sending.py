"""X3 with several messages and recipients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.gateways.base import Accepted, GatewayError, Then
from otp_service.gateways.targetsms.xml import sending
from otp_service.gateways.targetsms.xml.sending import Recipient, Sms
from tests.gateways.kinds import KINDS
from tests.gateways.operations import MAILING, MOSCOW, Answering

KIND = KINDS["targetsms-xml"]


def at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=MOSCOW)


async def test_the_sample_of_the_document() -> None:
    """But for what the document calls free: `number_sms`, the blank `time_send`, the second message without a type."""
    client = Answering(KIND.fixture("accepted_several"))
    messages = [
        Sms(
            "Отправитель 1",
            "Текст сообщения1",
            [
                Recipient("+79001234567", "101", at("2020-03-31 12:34"), at("2020-03-31 15:34")),
                Recipient("+79001234568", "102", at("2020-03-31 12:35:59")),
                Recipient("+79001234569", "110"),
            ],
            translite=True,
            name_delivery="Рассылка 1",
        ),
        Sms("Отправитель 2", "Текст\nсообщения2", [Recipient("+79001234567")]),
    ]

    await sending.send_all(client.xml(), messages, MOSCOW, seconds=1)

    ((method, path, content),) = client.asked
    assert (method, path) == ("POST", "/xml/")
    assert content.decode().partition("</security>")[2] == (
        '<message type="sms"><sender>Отправитель 1</sender><text>Текст сообщения1</text>'
        "<translite>1</translite><name_delivery>Рассылка 1</name_delivery>"
        '<abonent phone="79001234567" number_sms="1" client_id_sms="101" time_send="2020-03-31 12:34"'
        ' validity_period="2020-03-31 15:34" />'
        '<abonent phone="79001234568" number_sms="2" client_id_sms="102" time_send="2020-03-31 12:35" />'
        '<abonent phone="79001234569" number_sms="3" client_id_sms="110" />'
        '</message><message type="sms"><sender>Отправитель 2</sender><text>Текст\\nсообщения2</text>'
        '<abonent phone="79001234567" number_sms="4" /></message></request>'
    )


async def test_times_are_written_in_the_zone_of_the_account() -> None:
    client = Answering(KIND.fixture("accepted_several"))
    late = datetime(2026, 3, 1, 21, 30, tzinfo=UTC)

    await sending.send_all(client.xml(), [Sms("a", "b", [Recipient("+1", "", late, late)])], MOSCOW, seconds=1)

    assert b'time_send="2026-03-02 00:30" validity_period="2026-03-02 00:30"' in client.asked[0][2]


async def test_answers_find_their_recipients_in_any_order() -> None:
    client = Answering(KIND.fixture("accepted_several"))

    sent = await sending.send_all(client.xml(), MAILING, MOSCOW, seconds=1)

    assert [each.phone for each in sent[:3]] == ["+79001234567", "+79001234568", "+79001234569"]
    assert [each.client_id for each in sent[:3]] == ["1", "2", ""]
    assert sent[0].outcome == Accepted("2856677675", parts=2)
    assert sent[9].outcome == Accepted("2856677677", parts=1)
    for number, expected in {1: (Reason.STOP_LIST, Then.STOP), 2: (Reason.BROKEN_ANSWER, Then.UNCLEAR)}.items():
        refusal = sent[number].outcome
        assert isinstance(refusal, GatewayError)
        assert (refusal.reason, refusal.then) == expected
        assert refusal.__traceback__ is None


async def test_what_goes_out_later_is_scheduled() -> None:
    client = Answering(KIND.fixture("accepted"))
    soon, past = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)

    for time_send, status in {soon: MessageStatus.SCHEDULED, past: MessageStatus.ACCEPTED}.items():
        recipients = [Recipient("+79001234567", "1", time_send)]
        (sent,) = await sending.send_all(client.xml(), [Sms("a", "b", recipients)], MOSCOW, seconds=1)
        assert sent.outcome == Accepted("2856677675", status, parts=2)
