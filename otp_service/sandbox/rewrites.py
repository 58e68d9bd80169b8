"""Answers that a gateway should never give, made from the one it would have given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.etree.ElementTree import tostring

from defusedxml.ElementTree import fromstring

from otp_service.sandbox.faults import Fault, FaultName
from otp_service.sandbox.gateways.operation import Operation

HTML_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>\n"
GARBAGE = b'\x1f\x8b\x00\xff<response><succ\xf0\x28\x8c\x28ess code="12</ base>|||{\n'


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    media_type: str
    body: bytes


def _page(answer: HttpAnswer, status: int) -> HttpAnswer:
    title = "Error" if status == 200 else str(status)
    return replace(answer, status=status, media_type="text/html", body=HTML_PAGE.format(title).encode())


def _body(answer: HttpAnswer, body: bytes) -> HttpAnswer:
    return replace(answer, body=body)


def _windows_1251(answer: HttpAnswer) -> HttpAnswer:
    """The bytes and the XML declaration say windows-1251, the header still says utf-8."""
    text = answer.body.decode().replace('encoding="utf-8"', 'encoding="windows-1251"')
    return _body(answer, text.encode("windows-1251", errors="replace"))


def _shuffled(answer: HttpAnswer) -> HttpAnswer:
    """XML: the rows in reverse. Other answers stay as they are."""
    if answer.media_type.partition(";")[0] != "text/xml":
        return answer
    root = fromstring(answer.body)
    root[:] = reversed(root)
    return _body(answer, tostring(root, encoding="utf-8", xml_declaration=True))


Rewrite = Callable[[HttpAnswer, Fault, Operation], HttpAnswer]

REWRITES: dict[FaultName, Rewrite] = {
    "status": lambda answer, fault, _: _page(answer, fault.status),
    "html": lambda answer, *_: _page(answer, 200),
    "empty": lambda answer, *_: _body(answer, b""),
    "empty_response": lambda answer, *_: _body(answer, b"<response></response>"),
    "garbage": lambda answer, *_: _body(answer, GARBAGE),
    "error": lambda answer, fault, operation: _body(answer, operation.say_error(fault.error).encode()),
    "bom": lambda answer, *_: _body(answer, b"\xef\xbb\xbf" + answer.body),
    "windows1251": lambda answer, *_: _windows_1251(answer),
    # Attributes that no document names, some of which public client code shows.
    "extra_attributes": lambda answer, *_: _body(
        answer, re.sub(rb"<(success|information|state)\b", rb'<\1 err="" id_turn="" extra="1"', answer.body)
    ),
    "blank_lines": lambda answer, *_: _body(answer, b"\r\n\n" + answer.body),
    "trailing_junk": lambda answer, *_: _body(answer, answer.body + b"</ base>"),
    "media_type": lambda answer, *_: replace(answer, media_type="application/octet-stream"),
    "shuffled": lambda answer, *_: _shuffled(answer),
    # JSON: numbers where the samples have strings of digits.
    "numbers": lambda answer, *_: _body(answer, re.sub(rb': "(0|[1-9][0-9]*)"', rb": \1", answer.body)),
}
NEED_AN_ANSWER: frozenset[FaultName] = frozenset(
    {"bom", "windows1251", "extra_attributes", "blank_lines", "trailing_junk", "media_type", "shuffled", "numbers"}
)
