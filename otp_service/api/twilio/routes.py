"""All routes of the facade. What is not here is 404, in Twilio's shape."""

from __future__ import annotations

from otp_service.api.twilio import factors, lists, rate_limits, services, verifications, webhooks

HANDLERS = [
    *verifications.HANDLERS,
    *services.HANDLERS,
    *rate_limits.HANDLERS,
    *lists.HANDLERS,
    *factors.HANDLERS,
    *webhooks.HANDLERS,
]
