"""Every operation of the five documents as one call that reads one answer, with the samples that it reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from otp_service.domain.secret import Secret
from otp_service.gateways.base import Outgoing
from otp_service.gateways.http import HttpClient, Reply
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
from otp_service.gateways.targetsms.get import operations
from otp_service.gateways.targetsms.json import cascade, cascade_sending, cascade_states
from otp_service.gateways.targetsms.json.client import JsonApi
from otp_service.gateways.targetsms.password import generation
from otp_service.gateways.targetsms.xml import account, callback, number_info, scheduled, sending, states, stop_list
from otp_service.gateways.targetsms.xml.client import XmlApi
from tests.gateways.kinds import CODE, FIXTURES, LOGIN, PASSWORD, PHONE

MOSCOW = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
IDS = list("12345678")
SECRETS = (Secret(LOGIN), Secret(PASSWORD))


class Answering(HttpClient):
    """In place of the network: every exchange is answered with one body. asked: method, path, content. piece: bytes
    that a list is handed out in.
    """

    piece = 7

    def __init__(self, body: bytes = b"") -> None:
        self.body = body
        self.asked: list[tuple[str, str, bytes]] = []

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float,
        sink: Callable[[bytes], None] | None = None,
    ) -> Reply:
        self.asked[:] = [(method, path, content)]
        if sink is None:
            return Reply(200, self.body)
        for start in range(0, len(self.body), self.piece):
            sink(self.body[start : start + self.piece])
        return Reply(200, b"")

    def xml(self) -> XmlApi:
        return XmlApi(self, *SECRETS)

    def get(self) -> operations.GetApi:
        return operations.GetApi(self, *SECRETS)

    def json(self) -> JsonApi:
        return JsonApi(self, *SECRETS)

    def k(self) -> k.SmskaApi:
        return k.SmskaApi(self, *SECRETS)


@dataclass(frozen=True)
class Operation:
    """samples: names of files under `fixtures/<kind>/`, without their endings."""

    kind: str
    samples: tuple[str, ...]
    call: Callable[[Answering], Awaitable[object]]

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in self.paths()]

    def paths(self) -> list[Path]:
        return [path for name in self.samples for path in (FIXTURES / self.kind).glob(f"{name}.*")]


OUTGOING = Outgoing(PHONE, f"Код {CODE}", "101", NOW + timedelta(minutes=5))
MAILING = [
    sending.Sms("target", "a", [sending.Recipient(PHONE, "1"), sending.Recipient("+79001234568", "2")]),
    sending.Sms("target", "b", [sending.Recipient("+79001234569")] * 8),
]
CASCADES = [
    cascade.Message([cascade.Recipient("+79801234567", "111"), cascade.Recipient("+79800000001", "112")],
                    viber=cascade.Viber(1, "target", "a"), sms=cascade.Sms(2, "target", "a")),
    cascade.Message([cascade.Recipient("+79800000002", "113")], viber=cascade.Viber(1, "target", "b")),
    cascade.Message([cascade.Recipient("+79800000003")], sms=cascade.Sms(1, "target", "c")),
]  # fmt: skip


async def pushed(client: Answering) -> object:
    return callback.read_push(client.body)


async def one_sms(client: Answering) -> object:
    return await sending.send(client.xml(), OUTGOING, sender="target", validity_period="", name_delivery="", seconds=1)


async def made_code(client: Answering) -> object:
    message = Outgoing(PHONE, "Код {код}", "", NOW, code_length=8)
    return await generation.generate(client, *SECRETS, message, sender="target", seconds=1)


REFUSED = ("error_login", "error_unknown")
STATES = ("state",)

OPERATIONS = {
    "P": Operation("targetsms-password", ("accepted", "not_valid_phone", "error_login"), made_code),
    "X3": Operation("targetsms-xml", ("accepted", "held", "already_sent", "error_stop_list", *REFUSED), one_sms),
    "X3 several": Operation(
        "targetsms-xml",
        ("accepted_several", "held", *REFUSED),
        lambda client: sending.send_all(client.xml(), MAILING, MOSCOW, seconds=1),
    ),
    "X4": Operation("targetsms-xml", STATES, lambda client: states.ask(client.xml(), IDS, seconds=1)),
    "X5": Operation("targetsms-xml", ("push",), pushed),
    "X6": Operation("targetsms-xml", ("balance",), lambda client: account.balance(client.xml(), seconds=1)),
    "X7": Operation(
        "targetsms-xml", ("senders", "any_sender"), lambda client: account.senders(client.xml(), seconds=1)
    ),
    "X8": Operation(
        "targetsms-xml",
        ("incoming", "empty"),
        lambda client: incoming.incoming(client.xml(), NOW, None, MOSCOW, seconds=1),
    ),
    "X9": Operation(
        "targetsms-xml", ("number_info",), lambda client: number_info.look_up(client.xml(), [PHONE], seconds=1)
    ),
    "X10": Operation("targetsms-xml", ("bases",), lambda client: bases.bases(client.xml(), seconds=1)),
    "X11": Operation(
        "targetsms-xml", ("bases_edited",), lambda client: bases.edit_bases(client.xml(), delete=["1"], seconds=1)
    ),
    "X12": Operation(
        "targetsms-xml",
        ("subscribers",),
        lambda client: subscribers.subscribers(client.xml(), "1234", 1, None, MOSCOW, seconds=1),
    ),
    "X13": Operation(
        "targetsms-xml",
        ("subscribers_edited", "subscribers_edited_as_printed"),
        lambda client: subscribers.edit_subscribers(client.xml(), "1234", delete=[PHONE], seconds=1),
    ),
    "X14": Operation("targetsms-xml", ("stop_list",), lambda client: stop_list.stop_list(client.xml(), seconds=1)),
    "X15": Operation(
        "targetsms-xml",
        ("stop_list_edited",),
        lambda client: stop_list.edit_stop_list(client.xml(), add=[PHONE], seconds=1),
    ),
    "X16": Operation(
        "targetsms-xml", ("scheduled",), lambda client: scheduled.scheduled(client.xml(), 1, MOSCOW, seconds=1)
    ),
    "X17": Operation(
        "targetsms-xml", ("scheduled_deleted",), lambda client: scheduled.delete_all(client.xml(), ["1"], seconds=1)
    ),
    "X18": Operation(
        "targetsms-xml",
        ("change", "change_obgect", "change_without_base"),
        lambda client: changes.changed_at(client.xml(), changes.Thing.BASE, "1", MOSCOW, seconds=1),
    ),
    "X19": Operation(
        "targetsms-xml",
        ("time", "date_and_time", "date_and_time_glued"),
        lambda client: account.clock_error(client.xml(), NOW.replace(tzinfo=None), seconds=1),
    ),
    "X20": Operation(
        "targetsms-xml",
        ("statistics", "statistics_date", "statistics_operator"),
        lambda client: statistics.statistics(client.xml(), statistics.Filter(), MOSCOW, seconds=1),
    ),
    "X21": Operation("targetsms-xml", ("templates",), lambda client: templates.templates(client.xml(), seconds=1)),
    "X22": Operation(
        "targetsms-xml",
        ("templates_edited",),
        lambda client: templates.edit_templates(client.xml(), delete=["1"], seconds=1),
    ),
    "X23": Operation("targetsms-xml", ("registry",), lambda client: sender_registry.registry(client.xml(), seconds=1)),
    "X24": Operation(
        "targetsms-xml",
        ("registry_edited", "registry_edited_as_printed"),
        lambda client: sender_registry.edit_registry(client.xml(), delete=[("a", None)], seconds=1),
    ),
    "X25": Operation(
        "targetsms-xml",
        ("callback_address", "callback_address_as_printed"),
        lambda client: callback.address(client.xml(), seconds=1),
    ),
    "G1": Operation(
        "targetsms-get",
        ("accepted", "accepted_several", "held", "duplicate", "partly_sent", *REFUSED),
        lambda client: operations.send(client.get(), [PHONE, "+79001234568"], "a", sender="target", seconds=1),
    ),
    "G2": Operation(
        "targetsms-get",
        ("state", "unknown_id", "duplicate"),
        lambda client: operations.state(client.get(), "1179038981", seconds=1),
    ),
    "G3": Operation(
        "targetsms-get",
        ("detailed", "detailed_numbers", "unknown_id"),
        lambda client: operations.detailed_state(client.get(), "1179038981", seconds=1),
    ),
    "G4": Operation(
        "targetsms-get",
        ("balance", "balance_one_line", "error_login"),
        lambda client: operations.balance(client.get(), seconds=1),
    ),
    "J1": Operation(
        "targetsms-json",
        ("accepted_several", "sample_as_printed", "held", *REFUSED),
        lambda client: cascade_sending.send(client.json(), CASCADES, MOSCOW, seconds=1),
    ),
    "J2": Operation(
        "targetsms-json", ("state", "error_login"), lambda client: cascade_states.ask(client.json(), IDS, seconds=1)
    ),
    "K1": Operation(
        "smska",
        ("accepted", "error_phone", "error_unknown"),
        lambda client: k.send(client.k(), PHONE, "a", sender="target", seconds=1),
    ),
    "K2": Operation("smska", ("balance", "error_login"), lambda client: k.balance(client.k(), seconds=1)),
    "K3": Operation("smska", ("state", "error_arguments"), lambda client: k.status(client.k(), "a", seconds=1)),
}
