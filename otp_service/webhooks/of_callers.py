"""Webhooks that callers of the Twilio facade made: which there are, and in what words they are told of an event."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from otp_service.domain import sids
from otp_service.domain.events import Event, EventType
from otp_service.domain.keyring import Names
from otp_service.domain.value import Value
from otp_service.domain.webhooks import Endpoint, Twilio
from otp_service.settings import Settings
from otp_service.storage import keys
from otp_service.storage.schedule import Schedule
from otp_service.storage.twilio import TwilioStore
from otp_service.storage.webhooks import JOB, WebhookStore

FAMILY = "webhook:"
MOST = 20
"""Of an application."""
TYPES: Mapping[str, EventType] = {
    "factor.created": EventType.FACTOR_ENROLLED,
    "factor.verified": EventType.FACTOR_CONFIRMED,
    "factor.deleted": EventType.FACTOR_REMOVED,
    "challenge.approved": EventType.CHALLENGE_APPROVED,
    "challenge.denied": EventType.CHALLENGE_DENIED,
    "verification.pending": EventType.VERIFICATION_CREATED,
    "verification.approved": EventType.VERIFICATION_APPROVED,
    "verification.canceled": EventType.VERIFICATION_CANCELED,
    "verification.expired": EventType.VERIFICATION_EXPIRED,
    "verification.max_attempts_reached": EventType.VERIFICATION_EXHAUSTED,
}
"""Twilio's word → ours; those of verifications are ours alone, Twilio tells them in another way."""
WORDS: Mapping[str, str] = {ours: theirs for theirs, ours in TYPES.items()}

Pairs = Sequence[tuple[str, str]]


class _Webhook(Value):
    """What an endpoint is made of; the rest of it is for whoever asks."""

    sid: str
    account_sid: str
    service_sid: str
    webhook_url: str
    event_types: tuple[str, ...]


def jobs_of_callers(settings: Settings, things: TwilioStore) -> Callable[[str], Awaitable[Sequence[str]]]:
    """Of an application: what is to be done after new events came."""

    async def jobs(application: str) -> Sequence[str]:
        if settings.applications[application].twilio.auth_token is None:
            return ()
        found = await things.things(application)
        return [f"{JOB}:{one['sid']}" for name, one in found.items() if name.startswith(FAMILY)]

    return jobs


class CallersWebhooks:
    def __init__(
        self, settings: Settings, names: Names, things: TwilioStore, store: WebhookStore, schedule: Schedule
    ) -> None:
        self._settings = settings
        self._names = names
        self._things = things
        self._store = store
        self._schedule = schedule

    async def endpoint(self, application: str, sid: str) -> Endpoint | None:
        """None for one that was removed, or is disabled."""
        for anew in (False, True):
            for name, one in (await self._things.things(application, anew=anew)).items():
                if name.startswith(FAMILY) and one["sid"] == sid:
                    return self._endpoint(application, one) if one["status"] == "enabled" else None
        return None

    async def made(self, application: str) -> Sequence[tuple[str, Endpoint, bool]]:
        """Of an application, with their friendly names and whether their caller has them enabled. Raises Unreadable,
        ValueError or LookupError for what cannot be read."""
        if self._settings.applications[application].twilio.auth_token is None:
            return ()
        things = await self._things.things(application, anew=True)
        found = [
            (str(one["friendly_name"]), endpoint, one["status"] == "enabled")
            for name, one in things.items()
            if name.startswith(FAMILY) and (endpoint := self._endpoint(application, one))
        ]
        return sorted(found, key=lambda each: (each[0], each[1].id))

    async def begin(self, application: str, thing: Mapping[str, Any]) -> None:
        """From now on it is told. Safe to repeat."""
        if endpoint := self._endpoint(application, thing):
            await self._store.begin(endpoint)
            await self._schedule.put(keys.application_lane(application), JOB, endpoint.id)

    def told(self, endpoint: Endpoint, event: Event) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers; None for an event that this one does not hear of."""
        pairs = self._pairs(endpoint, event)
        if pairs is None or endpoint.twilio is None:
            return None
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(endpoint.twilio.token, endpoint.url, pairs),
        }
        return urlencode(pairs).encode(), headers

    def _endpoint(self, application: str, thing: Mapping[str, Any]) -> Endpoint | None:
        token = self._settings.applications[application].twilio.auth_token
        if token is None:
            return None
        made = msgspec.convert(thing, _Webhook)
        types = tuple(TYPES) if "*" in made.event_types else made.event_types
        twilio = Twilio(token.reveal()[0], made.account_sid, made.service_sid, types)
        heard = tuple(TYPES[each] for each in types)
        return Endpoint(made.sid, application, made.webhook_url, (), heard, twilio)

    def _pairs(self, endpoint: Endpoint, event: Event) -> Pairs | None:
        twilio, kind = endpoint.twilio, WORDS.get(event.type)
        if twilio is None or kind not in twilio.types:
            return None
        told = {"uuid": event.id, "type": kind, "account_sid": twilio.account_sid, "service_sid": twilio.service_sid}
        if kind.startswith("verification."):
            if event.fields.get("service") != twilio.service_sid:
                return None
            told |= {
                "verification_sid": sids.of_verification(self._names, event.subject),
                "to": event.phone,
                "channel": "sms",
                "status": kind.partition(".")[2],
            }
        else:
            told |= {
                "entity_identity": event.person,
                "factor_sid": sids.keyed("YF", self._names, event.subject),
                "factor_type": "totp",
            }
            if kind.startswith("challenge."):
                told["challenge_sid"] = event.fields.get("challenge", "")
        return list(told.items())


def signature(token: str, url: str, pairs: Pairs) -> str:
    """As twilio.request_validator checks it: HMAC-SHA1 over the URL and each sorted name with its value."""
    content = url + "".join(name + value for name, value in sorted(pairs))
    return base64.b64encode(hmac.digest(token.encode(), content.encode(), hashlib.sha1)).decode()
