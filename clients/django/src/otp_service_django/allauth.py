"""django-allauth: the SMS of login and verification by phone. Put it in front of your adapter's base."""

from __future__ import annotations

import re
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect

from otp_service_django.delivering import deliver

_BETWEEN_DIGITS = re.compile(r"[ \u00a0().\u2010-\u2014-]")


class OtpServiceAdapterMixin:
    request: Any

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        request = getattr(self, "request", None)
        try:
            deliver(phone, code, purpose="login", client_ip=_address(request))
        except ValidationError as error:
            if request is None:
                raise
            # allauth sends from within its views, where an error of a form is nobody's: back to the page, with a word.
            messages.error(request, error.messages[0])
            raise ImmediateHttpResponse(HttpResponseRedirect(request.path)) from None

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        """Nothing: a text about an account that is not there would cost money at strangers' wish."""

    def send_account_already_exists_sms(self, phone: str) -> None:
        """Nothing, for the same reason."""

    def clean_phone(self, phone: str) -> str:
        """One spelling for one phone: E.164; a Russian `8 916 …` too."""
        bare = _BETWEEN_DIGITS.sub("", phone.strip())
        if re.fullmatch(r"8[3-9][0-9]{9}", bare):
            bare = "+7" + bare[1:]
        parent: Any = super()
        return str(parent.clean_phone(bare))


def _address(request: Any) -> str | None:
    """Of the person, for limits. Behind a proxy let Django's middleware set REMOTE_ADDR."""
    return (request.META.get("REMOTE_ADDR") or None) if request is not None else None
