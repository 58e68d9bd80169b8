"""`/_sim`: what a test or a curious person can see and change. JSON; mistakes are 400 or 404 with a sentence."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from otp_service.sandbox.accounts import Account, Provider
from otp_service.sandbox.callbacks import Callbacks
from otp_service.sandbox.control_cabinet import decide_registry, receive_incoming
from otp_service.sandbox.control_scenario import begin_scenario, end_scenario, list_scenarios
from otp_service.sandbox.faults import CONTENT_FAULTS, Fault
from otp_service.sandbox.gateways import OPERATIONS
from otp_service.sandbox.messages import Channel, Message
from otp_service.sandbox.reports import Post
from otp_service.sandbox.state import Asked, Sandbox

NAMES = ["*", *(operation.name for operation in OPERATIONS)]


Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


class MessageView(Struct):
    """A message as `GET /_sim/messages` shows it, with its text, so that an end-to-end test can read the code."""

    id: str
    gateway: str
    login: str
    phone: str
    sender: str
    text: str
    status: str
    parts: int
    price: str
    client_id: str
    created_at: datetime
    sent_at: datetime | None
    status_at: datetime | None
    arrives_at: datetime | None
    """When the phone has it, be it in the future; null: never, or not known yet."""
    channel: Channel
    name_delivery: str
    id_message: str
    """Of J; empty if another gateway sent it."""
    button_text: str
    button_url: str
    image_url: str
    """Of a Viber message, otherwise empty."""
    subject: str = ""
    html: str = ""
    """Of a mail, otherwise empty."""


class FaultView(Struct):
    """left: for how many requests still; null: until deleted."""

    fault: Fault
    left: int | None


class Advance(Struct, forbid_unknown_fields=True):
    seconds: Annotated[float, Meta(ge=0, le=10 * 366 * 86400)]


class Now(Struct):
    now: datetime


def view_message(sandbox: Sandbox, message: Message) -> MessageView:
    status, status_at = message.status_at(sandbox.clock.now())
    return MessageView(
        id=message.id,
        gateway=message.gateway,
        login=message.account[1],
        phone=message.phone,
        sender=message.sender,
        text=message.text,
        status=status,
        parts=message.parts,
        price=str(message.price),
        client_id=message.client_id,
        created_at=message.taken_at,
        sent_at=message.sent_at,
        status_at=status_at,
        arrives_at=message.arrives_at,
        channel=message.channel,
        name_delivery=message.name_delivery,
        id_message=message.cascade,
        button_text=message.viber.button_text if message.viber else "",
        button_url=message.viber.button_url if message.viber else "",
        image_url=message.viber.image_url if message.viber else "",
        subject=message.subject,
        html=message.html,
    )


def view_faults(sandbox: Sandbox) -> list[FaultView]:
    return [FaultView(fault, left) for fault, left in sandbox.faults.list()]


@get("/messages", sync_to_thread=False)
def list_messages(
    sandbox: NamedDependency[Sandbox], phone: FromQuery[str] = "", limit: Limit = 100
) -> list[MessageView]:
    """Newest first; the phone is compared by its digits."""
    return [view_message(sandbox, message) for message in sandbox.newest(phone, limit)]


@post("/accounts/{login:str}", status_code=200, sync_to_thread=False)
def change_account(
    sandbox: NamedDependency[Sandbox],
    login: FromPath[str],
    data: JSONBody[dict[str, Any]],
    provider: FromQuery[Provider] = "targetsms",
) -> dict[str, Any]:
    """Change any field of the account (`accounts.py`) but its name; answers the account without its password."""
    account = sandbox.accounts.get((provider, login))
    if account is None:
        raise NotFoundException(f"There is no {provider} account {login!r}.")
    if forbidden := {"login", "provider"} & data.keys():
        raise ClientException(f"{', '.join(sorted(forbidden))} cannot be changed.")
    try:
        changed = msgspec.convert(msgspec.to_builtins(account) | data, Account)
    except msgspec.ValidationError as error:
        raise ClientException(str(error)) from error
    sandbox.change(changed)
    shown: dict[str, Any] = msgspec.to_builtins(changed)
    del shown["password"]
    return shown


@post("/faults", sync_to_thread=False)
def add_fault(sandbox: NamedDependency[Sandbox], data: JSONBody[Fault]) -> list[FaultView]:
    if data.gateway not in NAMES:
        raise ClientException(f"There is no gateway {data.gateway!r}; known: {', '.join(NAMES)}.")
    if not any(data.concerns(name) for name in NAMES[1:]):
        raise ClientException(f"{data.fault} concerns {', '.join(CONTENT_FAULTS[data.fault])} only.")
    sandbox.faults.add(data)
    return view_faults(sandbox)


@get("/faults", sync_to_thread=False)
def list_faults(sandbox: NamedDependency[Sandbox]) -> list[FaultView]:
    return view_faults(sandbox)


@delete("/faults", sync_to_thread=False)
def clear_faults(sandbox: NamedDependency[Sandbox]) -> None:
    sandbox.faults.clear()


@get("/requests", sync_to_thread=False)
def list_requests(sandbox: NamedDependency[Sandbox], operation: FromQuery[str] = "") -> list[Asked]:
    """What the gateways were asked, newest first: the last 10,000 requests."""
    return [asked for asked in reversed(sandbox.requests) if operation in ("", asked.operation)]


@get("/callbacks", sync_to_thread=False)
def list_callbacks(sandbox: NamedDependency[Sandbox]) -> list[Post]:
    """What was posted to clients (X5), newest first: the last 1,000 POSTs."""
    return list(reversed(sandbox.posts))


@post("/clock/advance", status_code=200)
async def advance_clock(
    sandbox: NamedDependency[Sandbox], callbacks: NamedDependency[Callbacks], data: JSONBody[Advance]
) -> Now:
    """Answers when the reports that became due by it were posted (X5)."""
    sandbox.clock.advance(data.seconds)
    await callbacks.send_due()
    return Now(sandbox.clock.now())


@post("/reset", status_code=204, sync_to_thread=False)
def reset(sandbox: NamedDependency[Sandbox]) -> None:
    """Messages, requests, faults, scenarios, accounts and the clock as at the start; ids and random numbers go on."""
    sandbox.reset()


control = Router(
    "/_sim",
    route_handlers=[
        list_messages,
        change_account,
        receive_incoming,
        decide_registry,
        add_fault,
        list_faults,
        clear_faults,
        begin_scenario,
        list_scenarios,
        end_scenario,
        list_requests,
        list_callbacks,
        advance_clock,
        reset,
    ],
)
