"""What happens to a message once it is taken: money, holding, dispatch. Same for every gateway."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from otp_service.sandbox.accounts import Account, area_of
from otp_service.sandbox.drafts import Draft
from otp_service.sandbox.messages import FATES, VIBER_FATES, Message, Status
from otp_service.sandbox.parts import count_parts
from otp_service.sandbox.state import Sandbox


def compose(
    sandbox: Sandbox, account: Account, draft: Draft, message_id: str, taken_at: datetime | None = None
) -> Message:
    """The message as it will be kept; nothing has happened to it yet. The area of the phone must have a price.

    taken_at: UTC, default now.
    """
    taken_at = taken_at or sandbox.clock.now()
    fates = VIBER_FATES if draft.viber else FATES
    return Message(
        id=message_id,
        account=account.key,
        gateway=draft.gateway,
        phone=draft.phone,
        sender=draft.sender,
        text=draft.text,
        parts=1 if draft.viber else count_parts(draft.text),
        price=account.viber_price if draft.viber else account.prices[area_of(draft.phone)],
        taken_at=taken_at,
        fate=fates.get(draft.phone[-2:], Status.DELIVERED),
        viber=draft.viber,
        type=draft.type,
        name_delivery=draft.name_delivery,
        client_id=draft.client_id,
        send_at=draft.send_at,
        valid_until=max(draft.send_at or taken_at, taken_at) + draft.viber.validity
        if draft.viber
        else draft.valid_until,
    )


def affordable(sandbox: Sandbox, message: Message) -> bool:
    return sandbox.accounts[message.account].money >= message.cost


def take(sandbox: Sandbox, message: Message) -> None:
    """Keep the SMS; dispatch it, or let it wait: scheduled for later, or held until the money suffices."""
    sandbox.scenarios.draw_fate(message)
    sandbox.keep(message)
    sandbox.waiting[message.id] = message
    settle(sandbox)


def settle(sandbox: Sandbox) -> None:
    """Dispatch what became due or affordable since the last request; forget what need not wait any more."""
    now = sandbox.clock.now()
    for message in list(sandbox.waiting.values()):
        leaves_at = now if message.held else message.send_at or message.taken_at
        dead = message.valid_until is not None and message.valid_until <= max(leaves_at, message.taken_at)
        if leaves_at <= now and not dead and not message.canceled_at:
            message.held = not affordable(sandbox, message)
            if not message.held:  # money is taken when an SMS leaves, not when it is scheduled
                account = sandbox.accounts[message.account]
                sandbox.change(replace(account, money=account.money - message.cost))
                message.sent_at = max(leaves_at, message.taken_at)
                if events := message.events(message.sent_at):
                    _plan_report(sandbox, message, events[0][1])
        died = dead and leaves_at <= now
        if message.waiting and died and message.valid_until:
            _plan_report(sandbox, message, message.valid_until)
        if not message.waiting or died:
            del sandbox.waiting[message.id]


def _plan_report(sandbox: Sandbox, message: Message, at: datetime) -> None:
    """X5 is of TargetSMS, and speaks of SMS."""
    if message.account[0] == "targetsms" and message.channel == "sms":
        sandbox.reports.plan(message, at)
