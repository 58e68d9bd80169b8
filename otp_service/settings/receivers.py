"""Webhooks in the settings: what of them can be judged before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from otp_service.domain.addresses import is_in, is_public
from otp_service.domain.networks import Network
from otp_service.domain.webhooks import Endpoint, endpoint_id, prefixes_heard, secret_bytes, types_heard
from otp_service.errors import SettingsError
from otp_service.settings.applications import Webhook
from otp_service.settings.values import Settings

PORTS = (443, 8443)
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!$-~]*)?"
)
"""Nothing that two readers of a URL could understand differently: no user, no fragment, no escapes in the host."""

_NUMBER = re.compile(r"(^|\.)(0[xX][0-9A-Fa-f]*|[0-9]+)\.?$")
"""How an address ends that is written in one of the old ways (`2130706433`, `0x7f.1`); no name does."""


def webhook_endpoints(settings: Settings) -> Mapping[str, Endpoint]:
    """All receivers by their ids. Raises SettingsError that names the key."""
    allowed = settings.webhooks.allow_networks
    found: dict[str, Endpoint] = {}
    if not settings.retention.events_seconds and any(each.webhooks for each in settings.applications.values()):
        raise SettingsError("retention.events_seconds: 0 keeps no events, so there is nothing that webhooks could tell")
    for name, application in settings.applications.items():
        for number, webhook in enumerate(application.webhooks):
            endpoint = _endpoint(name, webhook, f"applications.{name}.webhooks[{number}]", allowed)
            if endpoint.id in found:
                raise SettingsError(f"applications.{name}.webhooks[{number}].url: this URL stands twice")
            found[endpoint.id] = endpoint
    return found


def is_private_receiver(url: str) -> bool:
    """Whether a checked URL may lead only to `allow_networks`: plain http, or a port that is not for the public."""
    parts = _URL.fullmatch(url)
    return not parts or parts["scheme"] == "http" or int(parts["port"] or 443) not in PORTS


def _endpoint(application: str, webhook: Webhook, key: str, allowed: Sequence[Network]) -> Endpoint:
    check_url(webhook.url, f"{key}.url", allowed)
    try:
        types = types_heard(webhook.events)
    except ValueError as error:
        raise SettingsError(f"{key}.events: {error}; docs/webhooks.md lists the events") from None
    if not types:
        raise SettingsError(f'{key}.events: must name an event, as "verification.*"')
    try:
        secrets = tuple(secret_bytes(secret) for secret in webhook.secret.reveal())
    except ValueError as error:
        raise SettingsError(f"{key}.secret: {error}; make one with: echo whsec_$(openssl rand -base64 32)") from None
    return Endpoint(
        endpoint_id(application, webhook.url),
        application,
        webhook.url,
        secrets,
        types,
        prefixes=prefixes_heard(webhook.events),
    )


def check_url(url: str, key: str, allowed: Sequence[Network]) -> None:
    """Raises SettingsError naming the key of a URL that nothing can be sent to."""
    parts = _URL.fullmatch(url)
    if not parts or len(url) > 2000 or not 0 < int(parts["port"] or 443) < 65536:
        raise SettingsError(f"{key}: must look like https://host/path, without user, password and fragment")
    if is_private_receiver(url) and not allowed:
        raise SettingsError(
            f"{key}: must be https:// on port {' or '.join(map(str, PORTS))}; name the receiver's network in "
            "webhooks.allow_networks if it is your own"
        )
    try:
        address = ip_address(parts["host"].strip("[]"))
    except ValueError:
        if _NUMBER.search(parts["host"]):
            raise SettingsError(f"{key}: {parts['host']} is neither a name nor an address") from None
        return  # a name; what it leads to is looked at each time
    if not is_in(address, allowed) and (is_private_receiver(url) or not is_public(address)):
        raise SettingsError(
            f"{key}: nothing is sent to {address}; name its network in webhooks.allow_networks if the receiver is yours"
        )
