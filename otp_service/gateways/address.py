"""Base URLs of gateways: are they usable, and can what goes there be read on the way?"""

from __future__ import annotations

from urllib.parse import urlsplit

from otp_service.errors import SettingsError
from otp_service.settings import LOOPBACK


def checked_address(url: str, key: str, *, allow_plaintext: bool) -> str:
    """A base URL without its final slash. key: its name in the settings, such as `gateways.smska.base_url`.

    Raises `SettingsError` naming the key, or naming `allow_plaintext` beside it where that is what is missing.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not match
        usable = None
    if not usable or "@" in url or "?" in url or "#" in url or not url.isascii() or not url.isprintable():
        raise SettingsError(f"{key}: must look like https://host or https://host:port")
    if is_plaintext(url) and not allow_plaintext:
        raise SettingsError(
            f"{key}: over http:// anyone on the way reads login, password and codes; use https://, or set "
            f"{key.rpartition('.')[0]}.allow_plaintext = true if the provider offers nothing else"
        )
    return url.rstrip("/")


def is_plaintext(url: str) -> bool:
    """Whether a usable URL is http:// to a host that is not this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK
