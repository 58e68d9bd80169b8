"""What authenticator apps and servers export, as the fields of totp_import: read by their forms, as published.

Aegis, 2FAS, andOTP, FreeOTP+, Bitwarden, Keycloak (JSON), and Google Authenticator's otpauth-migration URIs. Ente and
others write otpauth URIs. An export of an app names the account of each authenticator, and that is the subject.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fields = dict[str, str]
LONGEST_MIGRATION = 16_384
"""Bytes of one QR code's payload; a code holds less than 3,000."""


class UnreadableError(ValueError):
    """A file as a whole: nothing of it was read. Says why, and what to do."""


class AmbiguousError(ValueError):
    """An authenticator whose label does not tell whose it is."""

    def __init__(self) -> None:
        super().__init__("the label can be read in two ways, because of its colon; name the person in `subject`")


def account_of(label: str, issuer: str) -> str:
    """The account in a plain label, as in `Example: anna`. Raises AmbiguousError."""
    if issuer and label.startswith(f"{issuer}:"):
        return label[len(issuer) + 1 :].strip()
    if ":" in label:
        raise AmbiguousError
    return label.strip()


def of_json(text: str) -> Iterator[Fields | AmbiguousError]:
    """Raises UnreadableError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError("this is neither CSV nor URIs nor sound JSON") from None
    try:
        read = list(_entries(found))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("an entry of this export has not the form that we know of its kind") from None
    if not read:
        raise UnreadableError("this export holds no authenticator")
    yield from read


def _entries(found: Any) -> Iterator[Fields | AmbiguousError]:
    match found:
        case {"db": str()} | {"servicesEncrypted": str()} | {"encrypted": True}:
            raise UnreadableError(
                "this export is encrypted; export it without a password, and delete the file afterwards"
            )
        case {"db": {"entries": list() as entries}}:
            yield from _each(_aegis, entries)
        case {"services": list() as services}:
            yield from _each(_two_fas, services)
        case {"tokens": list() as tokens}:
            yield from _each(_free_otp, tokens)
        case {"items": list() as items}:
            yield from (_bitwarden(item) for item in items if (item.get("login") or {}).get("totp"))
        case {"users": list() as users}:
            for user in users:
                for credential in user.get("credentials") or ():
                    if credential.get("type") == "otp":
                        yield _keycloak(str(user["username"]), credential)
        case [{"secret": str(), "label": str()}, *_]:
            yield from _each(_and_otp, found)
        case _:
            raise UnreadableError(
                "this is none of the exports that we know: Aegis, 2FAS, andOTP, FreeOTP+, Bitwarden, Keycloak"
            )


def _fields(kind: Any, label: Any, issuer: Any, secret: Any, digits: Any, algorithm: Any, period: Any) -> Fields:
    found = {"type": kind, "label": label, "issuer": issuer, "secret": secret, "digits": digits,
             "algorithm": algorithm, "period": period}  # fmt: skip
    told = {name: str(value) for name, value in found.items() if value not in (None, "")}
    account = account_of(told.get("label", ""), told.get("issuer", ""))
    return told | {"subject": account, "label": account}


def _each(read: Callable[[Any], Fields], entries: Iterable[Any]) -> Iterator[Fields | AmbiguousError]:
    for entry in entries:
        try:
            yield read(entry)
        except AmbiguousError as error:
            yield error


def _aegis(entry: Mapping[str, Any]) -> Fields:
    info = entry["info"]
    return _fields(
        entry["type"], entry.get("name"), entry.get("issuer"), info["secret"], info.get("digits"), info.get("algo"),
        info.get("period"),
    )  # fmt: skip


def _two_fas(service: Mapping[str, Any]) -> Fields:
    otp = service["otp"]
    label = otp.get("account") or otp.get("label") or service.get("name")
    return _fields(
        otp.get("tokenType"), label, otp.get("issuer"), service["secret"], otp.get("digits"), otp.get("algorithm"),
        otp.get("period"),
    )  # fmt: skip


def _and_otp(entry: Mapping[str, Any]) -> Fields:
    return _fields(
        entry.get("type"), entry["label"], entry.get("issuer"), entry["secret"], entry.get("digits"),
        entry.get("algorithm"), entry.get("period"),
    )  # fmt: skip


def _free_otp(token: Mapping[str, Any]) -> Fields:
    """Secrets are lists of signed bytes."""
    secret = bytes(byte & 255 for byte in token["secret"])
    found = _fields(
        token.get("type"), token.get("label"), token.get("issuerExt"), secret.hex(), token.get("digits"),
        token.get("algo"), token.get("period"),
    )  # fmt: skip
    return found | {"encoding": "hex"}


def _bitwarden(item: Mapping[str, Any]) -> Fields:
    totp, user = str(item["login"]["totp"]), str(item["login"].get("username") or "")
    subject = {"subject": user} if user else {}
    if totp.startswith("otpauth://"):
        return {"uri": totp, **subject}
    return {"secret": totp, "issuer": str(item.get("name") or ""), "subject": user, "label": user}


def _keycloak(username: str, credential: Mapping[str, Any]) -> Fields:
    """The characters of the stored secret are its bytes, unless it is said to be base32."""
    secret, form = json.loads(credential["secretData"]), json.loads(credential["credentialData"])
    base32 = str(form.get("secretEncoding") or "").upper() == "BASE32"
    found = {
        "subject": username, "name": credential.get("userLabel"), "secret": secret["value"],
        "encoding": "base32" if base32 else "raw", "type": form.get("subType"), "digits": form.get("digits"),
        "algorithm": form.get("algorithm"), "period": form.get("period"),
    }  # fmt: skip
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


_ALGORITHMS = {0: "SHA1", 1: "SHA1", 2: "SHA256", 3: "SHA512", 4: "MD5"}
_DIGIT_COUNTS = {0: "6", 1: "6", 2: "8"}
_TYPES = {0: "totp", 1: "hotp", 2: "totp"}


def of_migration(uri: str) -> Iterator[Fields | AmbiguousError]:
    """`otpauth-migration://offline?data=…`: what Google Authenticator shows as QR codes. Raises ValueError.

    The data are base64 of a protocol buffer: field 1, repeated, is an authenticator; in it 1 is the secret, 2 the name,
    3 the issuer, 4 the algorithm, 5 the number of digits, 6 the type.
    """
    try:
        data = parse_qs(urlsplit(uri).query, strict_parsing=True, max_num_fields=4)["data"][0]
        payload = base64.b64decode(data.replace(" ", "+").replace("-", "+").replace("_", "/"), validate=True)
        members = _members(payload[:LONGEST_MIGRATION])
        found = [dict(_members(value)) for number, value in members if number == 1 and isinstance(value, bytes)]
        read = list(_each(_authenticator, found))
    except (KeyError, IndexError, ValueError, TypeError, binascii.Error):
        raise ValueError("the otpauth-migration URI cannot be read") from None
    if not read:
        raise ValueError("the otpauth-migration URI holds no authenticator")
    yield from read


def _authenticator(members: Mapping[int, int | bytes]) -> Fields:
    def text(number: int) -> str:
        value = members.get(number, b"")
        return value.decode() if isinstance(value, bytes) else ""

    def word(number: int, words: Mapping[int, str]) -> str:
        value = members.get(number, 0)
        return words.get(value, "unknown") if isinstance(value, int) else "unknown"

    secret = members[1]
    if not isinstance(secret, bytes):
        raise TypeError("the secret is no bytes")
    found = _fields(word(6, _TYPES), text(2), text(3), secret.hex(), word(5, _DIGIT_COUNTS), word(4, _ALGORITHMS), "30")
    return found | {"encoding": "hex"}


def _members(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The members of a protocol buffer message, by their numbers. Raises ValueError, IndexError."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                number, at = _varint(message, at)
                yield tag >> 3, number
            case 2:
                length, at = _varint(message, at)
                if at + length > len(message):
                    raise ValueError("cut off")
                yield tag >> 3, message[at : at + length]
                at += length
            case _:
                raise ValueError("a form that this message does not have")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")
