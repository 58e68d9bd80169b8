"""Settings that every TargetSMS gateway has."""

from __future__ import annotations

from otp_service.domain.secret import Secret
from otp_service.gateways.config import GatewayConfig


class TargetSmsConfig(GatewayConfig, frozen=True, kw_only=True):
    login: Secret
    password: Secret
