"""Logs: structlog for us and for the libraries, JSON in production, readable in development.

No code, phone or credential gets into a line: callers log masked phones only, and as a last step every string is
searched for the credentials in use and for whatever looks like a phone. Libraries that log URLs are silenced.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, Iterable, MutableMapping
from typing import Any

import msgspec
import structlog

from otp_service.errors import SettingsError
from otp_service.visible import STEERING, visible

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_PHONE = re.compile(r"(?<![0-9A-Za-z])\+?[0-9]{11,15}(?![0-9A-Za-z])")
_ADDRESS = re.compile(r"(?<![\w/:@.+%*-])(?!.\*{3}@)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}")
"""A mail address (RFC 5322 §3.2.3, `atext`); what `mask` left of one is none, nor is the login of a URL."""
_LOOKED_FOR = re.compile("[0-9]{11}"), re.compile(f"[@{STEERING}]")
"""In every phone and address, and quicker to look for, one after the other; and what is shown escaped."""
_HOLD_NO_TEXT = (int, float, type(None))
_QUIET = ("httpx", "httpcore", "aiohttp", "asyncio", "uvicorn", "uvicorn.error", "uvicorn.access", "litestar")


def level_number(level: str) -> int:
    """Of a name as `OTP_LOG_LEVEL` has it. Raises SettingsError."""
    name = level.strip().upper()
    if name not in LEVELS:
        raise SettingsError(f"OTP_LOG_LEVEL: must be one of {', '.join(LEVELS)}, not {level!r}")
    return logging.getLevelNamesMapping()[name]


def configure(*, readable: bool, level: str, credentials: Collection[str] = ()) -> None:
    """Set up logging for the process. level: one of LEVELS, in any case. Raises SettingsError."""
    global _in_use
    _in_use = Redaction(credentials)
    number = level_number(level)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redaction(credentials),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
        if readable
        else structlog.processors.JSONRenderer(_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared[:-1],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, Redaction(credentials), renderer],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def redacted(text: str) -> str:
    """A text without the credentials in use, phones and addresses, for what is kept and not logged."""
    return str(_in_use(None, "", {"text": text})["text"])


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


class Redaction:
    """The last processor: takes credentials and phones out of every string, wherever it is nested, and escapes what
    would steer the terminal of whoever reads the log."""

    def __init__(self, credentials: Collection[str]) -> None:
        longest_first = sorted((re.escape(one) for one in credentials), key=len, reverse=True)
        self._credentials = re.compile("|".join(longest_first)) if longest_first else None

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._has_nothing(event.values()):
            return event
        return {key: self._clean(value) for key, value in event.items()}

    def _has_nothing(self, values: Iterable[Any]) -> bool:
        """One search through the texts of a line settles nearly every line. Joined, they still hold what each holds."""
        texts = []
        for value in values:
            if isinstance(value, str):
                texts.append(value)
            elif not isinstance(value, _HOLD_NO_TEXT):
                return False
        text = "\n".join(texts)
        return not (
            any(one.search(text) for one in _LOOKED_FOR) or (self._credentials and self._credentials.search(text))
        )

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            if self._credentials:
                value = self._credentials.sub("[redacted]", value)
            return visible(_ADDRESS.sub("[address]", _PHONE.sub("[phone]", value)))
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in value]
        return value


_in_use = Redaction(())
"""By the credentials of this process, once `configure` knows them."""
