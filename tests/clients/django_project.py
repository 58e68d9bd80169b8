"""A Django project in one file: allauth with login by code to a phone, and two_factor. Run by test_django.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings

STATE = Path("state.json")

settings.configure(
    SECRET_KEY="k" * 50,
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
        "allauth", "allauth.account", "django_otp", "django_otp.plugins.otp_static", "django_otp.plugins.otp_totp",
        "two_factor", "two_factor.plugins.phonenumber",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware", "django_otp.middleware.OTPMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                   "django.contrib.auth.context_processors.auth",
                                                   "django.contrib.messages.context_processors.messages"]}}],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    ACCOUNT_ADAPTER=f"{__name__}.Adapter",
    ACCOUNT_LOGIN_METHODS={"phone"},
    ACCOUNT_SIGNUP_FIELDS=["phone*"],
    ACCOUNT_LOGIN_BY_CODE_ENABLED=True,
    ACCOUNT_PHONE_VERIFICATION_ENABLED=True,
    ACCOUNT_RATE_LIMITS=False,
    TWO_FACTOR_SMS_GATEWAY="otp_service_django.two_factor.Gateway",
    PHONENUMBER_DEFAULT_REGION="RU",
    OTP_SERVICE={"URL": os.environ["OTP_URL"], "KEY": os.environ["OTP_KEY"], "LOCALE": "en"},
)  # fmt: skip
sys.modules.setdefault("django_project", sys.modules[__name__])
django.setup()

from allauth.account.adapter import DefaultAccountAdapter  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.messages import get_messages  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import include, path  # noqa: E402
from otp_service_django.allauth import OtpServiceAdapterMixin  # noqa: E402

urlpatterns = [path("accounts/", include("allauth.urls"))]


class Adapter(OtpServiceAdapterMixin, DefaultAccountAdapter):
    """Phones in a file; a project of yours has them in its user model."""

    def _phones(self) -> dict[str, str]:
        return json.loads(STATE.read_text())["phones"] if STATE.exists() else {}

    def set_phone(self, user: User, phone: str, verified: bool) -> None: ...

    def get_phone(self, user: User) -> tuple[str, bool] | None:
        found = next((phone for phone, name in self._phones().items() if name == user.username), None)
        return (found, True) if found else None

    def set_phone_verified(self, user: User, phone: str) -> None: ...

    def get_user_by_phone(self, phone: str) -> User | None:
        name = self._phones().get(phone)
        return User.objects.filter(username=name).first() if name else None


def main(what: str, value: str) -> None:
    call_command("migrate", verbosity=0)
    client = Client()
    if what == "two-factor":
        from two_factor.plugins.phonenumber.models import PhoneDevice

        user, _ = User.objects.get_or_create(username="anna")
        device = PhoneDevice.objects.create(user=user, name="default", number=value, method="sms")
        from django_otp.oath import totp

        before = totp(device.bin_key)
        device.generate_challenge()
        print(f"{before:06} {totp(device.bin_key):06}")  # a new step may have begun meanwhile
        return
    if what in ("request", "refused"):
        User.objects.get_or_create(username="anna")
        STATE.write_text(json.dumps({"phones": {value: "anna"}}))
        answer = client.post("/accounts/login/code/", {"phone": value}, REMOTE_ADDR="203.0.113.5")
        assert answer.status_code == 302, answer.content[:2000].decode()
        if what == "refused":
            print(answer["Location"], *(str(one) for one in get_messages(answer.wsgi_request)))
            return
        STATE.write_text(
            json.dumps({"phones": {value: "anna"}, "cookies": {k: m.value for k, m in client.cookies.items()}})
        )
        print("asked for the code")
    if what == "confirm":
        client.cookies.load(json.loads(STATE.read_text())["cookies"])
        client.post("/accounts/login/code/confirm/", {"code": value})
        user = User.objects.get(pk=client.session["_auth_user_id"])
        print("logged in as", user.username)


if __name__ == "__main__":
    main(*sys.argv[1:])
