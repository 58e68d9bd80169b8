"""Existing TOTP secrets on their way in: otpauth URIs, CSV, and the exports of apps and servers (totp_exports.py).

Whatever is wrong is said in words that repeat nothing of it, with the line where there are lines. What could be read in
two ways is refused: a factor must never go to another person than the one who has the device.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from otp_service.domain import totp_exports
from otp_service.domain.totp import (
    DIGITS,
    LEAST_SECRET_BYTES,
    LONGEST_SECRET_BYTES,
    PERIOD_SECONDS,
    PERIODS,
    Algorithm,
    Generator,
    from_base32,
)
from otp_service.domain.totp_exports import AmbiguousError, UnreadableError
from otp_service.domain.value import Hidden, Value

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}")
"""What a caller may name a person by; it stands in a path, so it is never `.` or `..` and has no slash."""
COLUMNS = (
    "subject", "secret", "uri", "name", "label", "issuer", "digits", "algorithm", "period", "encoding", "type",
)  # fmt: skip
ALIASES: Mapping[str, str] = {
    "upn": "subject", "user": "subject", "username": "subject", "serial": "name", "serial number": "name",
    "secret key": "secret", "seed": "secret", "otplen": "digits", "time interval": "period", "time step": "period",
    "timestep": "period", "manufacturer": "issuer", "model": "",
}  # fmt: skip
"""What Microsoft's and OATH's files call these columns; '' is left out."""
_MOST_COLUMNS = 64
"""Those without a name included, which spreadsheets leave behind."""
_LONGEST_TEXT = 64
_HEADER = "The header line names the columns: `subject`, and `secret` or `uri`"
_AS_A_NUMBER = re.compile(r"[0-9]+([.,][0-9]+)?[Ee]\+[0-9]+")


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
    if not set(given) <= set(COLUMNS):
        raise ValueError(f"there is a column that is not one of: {', '.join(COLUMNS)}")
    if bool(given.get("uri")) == bool(given.get("secret")):
        raise ValueError("exactly one of `secret` and `uri` is needed")
    found = of_uri(given["uri"], account=False) if given.get("uri") else {}
    found = {**found, **{name: value for name, value in given.items() if value and name != "uri"}}
    subject = found.get("subject", "")
    if not SUBJECT.fullmatch(subject):
        raise ValueError(
            "`subject` must be 1 to 128 of A-Z a-z 0-9 . _ ~ : @ | + = -, beginning with a letter or digit"
        )
    if found.get("type", "totp").lower() != "totp":
        raise ValueError("this is not TOTP; counters (HOTP) are not taken")
    period = found.get("period") or str(PERIOD_SECONDS)
    if period not in map(str, PERIODS):
        raise ValueError("`period` must be 30 or 60 seconds")
    digits = found.get("digits") or "6"
    if digits not in map(str, DIGITS):
        raise ValueError("`digits` must be 6, 7 or 8")
    algorithm = (found.get("algorithm") or Algorithm.SHA1).upper().replace("-", "").removeprefix("HMAC")
    if algorithm not in list(Algorithm):
        raise ValueError("`algorithm` must be SHA1, SHA256 or SHA512")
    secret = _secret(found["secret"], found.get("encoding", "base32").lower())
    generator = Generator(secret, int(digits), Algorithm(algorithm), int(period))
    return Row(subject, generator, *(_text(found, name) for name in ("name", "label", "issuer")))


def row(fields: Mapping[str, str], line: int = 0) -> Row | ValueError:
    """A row, or what is wrong with it. line: of a file, 0 for none."""
    try:
        return from_fields(fields)
    except ValueError as error:
        return ValueError(f"line {line}: {error}") if line else error


def rows(text: str) -> Iterator[Row | ValueError]:
    """All authenticators of a file, whatever its form. Raises UnreadableError for a file that is none of those we know.

    Where nothing else names the person, the account of an authenticator is the subject.
    """
    text = text.lstrip("\ufeff").strip()
    if text.startswith(("otpauth://", "otpauth-migration://")):
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield from _of_line(line.strip(), number)
    elif text.startswith(("{", "[")):
        for fields in totp_exports.of_json(text):
            yield _of_export(fields)
    elif text:
        yield from _of_csv(text)


def _of_export(fields: Mapping[str, str] | AmbiguousError) -> Row | ValueError:
    if isinstance(fields, AmbiguousError):
        return fields
    try:
        return from_fields(of_uri(fields["uri"]) if "uri" in fields and "subject" not in fields else fields)
    except ValueError as error:
        return error


def _of_line(line: str, number: int) -> Iterator[Row | ValueError]:
    try:
        if line.startswith("otpauth-migration://"):
            for fields in totp_exports.of_migration(line):
                found = _of_export(fields)
                yield ValueError(f"line {number}: {found}") if isinstance(found, ValueError) else found
        else:
            yield row(of_uri(line), number)
    except ValueError as error:
        yield ValueError(f"line {number}: {error}")


def _of_csv(text: str) -> Iterator[Row | ValueError]:
    first, _, rest = text.partition("\n")
    skipped = 0
    if re.fullmatch(r"sep=.\r?", first):  # what Excel writes for itself
        text, skipped = rest, 1
    names, delimiter, encoding = _header(text.partition("\n")[0], 1 + skipped)
    reader = csv.reader(io.StringIO(text), strict=True, delimiter=delimiter)
    try:
        next(reader)
        for values in reader:
            line = reader.line_num + skipped
            if not any(map(str.strip, values)):
                continue
            if any(map(str.strip, values[len(names) :])):
                yield ValueError(f"line {line}: the row has more fields than the header line")
                continue
            fields = {name: value for name, value in zip(names, values, strict=False) if name}
            yield row({"encoding": encoding, **fields} if encoding else fields, line)
    except csv.Error:
        line = reader.line_num + skipped
        yield ValueError(f"line {line}: a quote or a line break is out of place; the rest is not read")


def _header(line: str, number: int) -> tuple[list[str], str, str]:
    """Our names of the columns ('' for those left out), the delimiter, and how secrets are encoded if that tells it.

    Looked at once: to find a fault in each row takes columns times rows. Raises UnreadableError.
    """
    for delimiter in (",", ";", "\t"):
        told = [cell.strip().strip('"').strip().lower() for cell in line.split(delimiter)][: _MOST_COLUMNS + 1]
        while told and not told[-1]:
            told.pop()
        names = [ALIASES.get(name, name) for name in told]
        if "subject" not in names or not {"secret", "uri"} & set(names):
            continue
        named = [name for name in names if name]
        if len(names) > _MOST_COLUMNS or not set(named) <= set(COLUMNS):
            raise UnreadableError(f"line {number}: there is a column that is not one of: {', '.join(COLUMNS)}")
        if len(set(named)) < len(named):
            raise UnreadableError(f"line {number}: the header line names a column twice")
        return names, delimiter, "hex" if "seed" in told else ""
    if any(cell.strip(' "').upper() in ("TOTP", "HOTP") for delimiter in ",;\t" for cell in line.split(delimiter)):
        raise UnreadableError(
            f"line {number}: this is an OATH CSV of tokens (serial, seed, type, digits, period) and names no people. "
            "Put the header line `serial,seed,type,digits,period,subject` above, and the person at each line's end"
        )
    if re.search(r"secret|seed|subject", line, re.IGNORECASE):
        raise UnreadableError(f"line {number}: columns are missing. {_HEADER}")
    raise UnreadableError(f"line {number}: there is no header line. {_HEADER}")


def of_uri(uri: str, *, account: bool = True) -> dict[str, str]:
    """`otpauth://totp/Issuer:account?secret=…&issuer=…&algorithm=…&digits=…&period=…`, by Google's Key URI Format.

    account: the label has to tell whose it is; it is the `subject` then. Raises ValueError.
    """
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
    kept = {name: found[name] for name in ("secret", "digits", "algorithm", "period") if found.get(name)}
    try:
        issuer, label = _label(parts.path.removeprefix("/"), found.get("issuer", ""))
    except AmbiguousError:
        if account:
            raise
        issuer, label = found.get("issuer", ""), unquote(parts.path.removeprefix("/"))
    return {"label": label, "issuer": issuer.strip(), **kept, **({"subject": label} if account else {})}


def _label(path: str, issuer: str) -> tuple[str, str]:
    """Issuer and account of a label. A colon stands between them, and may stand escaped in either; nobody agrees how.

    What begins with the issuer that the URI names itself is clear, and so is what has no colon, or one that separates
    where the URI names no issuer. Raises AmbiguousError for anything else.
    """
    plain = unquote(path)
    if issuer and plain.startswith(f"{issuer}:"):
        return issuer, plain[len(issuer) + 1 :].strip()
    if ":" not in plain:
        return issuer, plain.strip()
    prefix, separator, rest = path.partition(":")
    if separator and not issuer and ":" not in rest:
        return unquote(prefix), unquote(rest).strip()
    raise AmbiguousError


def _secret(text: str, encoding: str) -> bytes:
    """Raises ValueError that repeats nothing of it."""
    if _AS_A_NUMBER.fullmatch(text):
        raise ValueError("a spreadsheet has made a number of the secret; export the column as text")
    if encoding == "base32":
        return from_base32(text)
    readers: Mapping[str, Callable[[str], bytes]] = {
        "hex": lambda one: bytes.fromhex(one.replace(" ", "").removeprefix("0x")),
        "base64": lambda one: base64.b64decode(one, validate=True),
        "raw": lambda one: one.encode("ascii"),
    }
    if encoding not in readers:
        raise ValueError(f"`encoding` must be base32, {', '.join(readers)}")
    try:
        secret = readers[encoding](text)
    except (ValueError, binascii.Error):
        raise ValueError(f"the secret is not {encoding}") from None
    if not LEAST_SECRET_BYTES <= len(secret) <= LONGEST_SECRET_BYTES:
        raise ValueError(f"the secret must have {LEAST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes")
    return secret


def _text(found: Mapping[str, str], name: str) -> str:
    value = found.get(name, "")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"`{name}` must be up to {_LONGEST_TEXT} printable characters")
    return value
