"""django-two-factor-auth: `TWO_FACTOR_SMS_GATEWAY = "otp_service_django.two_factor.Gateway"`."""

from __future__ import annotations

from typing import Any

from otp_service_django.delivering import deliver


class Gateway:
    def send_sms(self, device: Any, token: str) -> None:
        number = device.number  # a PhoneNumber, or a str
        deliver(getattr(number, "as_e164", None) or str(number), str(token), purpose="two-factor")

    def make_call(self, device: Any, token: str) -> None:
        raise NotImplementedError("otp-service makes no calls: leave TWO_FACTOR_CALL_GATEWAY out")
