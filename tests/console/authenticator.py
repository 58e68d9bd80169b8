"""An authenticator made of software, that can be told to answer wrongly: what a passkey says, byte by byte (WebAuthn
Level 3, §6.1). It knows nothing of our own code."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, AT, ED = 0x01, 0x04, 0x40, 0x80


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(told: str) -> bytes:
    return urlsafe_b64decode(told + "=" * (-len(told) % 4))


class Authenticator:
    """counter: what it says next; it goes on by one unless `counts` is off."""

    def __init__(self, origin: str, *, counts: bool = True) -> None:
        self.origin = origin
        self.rp_id = origin.partition("//")[2].partition(":")[0]
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.counts = counts
        self.counter = 0

    def created(self, options: dict[str, Any], **changed: Any) -> str:
        """The answer to `navigator.credentials.create`. changed: flags, rp_id, key, id, fmt, statement, more, told."""
        credential = changed.get("id", self.id)
        numbers = self.key.public_key().public_numbers()
        usual = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        key = changed.get("key", usual)
        attested = bytes(16) + struct.pack(">H", len(credential)) + credential
        attested += key if isinstance(key, bytes) else cbor2.dumps(key)
        data = self._data(changed.get("flags", UP | UV | AT), changed) + attested + changed.get("more", b"")
        statement = {"fmt": changed.get("fmt", "none"), "attStmt": changed.get("statement", {}), "authData": data}
        object_ = changed.get("object", cbor2.dumps(statement))
        response = {
            "clientDataJSON": text(self._told("webauthn.create", options, changed)),
            "attestationObject": text(object_),
        }
        return self._answer(credential, response, changed)

    def got(self, options: dict[str, Any], **changed: Any) -> str:
        """The answer to `navigator.credentials.get`. changed: flags, rp_id, counter, signature, told, id."""
        data = self._data(changed.get("flags", UP | UV), changed) + changed.get("more", b"")
        told = self._told("webauthn.get", options, changed)
        signed = data + hashlib.sha256(told).digest()
        signature = changed.get("signature") or self.key.sign(signed, ec.ECDSA(SHA256()))
        response = {"clientDataJSON": text(told), "authenticatorData": text(data), "signature": text(signature)}
        return self._answer(changed.get("id", self.id), response, changed)

    def _data(self, flags: int, changed: dict[str, Any]) -> bytes:
        if self.counts and "counter" not in changed:
            self.counter += 1
        counter = changed.get("counter", self.counter)
        rp_id = changed.get("rp_id", self.rp_id)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", counter)

    def _told(self, kind: str, options: dict[str, Any], changed: dict[str, Any]) -> bytes:
        """Client data; `told` changes members of it, bytes replace it."""
        told = changed.get("told", {})
        if isinstance(told, bytes):
            return told
        usual = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**usual, **told}).encode()

    def _answer(self, credential: bytes, response: dict[str, str], changed: dict[str, Any]) -> str:
        answer = {"id": text(credential), "rawId": text(credential), "type": "public-key", "response": response}
        return json.dumps({**answer, **changed.get("answer", {})})
