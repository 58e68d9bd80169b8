"""What callers of the facade send: forms, with objects as JSON text in one field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from otp_service.api.edge.json_syntax import parse_json
from otp_service.api.twilio.errors import invalid, missing
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 200
_CODE = re.compile(r"[0-9]{4,10}")


class Form(Value):
    """Fields as they came, empty ones left out. Of one that came twice the last counts, but for `every`."""

    pairs: Hidden[Sequence[tuple[str, str]]] = ()

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in reversed(self.pairs) if key == name), default)

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def needed(self, name: str) -> str:
        """Raises Refused 60200 where it is missing."""
        found = self.get(name)
        if not found:
            raise missing(name)
        return found

    def flag(self, name: str, default: bool) -> bool:
        found = self.get(name).lower()
        if found not in ("", "true", "false"):
            raise invalid(name, "true or false")
        return found == "true" if found else default

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        found = self.get(name)
        if not found and default is not None:
            return default
        if not (found.isascii() and found.isdigit() and len(found) <= 9 and least <= int(found) <= most):
            raise invalid(name, f"a number from {least} to {most}")
        return int(found)

    def text(self, name: str, least: int, most: int) -> str:
        """'' where it is missing."""
        found = self.get(name)
        if found and not (least <= len(found) <= most and found.isprintable()):
            raise invalid(name, f"{least} to {most} characters")
        return found

    def word(self, name: str, *known: str) -> str:
        """One of these, in whatever case; '' where it is missing."""
        found = self.get(name)
        if found and found.lower() not in known:
            raise invalid(name, f"one of {', '.join(known)}")
        return found.lower()

    def code(self, name: str) -> str:
        found = self.get(name)
        if found and not _CODE.fullmatch(found):
            raise invalid(name, "4 to 10 digits")
        return found

    def time(self, name: str) -> datetime | None:
        found = self.get(name)
        try:
            return datetime.fromisoformat(found.replace("Z", "+00:00")) if found else None
        except ValueError:
            raise invalid(name, "a time in ISO 8601") from None

    def strings(self, name: str, most: int, name_length: int, value_length: int) -> dict[str, str]:
        """A JSON object of strings; empty where it is missing."""
        found = self.get(name)
        if not found:
            return {}
        read = self.object(name)
        right = len(read) <= most and all(
            isinstance(value, str) and 0 < len(key) <= name_length and 0 < len(value) <= value_length
            for key, value in read.items()
        )
        if not right:
            raise invalid(name, f"up to {most} names with a text each")
        return {key: str(value) for key, value in read.items()}

    def object(self, name: str) -> Mapping[str, Any]:
        try:
            read = parse_json((self.get(name) or "{}").encode())
        except Refused:
            raise invalid(name, "not JSON") from None
        if not isinstance(read, dict):
            raise invalid(name, "not an object")
        return read


def parsed(raw: bytes, media: str) -> Form:
    """A body. Raises Refused."""
    if not raw:
        return Form()
    if media.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Refused("unsupported_media_type", "Send a form.")
    return _form(raw)


def query(raw: bytes) -> Form:
    return _form(raw)


def _form(raw: bytes) -> Form:
    try:
        text = raw.decode()
        found = parse_qsl(text, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise Refused("malformed_request", "Not a form in UTF-8.") from None
    return Form([pair for pair in found if pair[1]])
