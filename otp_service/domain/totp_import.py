"""Existing TOTP secrets on their way in: otpauth URIs, and CSV with a header line.

Whatever is wrong with a row is said in words that repeat nothing of it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from otp_service.domain.totp import PERIOD_SECONDS, Algorithm, Generator, from_base32
from otp_service.domain.value import Hidden, Value

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}")
"""What a caller may name a person by; it stands in a path, so it is never `.` or `..` and has no slash."""
COLUMNS = ("subject", "secret", "uri", "name", "label", "issuer", "digits", "algorithm", "period")
_LONGEST_TEXT = 64


class Row(Value):
    """One authenticator to be taken over. name, label, issuer: '' where the source has none."""

    subject: Hidden[str]
    generator: Generator
    name: Hidden[str] = ""
    label: Hidden[str] = ""
    issuer: str = ""


def from_fields(fields: Mapping[str, str]) -> Row:
    """A row of a CSV, or a URI with its subject. Raises ValueError with what is wrong."""
    given = {name: (value or "").strip() for name, value in fields.items() if name}
    unknown = sorted(set(given) - set(COLUMNS))
    if unknown:
        raise ValueError(f"there is a column that is not one of: {', '.join(COLUMNS)}")
    if bool(given.get("uri")) == bool(given.get("secret")):
        raise ValueError("exactly one of `secret` and `uri` is needed")
    found = _of_uri(given["uri"]) if given.get("uri") else given
    found = {**found, **{name: value for name, value in given.items() if value and name != "uri"}}
    subject = found.get("subject", "")
    if not SUBJECT.fullmatch(subject):
        raise ValueError(
            "`subject` must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ | + = -, beginning with a letter or digit"
        )
    if (found.get("period") or str(PERIOD_SECONDS)) != str(PERIOD_SECONDS):
        raise ValueError(f"the period is not {PERIOD_SECONDS} seconds")
    digits = found.get("digits") or "6"
    if digits not in ("6", "8"):
        raise ValueError("`digits` must be 6 or 8")
    algorithm = (found.get("algorithm") or Algorithm.SHA1).upper().replace("-", "").removeprefix("HMAC")
    if algorithm not in list(Algorithm):
        raise ValueError("`algorithm` must be SHA1, SHA256 or SHA512")
    generator = Generator(from_base32(found["secret"]), int(digits), Algorithm(algorithm))
    return Row(subject, generator, *(_text(found, name) for name in ("name", "label", "issuer")))


def rows(text: str) -> Iterator[Row | ValueError]:
    """Each line of a file: CSV with a header line, or one otpauth URI per line, whose account name is the subject."""
    lines = text.lstrip("\ufeff").strip()
    if lines.startswith("otpauth://"):
        for line in lines.splitlines():
            if line.strip():
                yield row({"uri": line.strip(), "subject": _account(line.strip())})
        return
    try:
        for fields in csv.DictReader(io.StringIO(lines), strict=True, restval=""):
            over = None in fields
            yield ValueError("the row has more fields than the header line") if over else row(fields)
    except csv.Error:
        yield ValueError("from here on this is no CSV: a quote or a line break is out of place")


def row(fields: Mapping[str, str]) -> Row | ValueError:
    """A row, or what is wrong with it."""
    try:
        return from_fields(fields)
    except ValueError as error:
        return error


def _of_uri(uri: str) -> dict[str, str]:
    """`otpauth://totp/Issuer:account?secret=…&issuer=…&algorithm=…&digits=…&period=…`, by Google's Key URI Format."""
    try:
        parts = urlsplit(uri)
        pairs = parse_qsl(parts.query, strict_parsing=True, max_num_fields=16)
    except ValueError:
        raise ValueError("the URI cannot be read") from None
    if (parts.scheme, parts.netloc.lower()) != ("otpauth", "totp"):
        raise ValueError("the URI does not begin with otpauth://totp/")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the URI names a parameter twice")
    if not found.get("secret"):
        raise ValueError("the URI has no secret")
    issuer, _, account = unquote(parts.path.lstrip("/")).rpartition(":")
    kept = {name: found[name] for name in ("secret", "issuer", "digits", "algorithm", "period") if found.get(name)}
    return {"label": account.strip(), "issuer": issuer.strip(), **kept}


def _account(uri: str) -> str:
    try:
        return _of_uri(uri)["label"]
    except ValueError:
        return ""


def _text(found: Mapping[str, str], name: str) -> str:
    value = found.get(name, "")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"`{name}` must be up to {_LONGEST_TEXT} printable characters")
    return value
