"""The JSON interface as an account sees it (J0): credentials in, the list under `message` or `state` out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from otp_service.domain.secret import Secret
from otp_service.gateways.config import hidden_in_errors
from otp_service.gateways.http import HttpClient, broken_answer
from otp_service.gateways.targetsms.errors import error_of

PATH = "/sendmessagejson.php"
HEADERS = {"Content-Type": "application/json; charset=utf-8"}

Key = Literal["message", "state"]
"""One address serves both; the key decides."""


class JsonApi:
    """seconds: for the whole of a call."""

    def __init__(self, http: HttpClient, login: Secret, password: Secret) -> None:
        self._http = http
        self._login = login
        self._password = password

    async def call(self, key: Key, items: Sequence[dict[str, Any]], *, seconds: float) -> list[Any]:
        """POST the items under `key`. Raises `GatewayError`, also for a document-level `error`."""
        document = {"login": self._login.reveal(), "password": self._password.reveal(), key: items}
        content = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
        reply = await self._http.exchange("POST", PATH, content=content, headers=HEADERS, seconds=seconds)
        with self.hidden():
            return read(reply.text(), key)

    def hidden(self) -> AbstractContextManager[None]:
        """Around the reading of what an answer says of one message."""
        return hidden_in_errors(self._login, self._password)

    async def close(self) -> None:
        await self._http.close()


def read(text: str, key: Key) -> list[Any]:
    """The list under `key` of an answer. Raises `GatewayError`: what its `error` means, or BROKEN_ANSWER/unclear."""
    document = None
    with contextlib.suppress(ValueError, RecursionError):
        # Numbers stay as they were written, so that ids are strings and money is exact.
        document = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refused)
    if not isinstance(document, dict):
        raise broken_answer()
    error = text_of(document, "error")
    if error:
        raise error_of(error)
    found = document.get(key)
    if not isinstance(found, list):
        raise broken_answer()
    return found


def text_of(item: dict[str, Any], name: str) -> str:
    """A value as text: numbers come as strings or as numbers (JQ5). "" where it is absent or something else."""
    value = item.get(name)
    return value.strip() if isinstance(value, str) else ""


def id_of(item: dict[str, Any], name: str) -> str:
    """An id; "" where it is absent, or 0, which means none (JQ5)."""
    value = text_of(item, name)
    return "" if value == "0" else value


def _refused(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON
