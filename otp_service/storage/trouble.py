"""Why Redis does not answer, in a sentence that says what to do, and whether waiting could help."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from redis.exceptions import AuthenticationError, AuthorizationError, InvalidResponse, NoPermissionError, ResponseError

from otp_service.domain.value import Value


class Trouble(Value):
    """sentence: with `{patience}` where the time that was waited belongs. certain: it will not pass by itself.

    nameless: a name has no address: mostly a slip of the pen, but a headless Service gets one with its first pod.
    """

    sentence: str
    certain: bool = False
    nameless: bool = False


def trouble_of(fault: BaseException, where: str) -> Trouble:
    """fault: what a call ended with, with its causes. where: host and port, or a file."""
    chain = list(_causes(fault))
    for one in chain:
        text = str(one)
        match one:
            case socket.gaierror():
                text = f"the name in {where} has no address (DNS); check its spelling"
                return Trouble(text, certain=True, nameless=True)
            case ssl.SSLCertVerificationError():
                return Trouble(f"the TLS certificate of {where} is not accepted: {one.verify_message}", certain=True)
            case ssl.SSLError():
                return Trouble(f"{where} does not speak TLS; write redis:// instead of rediss://", certain=True)
            case InvalidResponse():
                return Trouble(f"what answers at {where} is not Redis", certain=True)
            case NoPermissionError() | AuthorizationError():
                return Trouble(
                    f"the login in redis.url may not do this at {where}; docs/operations.md lists what it needs", True
                )
            case AuthenticationError():
                return Trouble(f"the login or password in redis.url is not that of {where}", certain=True)
            case ResponseError() if "LOADING" in text:
                return Trouble(f"Redis at {where} still reads its data, even after {{patience}}")
            case ConnectionRefusedError():
                return Trouble(
                    f"nobody listens at {where}, not even after {{patience}}; check the port and that Redis runs"
                )
            case FileNotFoundError() | PermissionError():
                return Trouble(f"the socket {where} cannot be opened: {one.strerror}")
            case ConnectionResetError():
                return Trouble(f"{where} breaks the connection off; if it speaks TLS, write rediss://")
    if any("closed by server" in str(one) for one in chain):
        return Trouble(f"{where} closes the connection; if it speaks TLS, write rediss://")
    return Trouble(
        f"no Redis answers at {where} within {{patience}}; check the address, what lies between, and that both sides "
        "speak TLS (rediss://) or neither does"
    )


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """From the innermost outwards: the deeper, the plainer."""
    if fault is not None:
        yield from _causes(fault.__cause__ or fault.__context__)
        yield fault
