"""Keys made from the root secret, and keyed names for things that must not be named in clear.

HKDF-SHA256 (RFC 5869) gives each use a key of its own, so that none can stand in for another. A verification
remembers the id of the root secret it was made under, so that an old secret keeps working while it is listed. A lasting
value carries that id in front of itself, so that it can be sealed anew by itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from otp_service.domain.value import Hidden, Value

NONCE_BYTES = 12
RANDOM_BYTES = 16
PHONE_INDEX_BYTES = 9
SUBJECT_INDEX_BYTES = 14
KEY_ID_BYTES = 4


def frame(*parts: bytes) -> bytes:
    """Join parts so that no two different lists give the same bytes: each is preceded by its length."""
    return b"".join([len(part).to_bytes(4) + part for part in parts])


class Keys(Value):
    """The keys of one root secret."""

    id: str
    pepper: Hidden[bytes]
    code_derivation: Hidden[bytes]
    encryption: Hidden[bytes]

    @classmethod
    def of(cls, root: str) -> Keys:
        def key(use: str, length: int = 32) -> bytes:
            return HKDF(SHA256(), length, salt=None, info=b"otp-service/" + use.encode()).derive(root.encode())

        return cls(key("id", KEY_ID_BYTES).hex(), key("pepper"), key("code"), key("encryption"))

    def packed(self) -> bytes:
        """The keys themselves, to be sealed under another root secret when this one goes."""
        return self.pepper + self.code_derivation + self.encryption

    @classmethod
    def unpacked(cls, key_id: str, packed: bytes) -> Keys:
        return cls(key_id, packed[:32], packed[32:64], packed[64:])

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """AES-256-GCM; `bound_to` is authenticated with it, so a value moved elsewhere does not open."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + _cipher(self.encryption).encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Raises ValueError if it was sealed under another key, bound to something else, or touched."""
        try:
            return _cipher(self.encryption).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise ValueError("sealed under another key, or damaged") from None


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


class Keyring:
    """All root secrets in use, the current one first, and the keys of retired ones (storage/install.py)."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._by_id = {keys.id: keys for keys in map(Keys.of, roots)}
        self.current = next(iter(self._by_id.values()))

    @property
    def former(self) -> Sequence[Keys]:
        """All but the current ones."""
        return [keys for keys in self._by_id.values() if keys is not self.current]

    def add(self, retired: Keys) -> None:
        """From now on what was made under this one is understood as if its secret were listed."""
        self._by_id.setdefault(retired.id, retired)

    def get(self, key_id: str) -> Keys | None:
        """None when that secret is neither listed nor retired."""
        return self._by_id.get(key_id)

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Seal under the current secret, whose id goes in front."""
        return bytes.fromhex(self.current.id) + self.current.seal(plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Raises LookupError if its secret is not known, ValueError if it is damaged or stands elsewhere."""
        holder = self.get(sealed[:KEY_ID_BYTES].hex())
        if holder is None:
            raise LookupError("sealed under a root secret that is neither listed nor retired")
        return holder.open(sealed[KEY_ID_BYTES:], bound_to)

    def is_current(self, sealed: bytes) -> bool:
        return sealed[:KEY_ID_BYTES].hex() == self.current.id


class SubjectPlace(Value):
    """Where everything of one subject is kept: all of it in one slot, under a keyed name."""

    partition: int
    index: str


class Names(Value):
    """Keyed names made from the index key: random, made at install, never changed, so rotation moves nothing.

    A verification id is 16 random bytes, then the partition (2 bytes) and the phone's index (9 bytes) masked by an
    HMAC of the random part: whoever reads an id learns nothing from it, and we find every key of its phone without
    asking Redis first.
    """

    index_key: Hidden[bytes]
    partitions: int

    def _mac(self, use: bytes, *parts: bytes) -> bytes:
        return _named(self.index_key, use, parts)

    def partition(self, phone: str) -> int:
        return int.from_bytes(self._mac(b"partition", phone.encode())[:8], "big") % self.partitions

    def phone_index(self, application: str, phone: str) -> str:
        return self._mac(b"phone", application.encode(), phone.encode())[:PHONE_INDEX_BYTES].hex()

    def idempotency(self, application: str, key: str) -> str:
        return self._mac(b"idempotency", application.encode(), key.encode())[:16].hex()

    def fingerprint(self, *parts: str) -> str:
        """Of a request's meaning; 12 bytes, so that two bodies never pass for the same one."""
        return self._mac(b"fingerprint", *map(str.encode, parts))[:12].hex()

    def pseudonym(self, dimension: str, value: str) -> str:
        """Stands for a value that something is counted by, an address or a number, where the value must not stand."""
        return self._mac(b"stand-in", dimension.encode(), value.encode())[:9].hex()

    def counter(self, *parts: str) -> str:
        return self._mac(b"counter", *map(str.encode, parts))[:12].hex()

    def new_id(self, application: str, phone: str) -> str:
        packed = self.partition(phone).to_bytes(2, "big") + bytes.fromhex(self.phone_index(application, phone))
        random = secrets.token_bytes(RANDOM_BYTES)
        return base64.urlsafe_b64encode(random + self._masked(random, packed)).decode()

    def locate(self, verification_id: str) -> tuple[int, str] | None:
        """Partition and phone index of an id; None for what has not the form of one.

        An id that nobody made leads somewhere, too, so that it is looked up like any other and takes as long.
        """
        return _located(self, verification_id)

    def subject(self, application: str, subject: str) -> SubjectPlace:
        return self._place(self._mac(b"subject", application.encode(), subject.encode())[:SUBJECT_INDEX_BYTES])

    def new_factor_id(self, place: SubjectPlace) -> str:
        """Carries its place as a verification's id does."""
        random = secrets.token_bytes(RANDOM_BYTES)
        return base64.urlsafe_b64encode(random + self._masked(random, bytes.fromhex(place.index))).decode()

    def locate_factor(self, factor_id: str) -> SubjectPlace | None:
        """None if it cannot be one of ours."""
        try:
            raw = base64.b64decode(factor_id, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(raw) != RANDOM_BYTES + SUBJECT_INDEX_BYTES:
            return None
        return self._place(self._masked(raw[:RANDOM_BYTES], raw[RANDOM_BYTES:]))

    def selector(self, place: SubjectPlace, selector: str) -> str:
        """Under which one backup code of a subject is kept: its selector is a third of what the person holds."""
        return self._mac(b"selector", place.index.encode(), selector.encode())[:8].hex()

    def secret_fingerprint(self, place: SubjectPlace, secret: bytes) -> str:
        """Of an imported secret, so that importing it again finds it."""
        return self._mac(b"import", place.index.encode(), secret)[:12].hex()

    def _place(self, index: bytes) -> SubjectPlace:
        return SubjectPlace(int.from_bytes(index[:8], "big") % self.partitions, index.hex())

    def _masked(self, random: bytes, packed: bytes) -> bytes:
        mask = self._mac(b"id", random)[: len(packed)]
        return (int.from_bytes(packed, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(packed), "big")


@lru_cache(maxsize=1024)  # each step of a request asks anew, and what many share is asked for again and again
def _named(key: bytes, use: bytes, parts: tuple[bytes, ...]) -> bytes:
    mac = _begun(key).copy()  # half of `hmac.digest`, which looks the algorithm up and reads the key each time
    mac.update(frame(use, *parts))
    return mac.digest()


@lru_cache(maxsize=16)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)


@lru_cache(maxsize=1024)
def _located(names: Names, verification_id: str) -> tuple[int, str] | None:
    """See Names.locate."""
    try:
        raw = base64.b64decode(verification_id, altchars=b"-_", validate=True)
    except ValueError:
        return None
    if len(raw) != RANDOM_BYTES + 2 + PHONE_INDEX_BYTES:
        return None
    place = names._masked(raw[:RANDOM_BYTES], raw[RANDOM_BYTES:])
    return int.from_bytes(place[:2], "big") % names.partitions, place[2:].hex()
