"""The listening socket of the service."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from otp_service.cli.development import port
from otp_service.errors import SettingsError


def bind(environ: Mapping[str, str]) -> socket.socket:
    """A socket bound to OTP_HOST and OTP_PORT, not yet listening. Raises SettingsError."""
    host, number = environ.get("OTP_HOST", "127.0.0.1"), port(environ, "OTP_PORT", 8000)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
    except socket.gaierror as error:
        raise SettingsError(f"OTP_HOST: {host!r} is no address of this machine: {error.strerror}") from None
    except OSError as error:
        raise SettingsError(
            f"OTP_PORT: cannot listen on {host}:{number}: {error.strerror}. Choose another, for example OTP_PORT=8080"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    host, number = listener.getsockname()[:2]
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"
