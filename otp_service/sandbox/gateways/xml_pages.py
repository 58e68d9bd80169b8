"""Long lists come in pages, never whole (X12, X16). The documents name no page size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from xml.etree.ElementTree import Element

from otp_service.sandbox.drafts import is_digits
from otp_service.sandbox.gateways.xml_wire import BAD_FORMAT, RequestError, element

PAGE_SIZE = 50

T = TypeVar("T")


def turn_to(items: Sequence[T], asked: Element) -> tuple[Element, Sequence[T]]:
    """An empty `<phones page num_pages>` and what belongs into it. Pages count from 1.

    Ours: no page is the first; one past the end is empty; an empty list has one page.
    """
    written = asked.get("page", "") or "1"
    if not is_digits(written) or len(written) > 9 or int(written) < 1:
        raise RequestError(BAD_FORMAT)
    first = (int(written) - 1) * PAGE_SIZE
    num_pages = max(1, -(-len(items) // PAGE_SIZE))
    return element("phones", page=str(int(written)), num_pages=str(num_pages)), items[first : first + PAGE_SIZE]
