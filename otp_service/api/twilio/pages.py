"""Lists by pages: `{"<key>": […], "meta": {…}}`, with absolute URLs that clients follow as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Response

from otp_service.api.twilio.context import Caller, answer
from otp_service.api.twilio.errors import VERSION

MOST, DEFAULT = 1000, 50


def page_size(caller: Caller) -> int:
    return caller.form.number("PageSize", 1, MOST, DEFAULT)


def page_number(caller: Caller) -> int:
    return caller.form.number("Page", 0, 10_000_000, 0)


def page(caller: Caller, key: str, found: Sequence[Any]) -> Response[bytes]:
    """One page of a list that is here in whole."""
    size, number = page_size(caller), page_number(caller)
    rows = found[number * size : (number + 1) * size]
    return answer({key: rows, "meta": meta(caller, key, more=len(found) > (number + 1) * size)})


def meta(caller: Caller, key: str, *, more: bool, token: str = "") -> dict[str, Any]:
    """more: whether a page follows. token: where it begins, for lists that are not counted."""
    size, number = page_size(caller), page_number(caller)
    kept = [pair for pair in caller.form.pairs if pair[0] not in ("Page", "PageSize", "PageToken")]
    path = caller.base + caller.request.scope["path"].removeprefix(VERSION)

    def url(which: int, begin: str = "") -> str:
        asked = [*kept, ("PageSize", str(size)), ("Page", str(which)), *([("PageToken", begin)] if begin else [])]
        return f"{path}?{urlencode(asked)}"

    return {
        "page": number,
        "page_size": size,
        "first_page_url": url(0),
        "previous_page_url": url(number - 1) if number and not token else None,
        "url": url(number, caller.form.get("PageToken")),
        "next_page_url": url(number + 1, token) if more else None,
        "key": key,
    }
