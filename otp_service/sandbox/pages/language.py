"""Which language a request is answered in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request

from otp_service.sandbox.pages.words import words_for

Words = Mapping[str, str]


def provide_words(request: Request[Any, Any, Any]) -> Words:
    return words_for(request.headers.get("accept-language", ""))
