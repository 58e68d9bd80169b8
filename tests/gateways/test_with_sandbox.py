"""The clients read what the sandbox writes, family by family, over HTTP; and the families agree with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.secret import Secret
from otp_service.gateways.base import Accepted, GatewayError, Outgoing
from otp_service.gateways.http import HttpClient
from otp_service.gateways.smska import api as k
from otp_service.gateways.targetsms.cabinet import (
    bases,
    changes,
    incoming,
    sender_registry,
    statistics,
    subscribers,
    templates,
)
from otp_service.gateways.targetsms.cabinet.sender_registry import Approval, Operator
from otp_service.gateways.targetsms.cabinet.subscribers import Gender, Subscriber
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.json import cascade, cascade_sending, cascade_states
from otp_service.gateways.targetsms.json.client import JsonApi
from otp_service.gateways.targetsms.password import generation
from otp_service.gateways.targetsms.xml import account, callback, number_info, scheduled, sending, states, stop_list
from otp_service.gateways.targetsms.xml.answers import Done, Edited
from otp_service.gateways.targetsms.xml.client import XmlApi
from tests.api import Gateways
from tests.gateways.operations import MOSCOW
from tests.gateways.stub import Request, Stub

LOGIN = (Secret("demo"), Secret("demo-password"))
PHONE, SECOND = "+79161234567", "+380441234567"
SECONDS = 5.0


@dataclass
class Clients:
    http: HttpClient
    xml: XmlApi
    get: operations.GetApi
    json: JsonApi
    k: k.SmskaApi
    sandbox: Gateways

    async def advance(self, seconds: float) -> None:
        assert (await self.sandbox.http.post("/_sim/clock/advance", json={"seconds": seconds})).status_code == 200


@pytest.fixture
async def clients(sandbox_process: str, gateways: Gateways) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        http = HttpClient(sandbox_process)
        stack.push_async_callback(http.close)
        yield Clients(
            http,
            XmlApi(http, *LOGIN),
            operations.GetApi(http, *LOGIN),
            JsonApi(http, *LOGIN),
            k.SmskaApi(http, *LOGIN),
            gateways,
        )


def now() -> datetime:
    return datetime.now(UTC)


async def send_sms(clients: Clients, *recipients: sending.Recipient, text: str = "Код 1") -> list[Accepted]:
    sent = await sending.send_all(clients.xml, [sending.Sms("DEMO", text, recipients)], MOSCOW, seconds=SECONDS)
    outcomes = [each.outcome for each in sent]
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, Accepted)]


# TargetSMS XML


async def test_sending(clients: Clients) -> None:
    """X3: translite, repeat by client id, refusal of one among several."""
    to = [sending.Recipient(PHONE, "101"), sending.Recipient("+79161234500", "102"), sending.Recipient(PHONE, "101")]
    message = sending.Sms("DEMO", "Код", to, translite=True, name_delivery="Рассылка")

    first, refused, again = await sending.send_all(clients.xml, [message], MOSCOW, seconds=SECONDS)

    assert isinstance(first.outcome, Accepted)
    assert first.outcome == again.outcome
    assert isinstance(refused.outcome, GatewayError)
    assert refused.outcome.reason is Reason.STOP_LIST
    (arrived,) = await clients.sandbox.messages(PHONE)
    assert (arrived["id"], arrived["name_delivery"]) == (first.outcome.provider_id, "Рассылка")
    assert arrived["text"].isascii()


async def test_states_in_one_request(clients: Clients) -> None:
    """X4 and the fates of the sandbox's phones."""
    fates = {
        "02": MessageStatus.ACCEPTED,
        "03": MessageStatus.UNDELIVERED,
        "04": MessageStatus.EXPIRED,
        "05": MessageStatus.UNKNOWN,
        "09": MessageStatus.DELIVERED,
        "20": MessageStatus.DELIVERED,
    }
    sent = await send_sms(clients, *(sending.Recipient(f"+791612345{ending}") for ending in fates))
    await clients.advance(3)

    found = await states.ask(clients.xml, [*(each.provider_id for each in sent), "1"], seconds=SECONDS)

    assert [each.status for each in found] == list(fates.values())
    assert {(each.parts, each.price) for each in found} == {(1, Decimal(1))}
    assert all(bool(each.changed_at) == each.status.final for each in found)


async def test_account(clients: Clients) -> None:
    """X6, with the worked example of the document; X7; X19."""
    await clients.sandbox.account(money="10")
    assert (await account.balance(clients.xml, seconds=SECONDS)).sms == {"Россия": 10, "Украина": 5}
    await send_sms(clients, sending.Recipient(PHONE), sending.Recipient(PHONE))
    assert await account.balance(clients.xml, seconds=SECONDS) == account.Balance(
        Decimal(8), "RUR", {"Россия": Decimal(8), "Украина": Decimal(4)}
    )

    names = await account.senders(clients.xml, seconds=SECONDS)
    assert names.states == {
        "target": account.SenderState.COMPLETED,
        "DEMO": account.SenderState.COMPLETED,
        "NEW": account.SenderState.ORDER,
    }

    for with_date in (True, False):
        await clients.sandbox.account(time_with_date=with_date, utc_offset_hours=7)
        local = datetime.now(MOSCOW).replace(tzinfo=None)
        ahead = await account.clock_error(clients.xml, local, seconds=SECONDS)
        assert abs(ahead - timedelta(hours=4)) < timedelta(seconds=5)


async def test_incoming(clients: Clients) -> None:
    """X8."""
    began = now() - timedelta(seconds=5)
    text = "АКЦИЯ да <&> 😀"
    sms = {"originator": "79161234567", "phone": "3443", "prefix": "АКЦИЯ", "text": text}
    assert (await clients.sandbox.http.post("/_sim/incoming", json=sms)).is_success

    (found,) = await incoming.incoming(clients.xml, began, None, MOSCOW, seconds=SECONDS)

    assert (found.phone, found.to, found.prefix, found.text) == (PHONE, "3443", "АКЦИЯ", text)
    assert found.received_at is not None
    assert abs(found.received_at - now()) < timedelta(seconds=10)
    assert await incoming.incoming(clients.xml, began, began + timedelta(1e-5), MOSCOW, seconds=SECONDS) == []


async def test_number_info(clients: Clients) -> None:
    """X9."""
    found = await number_info.look_up(clients.xml, [PHONE, "+15551234567"], seconds=SECONDS)

    assert [(each.phone, each.operator) for each in found] == [(PHONE, "МТС"), ("+15551234567", "")]


async def test_bases_and_subscribers(clients: Clients) -> None:
    """X10 to X13 and X18."""
    greeting = bases.Base("", "Офис", "Поздравляем <всех> & каждого", time(12, 48), True, 1, "DEMO", True)
    ((key, done, number),) = [
        astuple(each) for each in await bases.edit_bases(clients.xml, [greeting], seconds=SECONDS)
    ]
    assert (done, number) == (Done.INSERT, 1)
    greeting = replace(greeting, id=key, days_before=2)
    assert await bases.edit_bases(clients.xml, [greeting], ["1"], seconds=SECONDS) == [
        Edited(key, Done.EDIT),
        Edited("1", Done.NOT_FOUND),
    ]
    assert await bases.bases(clients.xml, seconds=SECONDS) == [greeting]

    person = Subscriber(PHONE, "Москва", "МТС", "Анна", "<&>", "", date(1988, 8, 28), Gender.FEMALE, ("1", "", "3"))
    others = [Subscriber(f"+7916123{number:04}") for number in range(60)]
    edited = await subscribers.edit_subscribers(clients.xml, key, [person, *others], [SECOND], seconds=SECONDS)
    assert edited[0] == Edited(PHONE, Done.INSERT, 1)
    assert edited[-1] == Edited(SECOND, Done.NOT_FOUND, 62)
    again = await subscribers.edit_subscribers(clients.xml, key, [person], [others[0].phone], seconds=SECONDS)
    assert [each.done for each in again] == [Done.EDIT, Done.DELETE]
    first, last = [
        await subscribers.subscribers(clients.xml, key, page, None, MOSCOW, seconds=SECONDS) for page in (1, 2)
    ]
    assert (first.number, first.pages, len(first.items), len(last.items)) == (1, 2, 50, 10)
    read = first.items[0]
    assert replace(read, changed_at=None) == replace(person, additions=("1", "", "3", "", ""))
    assert read.changed_at is not None
    later = await subscribers.subscribers(clients.xml, key, 1, now() + timedelta(hours=1), MOSCOW, seconds=SECONDS)
    assert later.items == []

    changed = await changes.changed_at(clients.xml, changes.Thing.BASE, key, MOSCOW, seconds=SECONDS)
    assert changed is not None
    assert abs(changed - now()) < timedelta(seconds=10)
    with pytest.raises(GatewayError) as caught:
        await subscribers.subscribers(clients.xml, "1", 1, None, MOSCOW, seconds=SECONDS)
    assert caught.value.text == "Базы с таким номером не существует"
    assert [each.done for each in await bases.edit_bases(clients.xml, delete=[key], seconds=SECONDS)] == [Done.DELETE]
    assert await bases.bases(clients.xml, seconds=SECONDS) == []


async def test_stop_list(clients: Clients) -> None:
    """X14, X15, X18; a send to a listed phone is refused."""
    stop = changes.Thing.STOP_LIST
    assert await changes.changed_at(clients.xml, stop, "", MOSCOW, seconds=SECONDS) is None
    assert await stop_list.stop_list(clients.xml, seconds=SECONDS) == []
    assert await stop_list.edit_stop_list(clients.xml, [PHONE], [SECOND], seconds=SECONDS) == [
        Edited(PHONE, Done.ADD),
        Edited(SECOND, Done.NOT_FOUND),
    ]
    assert await stop_list.stop_list(clients.xml, seconds=SECONDS) == [PHONE]
    assert await changes.changed_at(clients.xml, stop, "", MOSCOW, seconds=SECONDS) is not None
    with pytest.raises(GatewayError) as caught:
        await operations.send(clients.get, [PHONE], "a", sender="DEMO", seconds=SECONDS)
    assert caught.value.reason is Reason.STOP_LIST
    deleted = await stop_list.edit_stop_list(clients.xml, delete=[PHONE], seconds=SECONDS)
    assert deleted == [Edited(PHONE, Done.DELETE)]


async def test_scheduled(clients: Clients) -> None:
    """X16 and X17."""
    at = (now() + timedelta(hours=1)).replace(second=0, microsecond=0)
    until = at + timedelta(minutes=5)
    (sent,) = await send_sms(clients, sending.Recipient(PHONE, "", at, until), text="Код\n<1> & 😀")
    assert sent.status is MessageStatus.SCHEDULED

    page = await scheduled.scheduled(clients.xml, 1, MOSCOW, seconds=SECONDS)

    (found,) = page.items
    assert (page.number, page.pages, found.id, found.phone, found.sender) == (1, 1, sent.provider_id, PHONE, "DEMO")
    assert (found.type, found.text, found.parts) == (scheduled.SmsType.SMS, "Код\n<1> & 😀", sent.parts)
    assert (found.send_at, found.valid_until) == (at, until)
    assert await scheduled.delete_all(clients.xml, [sent.provider_id, "1"], seconds=SECONDS) == [
        Edited(sent.provider_id, Done.DELETE),
        Edited("1", Done.NOT_FOUND),
    ]
    assert not await scheduled.delete(clients.xml, sent.provider_id, seconds=SECONDS)


async def test_statistics(clients: Clients) -> None:
    """X20."""
    (sent,) = await send_sms(clients, sending.Recipient(PHONE), text="ы" * 100)
    await clients.advance(3)

    found = await statistics.statistics(clients.xml, statistics.Filter(), MOSCOW, seconds=SECONDS)

    assert [(row.id, row.part, row.parts, row.price) for row in found.rows] == [
        (sent.provider_id, 1, 2, Decimal(1)),
        (sent.provider_id, 2, 2, Decimal(1)),
    ]
    row = found.rows[0]
    assert (row.phone, row.operator, row.status) == ("7916123****", "МТС", MessageStatus.DELIVERED)
    assert "".join(row.text for row in found.rows) == "ы" * 100
    none = statistics.Filter(state=statistics.FinalState.EXPIRED, phone=PHONE, operator="МТС", sender="DEMO")
    assert (await statistics.statistics(clients.xml, none, MOSCOW, seconds=SECONDS)).rows == []
    with pytest.raises(GatewayError) as caught:
        await statistics.statistics(clients.xml, statistics.Filter(operator="AT&T"), MOSCOW, seconds=SECONDS)
    assert caught.value.text == "Такой оператор не обнаружен"


async def test_templates(clients: Clients) -> None:
    """X21 and X22."""
    template = templates.Template("", "Заголовок", "Код <1> & 😀")
    (added,) = await templates.edit_templates(clients.xml, [template], seconds=SECONDS)
    assert (added.done, added.number) == (Done.INSERT, 1)
    template = replace(template, id=added.key)
    same = [template, replace(template, text="Новый")]
    edited = await templates.edit_templates(clients.xml, same, ["1"], seconds=SECONDS)
    assert [each.done for each in edited] == [Done.NOT_EDIT, Done.EDIT, Done.NOT_FOUND]
    assert await templates.templates(clients.xml, seconds=SECONDS) == [same[1]]
    deleted = await templates.edit_templates(clients.xml, delete=[added.key], seconds=SECONDS)
    assert deleted == [Edited(added.key, Done.DELETE)]


async def test_sender_registry(clients: Clients) -> None:
    """X23 and X24."""
    add = [sender_registry.Application("НОВОЕ", each, "ИП Иванов", "7700") for each in (Operator.MTS, Operator.TELE2)]
    entered = await sender_registry.edit_registry(clients.xml, add, [("Нет", None)], seconds=SECONDS)
    assert [(each.operator, each.done, each.error) for each in entered] == [
        ("mts", Done.ADD, ""),
        ("tele2", Done.ADD, ""),
        ("", Done.NOT_FOUND, "Имя отправителя не обнаружено"),
    ]
    approved = {"originator": "НОВОЕ", "operator": "mts", "status": "approval"}
    assert (await clients.sandbox.http.post("/_sim/registry", json=approved)).is_success

    found = await sender_registry.registry(clients.xml, sender="НОВОЕ", seconds=SECONDS)

    assert [(each.operator, each.approval) for each in found] == [
        ("mts", Approval.APPROVED),
        ("tele2", Approval.POSTED),
    ]
    assert (found[0].legal_entity, found[0].inn, found[0].approval_text) == ("ИП Иванов", "7700", "Согласовано")
    await sender_registry.edit_registry(clients.xml, delete=[("НОВОЕ", Operator.MTS)], seconds=SECONDS)
    (left,) = await sender_registry.registry(clients.xml, Operator.MTS, seconds=SECONDS)
    assert left.approval is Approval.DELETION_POSTED


async def test_callback(clients: Clients, stub: Stub) -> None:
    """X25 and X5: what we acknowledge comes once, what we do not comes again."""
    pushed: list[list[str]] = []

    def acknowledged_at_the_second_time(request: Request) -> bytes:
        pushed.append([each.provider_id for each in callback.read_push(request.body)])
        return callback.acknowledgement(pushed[-1] if len(pushed) > 1 else [])

    stub.answer_of = acknowledged_at_the_second_time
    assert await callback.address(clients.xml, seconds=SECONDS) == ""
    assert await callback.set_address(clients.xml, f"{stub.url}/a?b=1&c", seconds=SECONDS) == f"{stub.url}/a?b=1&c"
    sent = await send_sms(clients, sending.Recipient(PHONE), sending.Recipient(SECOND))

    for _ in range(4):
        await clients.advance(40)

    ids = {each.provider_id for each in sent}
    assert [set(each) for each in pushed] == [ids, ids]
    assert {request.path for request in stub.read} == {"/a?b=1&c"}


async def test_password(clients: Clients) -> None:
    """P."""
    message = Outgoing(PHONE, "Код {код}", "", now(), code_length=6)

    accepted = await generation.generate(clients.http, *LOGIN, message, sender="target", seconds=SECONDS)

    (arrived,) = await clients.sandbox.messages(PHONE)
    assert (arrived["id"], arrived["text"]) == (accepted.provider_id, f"Код {accepted.code}")


# TargetSMS GET and JSON, sms-ka


async def test_get(clients: Clients) -> None:
    """G1 to G4, and the minute."""
    sent = await operations.send(clients.get, [PHONE, SECOND], "Код", sender="DEMO", seconds=SECONDS)
    again = await operations.send(clients.get, [PHONE, SECOND], "Код", sender="DEMO", seconds=SECONDS)
    assert again == [Accepted("", earlier=True), Accepted("", earlier=True)]
    await clients.advance(3)

    words = [await operations.state(clients.get, each.provider_id, seconds=SECONDS) for each in sent]
    details = [await operations.detailed_state(clients.get, each.provider_id, seconds=SECONDS) for each in sent]

    assert [each and each.status for each in words] == [MessageStatus.DELIVERED] * 2
    assert details == await states.ask(clients.xml, [each.provider_id for each in sent], seconds=SECONDS)
    assert await operations.state(clients.get, "1", seconds=SECONDS) is None
    assert await operations.detailed_state(clients.get, "1", seconds=SECONDS) is None
    with pytest.raises(GatewayError) as caught:
        await operations.state(clients.get, "1", seconds=SECONDS)
    assert caught.value.reason is Reason.THROTTLED
    left = await operations.balance(clients.get, seconds=SECONDS)
    assert left == await account.balance(clients.xml, seconds=SECONDS)
    assert left.money == 1_000_000 - 3


async def test_json(clients: Clients) -> None:
    """J1 and J2: several messages, a cascade that ends with an SMS, a repeat."""
    await clients.sandbox.account(any_originator=True)
    viber = cascade.Viber(1, "Brand", "Код", "Открыть", "https://a.ru", "https://a.ru/b.png", validity_minutes=1)
    unread, to = "+79161234507", [cascade.Recipient(PHONE, "101"), cascade.Recipient("+79161234500", "102")]
    messages = [
        cascade.Message(to, viber=viber, name_delivery="Рассылка"),
        cascade.Message(
            [cascade.Recipient(unread, "103")],
            viber=replace(viber, read_is_final=True),
            sms=cascade.Sms(2, "DEMO", "ы" * 100),
        ),
    ]

    sent = await cascade_sending.send(clients.json, messages, MOSCOW, seconds=SECONDS)
    (again,) = await cascade_sending.send(
        clients.json, [replace(messages[0], recipients=to[:1])], MOSCOW, seconds=SECONDS
    )
    await clients.advance(61)
    await clients.advance(3)

    first, refused, second = sent
    assert isinstance(first.outcome, Accepted)
    assert isinstance(second.outcome, Accepted)
    assert isinstance(refused.outcome, GatewayError)
    assert (again.outcome, again.viber_id) == (first.outcome, first.viber_id)
    assert refused.outcome.reason is Reason.STOP_LIST
    ids = [first.outcome.provider_id, second.outcome.provider_id, "1"]
    by_viber, by_sms = await cascade_states.ask(clients.json, ids, seconds=SECONDS)
    assert (by_viber.status, by_viber.viber, by_viber.sms) == (MessageStatus.DELIVERED, MessageStatus.DELIVERED, None)
    assert (by_viber.sms_parts, by_viber.viber_price) == (0, Decimal("0.5"))
    assert (by_sms.status, by_sms.sms, by_sms.sms_parts) == (MessageStatus.DELIVERED, MessageStatus.DELIVERED, 2)
    assert (by_sms.sms_price, by_sms.viber_price) == (Decimal(2), Decimal("0.5"))


async def test_sms_ka(clients: Clients) -> None:
    """K1 to K3, each code of a status that the sandbox can give."""
    fates = {"20": "4", "03": "6", "04": "7", "06": "5", "02": "3"}
    before = await k.balance(clients.k, seconds=SECONDS)
    sent = [
        await k.send(clients.k, f"+791612345{ending}", "Код 1&2=3 +\n", sender="DEMO", seconds=SECONDS)
        for ending in fates
    ]
    await clients.advance(3)

    found = [await k.status(clients.k, each.provider_id, seconds=SECONDS) for each in sent]

    assert [each and each.provider_code for each in found] == list(fates.values())
    assert [each and each.status for each in found] == [k.STATUSES[code] for code in fates.values()]
    assert before - await k.balance(clients.k, seconds=SECONDS) == len(fates)
    assert await k.status(clients.k, "0" * 17, seconds=SECONDS) is None


# The families agree

LETTERS = st.sampled_from("абвёЯ ABCxyz0189.,!?\"'<>&;#%+=/@\n€^[]~é😀👍🏽—«»")
TEXTS = st.text(LETTERS, min_size=1, max_size=130).filter(str.strip)
PHONES = st.builds("{}{:09}".format, st.sampled_from(["+79", "+380"]), st.integers(0, 10**9 - 1))
SENDERS = st.text(st.sampled_from("ABCabcЖю019 ._-&<>\"'"), min_size=1, max_size=11).filter(str.strip)


async def by_xml(clients: Clients, phone: str, sender: str, text: str) -> Accepted:
    message = Outgoing(phone, text, "", now())
    return await sending.send(
        clients.xml, message, sender=sender, validity_period="", name_delivery="", seconds=SECONDS
    )


async def by_get(clients: Clients, phone: str, sender: str, text: str) -> Accepted:
    (accepted,) = await operations.send(clients.get, [phone], text, sender=sender, seconds=SECONDS)
    return accepted


async def by_json(clients: Clients, phone: str, sender: str, text: str) -> Accepted:
    """Under the id of its SMS, by which the other interfaces know it."""
    message = cascade.Message([cascade.Recipient(phone)], sms=cascade.Sms(1, sender, text))
    (sent,) = await cascade_sending.send(clients.json, [message], MOSCOW, seconds=SECONDS)
    if isinstance(sent.outcome, GatewayError):
        raise sent.outcome
    (state,) = await cascade_states.ask(clients.json, [sent.outcome.provider_id], seconds=SECONDS)
    assert state.sms_parts == sent.outcome.parts
    return replace(sent.outcome, provider_id=sent.sms_id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, phone=PHONES, sender=SENDERS)
async def test_agreement(clients: Clients, text: str, phone: str, sender: str) -> None:
    """One SMS, sent three ways: parts, charge, id and state are the same in X4, G2, G3, J2 and the balance."""
    await clients.advance(61)  # so that nothing is an identical request within a minute
    await clients.sandbox.account(any_originator=True, money="1000000")
    refusals, charges, sent = set(), set(), []
    for send in (by_xml, by_get, by_json):
        before = await account.balance(clients.xml, seconds=SECONDS)
        try:
            sent.append(await send(clients, phone, sender, text))
        except GatewayError as error:
            refusals.add((error.reason, error.then))
        charges.add(before.money - (await account.balance(clients.xml, seconds=SECONDS)).money)
    assert len(charges) == 1
    if refusals:
        assert (len(refusals), sent, charges) == (1, [], {0})
        return
    await clients.advance(3)

    ids = [each.provider_id for each in sent]
    by_x4 = await states.ask(clients.xml, ids, seconds=SECONDS)
    by_g2 = [await operations.state(clients.get, each, seconds=SECONDS) for each in ids]
    by_g3 = [await operations.detailed_state(clients.get, each, seconds=SECONDS) for each in ids]

    assert len(set(ids)) == 3
    assert by_x4 == by_g3
    assert [each.provider_id for each in by_x4] == ids
    assert {each.status for each in by_x4} == {each.status for each in by_g2 if each}
    ((parts, price),) = {(each.parts, each.price) for each in by_x4}
    assert price is not None
    assert charges == {parts * price}
    assert {sent[0].parts, sent[2].parts} == {parts}
    assert [message["text"] for message in (await clients.sandbox.messages(phone))[:3]] == [text] * 3
    assert len({message["sender"] for message in (await clients.sandbox.messages(phone))[:3]}) == 1
