"""The listening socket of the service: an address and a port, or a file."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from otp_service.cli.development import port
from otp_service.errors import SettingsError

UNIX = "unix:"
PROBE_SECONDS = 1.0


def bind(environ: Mapping[str, str]) -> socket.socket:
    """A socket bound to OTP_HOST and OTP_PORT, to be listened on by `listen`. Raises SettingsError."""
    host = environ.get("OTP_HOST", "127.0.0.1")
    if host.startswith(UNIX):
        return _bind_file(Path(host.removeprefix(UNIX)))
    host, number = _bare(host), port(environ, "OTP_PORT", 8000)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
    except socket.gaierror as error:
        raise SettingsError(f"OTP_HOST: {host!r} is no address of this machine: {error.strerror}") from None
    except OSError as error:
        raise _taken(f"{host}:{number}", error) from None
    return listener


def listen(listener: socket.socket, backlog: int) -> None:
    """Let connections come; so many may wait. Raises SettingsError where another socket that was bound to the same port
    listens by now: Linux lets several be bound as long as none listens, so of two starts at once `bind` stops neither.
    """
    try:
        listener.listen(backlog)
    except OSError as error:
        raise _taken(url_of(listener).removeprefix("http://"), error) from None


def _taken(where: str, error: OSError) -> SettingsError:
    return SettingsError(
        f"OTP_PORT: cannot listen on {where}: {error.strerror}. Choose another, for example OTP_PORT=8080"
    )


def _bare(host: str) -> str:
    """Without the brackets that IPv6 has in URLs."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _bind_file(path: Path) -> socket.socket:
    """A Unix socket that its owner and group may open. One that an earlier process left goes.

    It listens at once, and who connects waits for the service to start: another start would take a socket on which
    nobody listens yet for one that was left, and put its own in its place.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        if _is_left_over(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SettingsError(f"OTP_HOST: cannot listen on {path}: {error.strerror or error}") from None
    finally:
        os.umask(before)
    return listener


def _is_left_over(path: Path) -> bool:
    """Whether there is a socket that nobody listens on; whatever else is there stays, and cannot be bound to."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # the queue of one that hangs may be full
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def free_address(environ: Mapping[str, str]) -> str:
    """Where a service could listen; nothing of the attempt is left. Raises SettingsError as `bind` does."""
    with bind(environ) as listener:
        where = url_of(listener)
    if where.startswith(UNIX):
        Path(where.removeprefix(UNIX)).unlink()
    return where


def serving_at(environ: Mapping[str, str]) -> str:
    """Where a service of ours answers on OTP_HOST and OTP_PORT already; '' where none does."""
    host = environ.get("OTP_HOST", "127.0.0.1")
    try:
        if host.startswith(UNIX):
            where, link = host, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(PROBE_SECONDS)
            link.connect(host.removeprefix(UNIX))
        else:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, _bare(host))  # noqa: S104
            number = port(environ, "OTP_PORT", 8000)
            where, link = f"{host}:{number}", socket.create_connection((host, number), PROBE_SECONDS)
        with link:
            link.sendall(b"GET /health/live HTTP/1.1\r\nHost: otp\r\nConnection: close\r\n\r\n")
            answer = link.recv(4096)
    except (OSError, SettingsError):
        return ""
    return where if b"x-request-id" in answer.lower() else ""


def url_of(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"{UNIX}{listener.getsockname()}"
    host, number = listener.getsockname()[:2]
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"
