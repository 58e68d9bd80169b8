"""Where a value stands in an answer: JSON pointers, paths of XML, regular expressions that cannot take long."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from otp_service.domain.value import Value
from otp_service.errors import SettingsError
from otp_service.gateways.described.config import Format

LONGEST_TEXT = 1024
"""Characters of a plain answer that a regular expression sees."""
LONGEST_PATTERN = 200
MOST_ALTERNATIVES = 3
LONGEST_VALUE = 512
DEEPEST = 40
MOST_TAGS = 5000
"""Of an XML answer, which is about one message."""

Document: TypeAlias = Any
Find: TypeAlias = Callable[[Document], str | None]

_STEP = re.compile(r"([A-Za-z_][\w.-]*|\*)(?:\[([1-9][0-9]{0,3})\])?|@([A-Za-z_][\w.:-]*)")


class Locator(Value):
    """written: as in the settings. find: the value there as text, None where there is none."""

    written: str
    find: Find


def locator(written: str, form: Format, where: str) -> Locator | None:
    """None for "". Raises `SettingsError` naming `where`."""
    if not written:
        return None
    makers = {"json": _pointer, "form": _field, "xml": _path, "text": _pattern}
    return Locator(written, makers[form](written, where))


def document(body: str, form: Format) -> Document:
    """What locators look into; None for what is no such document. Linear in the length, bounded in depth."""
    if body[:9].lower().startswith(("<!doctype", "<html")):
        return None
    if form == "text":
        return body[:LONGEST_TEXT]
    if form == "form":
        try:
            return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=200))
        except ValueError:
            return None
    if form == "json":
        try:
            return json.loads(body, parse_int=str, parse_float=str, parse_constant=_refused)
        except (ValueError, RecursionError):
            return None
    if body.count("<") > MOST_TAGS:
        return None
    try:
        return fromstring(re.sub(r"^<\?xml[^<>]*\?>\s*", "", body), forbid_dtd=True)
    except (ParseError, ValueError):
        return None


def _refused(constant: str) -> None:
    raise ValueError(constant)


def plain(value: Any) -> str | None:
    """A JSON value as text; lists and objects are none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip()[:LONGEST_VALUE] if isinstance(value, str) else None


def inside(found: Document, pointer: str) -> Any:
    """What stands at an RFC 6901 pointer, whose step `*` means the first of whatever is there; None for nothing."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if name == "*" and isinstance(found, dict | list):
            found = next(iter(found.values() if isinstance(found, dict) else found), None)
        elif isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and re.fullmatch("[0-9]{1,4}", name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _pointer(written: str, where: str) -> Find:
    check_pointer(written, where)
    return lambda found: plain(inside(found, written))


def check_pointer(written: str, where: str) -> None:
    if not re.fullmatch(r"(/([^~/]|~[01])*)+", written) or written.count("/") > DEEPEST:
        raise SettingsError(f"{where}: must be a JSON pointer (RFC 6901) such as /data/0/status, not {written!r}")


def _field(written: str, where: str) -> Find:
    if not re.fullmatch(r"[\w.:\[\]-]{1,64}", written):
        raise SettingsError(f"{where}: must be the name of a field, not {written!r}")
    return lambda found: plain(found.get(written)) if isinstance(found, Mapping) else None


def _path(written: str, where: str) -> Find:
    """Steps from the root by local names: `*` for any, `[n]` for the n-th of a name, at last an attribute `@name`."""
    steps = [_STEP.fullmatch(step) for step in written.split("/")[1:]]
    if written[:1] != "/" or not steps or None in steps or len(steps) > DEEPEST:
        raise SettingsError(f"{where}: must be a path such as /response/sms[1]/@id, not {written!r}")
    good = [step for step in steps if step]
    if any(step[3] for step in good[:-1]) or (good[0][3]):
        raise SettingsError(f"{where}: an attribute can only be the last step of {written!r}")
    return lambda found: _in_xml(found, good)


def _in_xml(found: Element | None, steps: list[re.Match[str]]) -> str | None:
    for position, step in enumerate(steps):
        if found is None:
            return None
        if step[3]:
            value = found.get(step[3])
            return None if value is None else value.strip()[:LONGEST_VALUE]
        candidates = [found] if position == 0 else list(found)
        fitting = [each for each in candidates if step[1] in ("*", str(each.tag).rpartition("}")[2])]
        number = int(step[2] or 1)
        found = fitting[number - 1] if number <= len(fitting) else None
    return None if found is None else (found.text or "").strip()[:LONGEST_VALUE]


def _pattern(written: str, where: str) -> Find:
    compiled = bounded_pattern(written, where)

    def find(text: Document) -> str | None:
        matched = compiled.search(text) if isinstance(text, str) else None
        if matched is None:
            return None
        return (matched[compiled.groups] or "").strip()[:LONGEST_VALUE]

    return find


_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?:)?|\)|\||[*+?](?P<mode>[?+])?|\{[0-9]{0,4}(?:,[0-9]{0,4})?\}(?P<mode2>[?+])?|.",
    re.DOTALL,
)
_CLASSES = ("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b", "\\B")


def bounded_pattern(written: str, where: str) -> re.Pattern[str]:
    """A regular expression that never goes back: what a repetition took it keeps (a possessive quantifier), groups are
    not repeated, and alternatives are few. So a search costs at most the square of `LONGEST_TEXT`, some milliseconds.

    Raises `SettingsError` naming `where`.
    """
    if len(written) > LONGEST_PATTERN:
        raise SettingsError(f"{where}: a pattern may have {LONGEST_PATTERN} characters")
    made: list[str] = []
    before = ""
    alternatives = groups = 0
    for found in _TOKEN.finditer(written):
        token = found[0]
        if token[0] == "\\" and token[1].isalnum() and token not in _CLASSES:
            raise SettingsError(f"{where}: {token} is not understood; there are: {' '.join(_CLASSES)}")
        alternatives += token == "|"
        groups += token == "("
        if token[0] in "*+?" or re.fullmatch(r"\{[0-9]{0,4}(?:,[0-9]{0,4})?\}[?+]?", token):
            if before in ("", "(", "(?:", "|", ")"):
                raise SettingsError(f"{where}: only a character or a class can be repeated, no group")
            if found["mode"] == "?" or found["mode2"] == "?":
                raise SettingsError(f"{where}: {token} goes back to look again; write a class that ends by itself")
            token = token.rstrip("+") + "+" if token != "+" and token != "++" else "++"
        elif token[0] == "(" and written[found.end() : found.end() + 1] == "?":
            raise SettingsError(f"{where}: of groups there are ( ) and (?: ) alone")
        made.append(token)
        before = found[0]
    if alternatives > MOST_ALTERNATIVES:
        raise SettingsError(f"{where}: more than {MOST_ALTERNATIVES} alternatives; use several rules")
    if groups > 1:
        raise SettingsError(f"{where}: one group ( ) says what is read, others are (?: )")
    try:
        return re.compile("".join(made), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(f"{where}: is no regular expression: {error}") from None
