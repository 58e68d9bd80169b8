"""Lists of any length, read as they come: X12, X14, X16, X20 and the like. What is read is handed on and forgotten."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import DefusedXMLParser

from otp_service.gateways.http import MAX_BODY, broken_answer
from otp_service.gateways.targetsms.errors import error_of
from otp_service.gateways.targetsms.xml.wire import DECLARATION, content_of

T = TypeVar("T")

BLANKS = " \t\r\n\0"
ELEMENT_COST = 200
"""What an element counts for beside its text, so that many small ones are bounded as well."""

MOST_WITHOUT_WORD = 64 * 1024
"""Characters that may come before there is an element or a text in them. A comment, an attribute or blanks without end
would be looked at from their beginning with each piece that comes."""


def _windows_1251(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 is taken for windows-1251, as in answers that are read as a whole."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101
    return error.object[error.start : error.end].decode("windows-1251", errors="replace"), error.end


codecs.register_error("otp-windows-1251", _windows_1251)


class ListReader(Generic[T]):
    """Feed it the body of an answer, then `finish` it. Forgives what `xml.parse` forgives.

    tag: of the rows. read: what is kept of each. Holds no more than `MAX_BODY` of what it has not handed on. Raises
    `GatewayError`.
    """

    def __init__(self, tag: str, read: Callable[[Element], T]) -> None:
        self._tag = tag
        self._read = read
        self._rows: list[T] = []
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("otp-windows-1251")
        self._parser = DefusedXMLParser(target=self, forbid_dtd=True)
        self._begun = False
        self._pending = ""
        """Decoded, and not parsed: what follows decides how it is read."""
        self._open: list[Element] = []
        self._root: Element | None = None
        self._text: list[str] = []
        """Since the last tag: rows hold text or elements, never both."""
        self._held = 0
        self._without_word = 0

    def feed(self, chunk: bytes) -> None:
        self._take(self._decoder.decode(chunk))

    def finish(self) -> tuple[Element, list[T]]:
        """The `<response>` without its rows, and the rows. Raises `GatewayError`, also what its `<error>` means."""
        self._take(self._decoder.decode(b"", final=True), last=True)
        root = self._root
        if root is None:
            raise broken_answer()
        error = root.find("error")
        if error is not None:
            raise error_of(content_of(error))
        return root, self._rows

    def _take(self, text: str, *, last: bool = False) -> None:
        self._without_word += len(text)
        text = self._pending + text
        if not self._begun:
            text = text.lstrip(BLANKS)
            if text[:5] == "<?xml"[: len(text)] and "?>" not in text and len(text) < 1024 and not last:
                self._pending = text
                return
            text, self._begun = DECLARATION.sub("", text), True
        whole = text if last else text[: text.rfind("<", -3)] if "<" in text[-3:] else text
        whole = whole.rstrip(BLANKS)
        self._pending = "" if last else text[len(whole) :]
        broken = False
        try:
            self._parser.feed(whole.replace("</ ", "</"))
            if last:
                self._parser.close()
        except (ParseError, ValueError):  # defusedxml's refusals are ValueErrors
            broken = True
        broken = broken or self._without_word > MOST_WITHOUT_WORD
        if broken:
            raise broken_answer()  # not in the `except`: the parser's errors quote what was sent

    # What the parser calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._open and tag != "response":
            raise broken_answer()
        self._hold(ELEMENT_COST + sum(len(name) + len(value) for name, value in attributes.items()))
        self._open.append(Element(tag, dict(attributes)))
        self._text = []

    def data(self, text: str) -> None:
        self._hold(len(text))
        self._text.append(text)

    def end(self, _tag: str) -> None:
        found = self._open.pop()
        if not len(found):
            found.text = "".join(self._text)
        self._text = []
        if not self._open:
            self._root = found
        elif found.tag != self._tag or found.get("num_pages") is not None:  # XQ13: a frame may be called as its rows
            self._open[-1].append(found)
        else:
            self._rows.append(self._read(found))
            self._held = 0

    def _hold(self, size: int) -> None:
        self._without_word = 0
        self._held += size
        if self._held > MAX_BODY:
            raise broken_answer()
