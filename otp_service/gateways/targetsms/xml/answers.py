"""Shapes that several operations of the XML API share: words of a closed list, edits, pages, phones."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element

from otp_service.domain.value import Hidden, Value
from otp_service.gateways.targetsms.xml.wire import content_of
from otp_service.gateways.wire import count, words

T = TypeVar("T")

_PHONE = re.compile(r"[1-9][0-9]{6,14}")


class Word(StrEnum):
    """A word out of a list of the document. Each list has `UNKNOWN`: what any other word is read as."""

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return cls.__members__["UNKNOWN"]


class Done(Word):
    """What became of one entry of an editing request (X11, X13, X15, X17, X22, X24)."""

    INSERT = "insert"
    ADD = "add"
    EDIT = "edit"
    NOT_EDIT = "not_edit"
    """X22: could not be changed, perhaps because nothing in it is new."""
    DELETE = "delete"
    NOT_FOUND = "not_found"
    ERROR = "error"
    UNKNOWN = "unknown"


class Edited(Value):
    """key: id of the entry, or the phone (E.164) where it has no id. number: its place among what was saved, else 0."""

    key: Hidden[str]
    done: Done
    number: int = 0


class Page(Value, Generic[T]):
    """number: from 1. pages: how many there are; 0 where the gateway does not say."""

    number: int
    pages: int
    items: list[T]


def edited(key: str | None, found: Element, *numbers: str) -> Edited:
    """numbers: attributes of which one may hold the number (XQ10: X22 uses the one of X11)."""
    number = next((found.get(name) for name in numbers if found.get(name)), "")
    return Edited(words(key), Done(content_of(found)), count(number))


def page_of(response: Element, items: list[T]) -> Page[T]:
    """The page that an answer is: its numbers stand on whichever element has `num_pages` (XQ13)."""
    frame = next((found for found in response if found.get("num_pages") is not None), response)
    return Page(count(frame.get("page")), count(frame.get("num_pages")), items)


def phone_of(written: str | None) -> str:
    """E.164 for a whole number; anything else, such as a short number or `7900123****`, as it came."""
    return f"+{written}" if written and _PHONE.fullmatch(written) else words(written)


def digits(phone: str) -> str:
    """As the gateway wants a phone: E.164 without its plus."""
    return phone.removeprefix("+")
