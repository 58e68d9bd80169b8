"""What more than one group of routes reads from a request."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException
from litestar.params import HeaderParameter
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

from otp_service.errors import Refused
from otp_service.storage.api_keys import ApiKey

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="1 to 255 printable ASCII characters. The same key and body: the same answer, no second SMS.",
    ),
]
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
LARGEST = 2**53
"""From here on not every integer is a number of JSON (RFC 8259 §6)."""
ApiRequest = Request[ApiKey, Any, Any]
"""The request, with the key that it came with as `user`. A second dependency would cost a handler a group of tasks."""


class Strict(Request[Any, Any, Any]):
    """Takes a JSON body to the letter of its schema. The framework would take "3" for a number and 1 for `true`, as it
    has to of a query."""

    async def json(self) -> Any:
        state, wanted = ScopeState.from_scope(self.scope), self.route_handler.parsed_data_field
        try:
            if state.json is Empty:
                state.json = _DECODER.decode(await self.body() or b"null")
            return msgspec.convert(state.json, wanted.annotation) if wanted else state.json
        except msgspec.MsgspecError:
            raise ValidationException from None  # what is wrong is said of each field in `problems`


def _number(text: str) -> int | float:
    """3.0 is an integer (JSON Schema 2020-12, Core 4.2.3)."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < LARGEST else number


_DECODER = msgspec.json.Decoder(float_hook=_number)


def parse_idempotency_key(given: str | None) -> str:
    """The draft standard sends the key as a quoted structured string, most clients send it bare."""
    if given is None:
        return ""
    key = given[1:-1] if len(given) > 2 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise not_understood("Idempotency-Key", "must be 1 to 255 printable ASCII characters without spaces")
    return key


def not_understood(field: str, message: str) -> Refused:
    errors = [{"field": field, "message": message}]
    return Refused("validation_failed", f"`{field}` {message}.", extra={"errors": errors})
