"""The stored form of a verification: where it lies, what is written about it, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from otp_service.domain.codes import Cost, Scope
from otp_service.domain.keyring import Keyring, Keys, Names
from otp_service.domain.lifecycle import Status, Verification
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.pumping import Decision
from otp_service.domain.value import Hidden, Value
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.remembered import counted_by
from otp_service.storage.subject_records import subject_in


class Agenda(Value):
    """What is to be done about a verification, and when: milliseconds of Redis time, 0 for never.

    lease: until when a walk may be under way. look: when gateways are asked about its messages. failover: when the next
    gateway has its turn. failovers: how often that happened.
    """

    lease: int = 0
    look: int = 0
    failover: int = 0
    failovers: int = 0


class Stored(Value):
    """What a script answered: the verification, and what only hashing and sending may see."""

    word: str
    extra: str
    verification: Verification | None
    key_id: str = ""
    salt: Hidden[bytes] = b""
    cost: Cost = Cost(0, 0, 0)
    code_length: int = 0
    has_local_hash: bool = False
    hashes: Hidden[Sequence[bytes]] = ()
    agenda: Agenda = Agenda()

    @property
    def wait_seconds(self) -> float:
        """`extra` where it holds milliseconds."""
        return max(1, int(self.extra or 0)) / 1000

    @property
    def found(self) -> Verification:
        """The verification, where `word` says that there is one."""
        if self.verification is None:
            raise LookupError(self.word)
        return self.verification

    @property
    def failover_due(self) -> bool:
        """It is the next gateway's turn, unless it turns out that the last message arrived."""
        return 0 < self.agenda.failover <= self.found.now

    @property
    def scope(self) -> Scope:
        return Scope(self.found.application, self.found.purpose, self.found.phone, self.found.id)


class Opening(Value):
    """A message to be recorded before its gateway is called."""

    number: int
    gateway: str
    channel: str
    code_source: CodeSource
    client_id: str
    local_hash: Hidden[bytes] = b""


class Settling(Value):
    """What became of a message."""

    number: int
    status: MessageStatus
    provider_id: str = ""
    parts: int = 0
    reason: str = ""
    gateway_hash: Hidden[bytes] = b""
    look_ms: int | None = None
    """After so long the gateway is asked what became of it; None: it cannot be asked."""


class Repeat(Value):
    """A request that may be a repeat: keyed hash of its Idempotency-Key ('' without one) and of its body."""

    op: str = ""
    fingerprint: str = ""


class Records:
    """Runs scripts over verifications and reads what they answer."""

    def __init__(self, database: Database, keyring: Keyring, names: Names) -> None:
        self.database = database
        self.keyring = keyring
        self._names = names

    def place(self, verification_id: str) -> keys.Place:
        located = self._names.locate(verification_id)
        if located is None:
            raise ValueError("not an id of ours; look with Names.locate first")
        return keys.Place.of(verification_id, *located)

    async def run(
        self,
        script: Script,
        verification_id: str,
        names: Sequence[str],
        args: Sequence[Argument],
        *,
        confirm: bool = False,
    ) -> Stored:
        reply = await self.database.run(script, names, args, confirm=confirm)
        return read(reply, verification_id, self.keyring)

    async def run_many(
        self, script: Script, calls: Sequence[tuple[str, Sequence[str], Sequence[Argument]]]
    ) -> list[Stored]:
        """One script over many verifications, (id, keys, arguments) each, in one round trip."""
        replies = await self.database.run_many(script, [(names, args) for _, names, args in calls])
        return [read(reply, call[0], self.keyring) for reply, call in zip(replies, calls, strict=True)]

    def keys_of(self, stored: Stored) -> Keys:
        """The keys that a pending verification was made under. Without them it reads as expired."""
        found = self.keyring.get(stored.key_id)
        if found is None:
            raise LookupError(f"root secret {stored.key_id} is no longer listed")
        return found


def read(reply: Any, verification_id: str, keyring: Keyring) -> Stored:
    """Read {word, extra, now, record}.

    A record whose root secret is no longer listed reads as expired and without its phone.
    """
    word, extra, now, flat = reply
    record: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    if b"status" not in record:
        return Stored(word.decode(), extra.decode(), None)
    key_id = _text(record, b"key_id")
    holder = keyring.get(key_id)
    phone = holder.open(record[b"phone"], verification_id.encode()).decode() if holder else ""
    status = Status(_text(record, b"status"))
    expires_at = _number(record, b"expires_at")
    if status is Status.PENDING and (int(now) >= expires_at or not holder):
        status = Status.EXPIRED
    verification = Verification(
        id=verification_id,
        application=_text(record, b"application"),
        phone=phone,
        purpose=_text(record, b"purpose"),
        channel=_text(record, b"channel"),
        locale=_text(record, b"locale"),
        platform=_text(record, b"platform"),
        reference=_text(record, b"reference"),
        subject=subject_in(holder, record.get(b"subject"), verification_id),
        number=Number(_text(record, b"operator"), _text(record, b"operator_region")),
        status=status,
        created_at=_number(record, b"created_at"),
        expires_at=expires_at,
        resend_at=_number(record, b"resend_at"),
        attempts=_number(record, b"attempts"),
        max_attempts=_number(record, b"max_attempts"),
        sends=_number(record, b"sends"),
        max_sends=_number(record, b"max_sends"),
        ended_at=_number(record, b"ended_at"),
        attempted_at=[_number(record, b"a%d" % n) for n in range(1, _number(record, b"attempts") + 1)],
        revision=_number(record, b"revision"),
        messages=[_message(record, n) for n in range(1, _number(record, b"messages") + 1)],
        now=int(now),
        guard=Decision.parse(_text(record, b"guard")),
        test=b"test" in record,
        counted_by=counted_by(record),
    )
    return Stored(
        word.decode(),
        extra.decode(),
        verification,
        key_id,
        record.get(b"salt", b""),
        Cost.parse(_text(record, b"cost") or "0,0,0"),
        _number(record, b"code_length"),
        b"hash:local" in record,
        [record[name] for name in (b"hash:gateway", b"hash:earlier", b"hash:local") if name in record],
        Agenda(*(_number(record, name) for name in (b"lease", b"look_at", b"failover_at", b"failovers"))),
    )


@cache
def _names(number: int) -> Mapping[str, bytes]:
    """Of the fields of a message: by what they are called here, what they are called in the record."""
    words = ("gateway", "channel", "source", "status", "queued_at", "updated_at", "sent_at", "ended_at", "parts",
             "client_id", "provider_id", "reason", "price", "pushed")  # fmt: skip
    return {word: f"m{number}:{word}".encode() for word in words}


def _message(record: Mapping[bytes, bytes], number: int) -> Message:
    name = _names(number)
    return Message(
        number=number,
        gateway=_text(record, name["gateway"]),
        channel=_text(record, name["channel"]),
        code_source=CodeSource(_text(record, name["source"])),
        status=MessageStatus(_text(record, name["status"])),
        queued_at=_number(record, name["queued_at"]),
        updated_at=_number(record, name["updated_at"]),
        sent_at=_number(record, name["sent_at"]),
        ended_at=_number(record, name["ended_at"]),
        parts=_number(record, name["parts"]),
        client_id=_text(record, name["client_id"]),
        provider_id=_text(record, name["provider_id"]),
        reason=_text(record, name["reason"]),
        price=_text(record, name["price"]),
        pushed=_text(record, name["pushed"]),
    )


def _text(record: Mapping[bytes, bytes], name: bytes) -> str:
    return record.get(name, b"").decode()


def _number(record: Mapping[bytes, bytes], name: bytes) -> int:
    return int(record.get(name, b"0"))
