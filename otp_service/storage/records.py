"""The stored form of a verification: where it lies, what is written about it, and how it is read back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic

import msgspec

from otp_service.domain import inbound, workflows
from otp_service.domain.codes import Cost, Scope
from otp_service.domain.inbound import Expected
from otp_service.domain.keyring import Keyring, Keys, Names
from otp_service.domain.messages import CodeSource, Message, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.pumping import Decision
from otp_service.domain.reasons import NoReason, Reason, stored_reason
from otp_service.domain.requests import OWN_WORDS, Content
from otp_service.domain.route_choice import Choice
from otp_service.domain.value import Hidden, Value
from otp_service.domain.verifications import Status, Verification
from otp_service.errors import Unreadable
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of
from otp_service.storage.script import W_co
from otp_service.storage.subject_records import subject_in


class WalkId(Value):
    """Names one walk: a number that grows with each take-over, resend and fail-over, and the end of its lease.

    lease: 0 where Redis did not answer the claim.
    """

    verification_id: str
    number: int
    lease: int


class DueTimes(Value):
    """What is to be done about a verification, and when: milliseconds of Redis time, 0 for never.

    lease: until when a walk may be under way. look: when gateways are asked about its messages. failover: when the next
    gateway has its turn. failovers: how often that happened.
    """

    lease: int = 0
    look: int = 0
    failover: int = 0
    failovers: int = 0


class Stored(Value):
    """What a script answered: the verification, and what only hashing and sending may see.

    detail: what the script says beside its word; its header tells of each word what.
    """

    detail: str
    present: Verification | None
    key_id: str = ""
    salt: Hidden[bytes] = b""
    cost: Cost = Cost(0, 0, 0)
    code_length: int = 0
    has_local_hash: bool = False
    hashes: Hidden[Sequence[bytes]] = ()
    own_hashes: Hidden[Mapping[int, bytes]] = msgspec.field(default_factory=dict)
    """Of messages after the first that carry a code of their own, by their number; they are among `hashes`."""
    local_hash: Hidden[bytes] = b""
    gateway_hash: Hidden[bytes] = b""
    per_message: bool = False
    """Each further message is to carry a code of its own."""
    due_times: DueTimes = DueTimes()
    content: Hidden[Content] = OWN_WORDS
    """What it says instead of the application's own words, while it may be sent."""
    walk_number: int = 0
    asked_at: float = 0.0
    """When the script was asked, by the event loop's clock: no later than Redis counts its leases from."""

    def hashes_by_message(self) -> Mapping[int, bytes]:
        """Where each message carries a code of its own: all live hashes by the number of their message."""
        if not self.per_message or self.present is None:
            return {}
        sources = {message.code_source: message.number for message in reversed(self.present.messages)}
        first = {CodeSource.LOCAL: self.local_hash, CodeSource.GATEWAY: self.gateway_hash}
        return {
            **{sources[source]: one for source, one in first.items() if one and source in sources},
            **self.own_hashes,
        }

    @property
    def walk(self) -> WalkId:
        """The walk that is under way."""
        return WalkId(self.verification.id, self.walk_number, self.due_times.lease)

    @property
    def wait_seconds(self) -> float:
        """`detail` where it holds milliseconds."""
        return max(1, int(self.detail or 0)) / 1000

    @property
    def verification(self) -> Verification:
        """The verification, where the script's word says that there is one."""
        if self.present is None:
            raise LookupError("no record was read")
        return self.present

    @property
    def failover_due(self) -> bool:
        """It is the next gateway's turn, unless it turns out that the last message arrived."""
        return 0 < self.due_times.failover <= self.verification.now

    @property
    def scope(self) -> Scope:
        return Scope(
            self.verification.application, self.verification.purpose, self.verification.phone, self.verification.id
        )


class Answered(Stored, Generic[W_co], kw_only=True):
    """With the word that the script answered."""

    word: W_co


class NewMessage(Value):
    """A message to be recorded before its gateway is called."""

    number: int
    gateway: str
    channel: str
    code_source: CodeSource
    client_id: str
    local_hash: Hidden[bytes] = b""
    again: bool = False
    """It was handed to its gateway before; nothing is recorded anew."""


class MessageResult(Value):
    """What became of a message."""

    number: int
    status: MessageStatus
    provider_id: str = ""
    parts: int = 0
    reason: Reason | NoReason = ""
    gateway_hash: Hidden[bytes] = b""
    look_ms: int | None = None
    """After so long the gateway is asked what became of it; None: it cannot be asked."""
    words: str = ""
    """Of the gateway, where no document lists them; for operators alone."""
    price: str = ""
    """Of one part, as the gateway wrote it."""


class Repeat(Value):
    """A request that may be a repeat: keyed hash of its Idempotency-Key ('' without one) and of its body."""

    op: str = ""
    fingerprint: str = ""


_COUNTED_BY = b"by:"
"""Begins the fields with what limits counted a start by, so that later sends are counted by the same."""


def counted_by_fields(pseudonyms: Mapping[str, str], words: Iterable[str]) -> dict[str, str]:
    """For those of the words (dimensions of limits) that have a pseudonym."""
    return {_COUNTED_BY.decode() + word: pseudonyms[word] for word in words if word in pseudonyms}


def _counted_by(record: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name[3:].decode(): record[name].decode() for name in record if name[:3] == _COUNTED_BY}


class Records:
    """Runs scripts over verifications and reads what they answer."""

    def __init__(self, database: Database, keyring: Keyring, names: Names) -> None:
        self.database = database
        self.keyring = keyring
        self._names = names

    def key_names(self, verification_id: str) -> keys.VerificationKeys:
        located = self._names.locate(verification_id)
        if located is None:
            raise ValueError("not an id of ours; look with Names.locate first")
        return keys.VerificationKeys.of(verification_id, *located)

    async def run(
        self,
        script: Script[W_co],
        verification_id: str,
        names: Sequence[str],
        args: Sequence[Argument],
        *,
        confirm: bool = False,
    ) -> Answered[W_co]:
        asked_at = asyncio.get_running_loop().time()
        reply = await self.database.run(script, names, args, confirm=confirm)
        return await self._read(reply, verification_id, names, asked_at)

    async def run_many(
        self, script: Script[words.Read], calls: Sequence[tuple[str, Sequence[str], Sequence[Argument]]]
    ) -> list[Answered[words.ReadMany]]:
        """One script over many verifications, (id, keys, arguments) each, in one round trip. The word of one that
        cannot be read is `unreadable`."""
        replies = await self.database.run_many(script, [(names, args) for _, names, args in calls], each=True)
        found: list[Answered[words.ReadMany]] = []
        for reply, (verification_id, names, _) in zip(replies, calls, strict=True):
            try:
                found.append(await self._read(reply, verification_id, names))
            except Unreadable:
                found.append(Answered("", None, word="unreadable"))
        return found

    async def _read(
        self, reply: Any, verification_id: str, names: Sequence[str], asked_at: float = 0.0
    ) -> Answered[Any]:
        """names: the keys, that of the verification first. reply: None for one that a script could not read."""
        try:
            if reply is not None:
                return read(reply, verification_id, self.keyring, asked_at)
        except (LookupError, ValueError, TypeError) as error:
            raise await self.database.left(names[0], type(error).__name__) from error
        raise await self.database.left(names[0], "a script does not understand it")

    def keys_of(self, stored: Stored) -> Keys:
        """The keys that a pending verification was made under. Without them it reads as expired."""
        found = self.keyring.get(stored.key_id)
        if found is None:
            raise LookupError(f"root secret {stored.key_id} is no longer listed")
        return found


def read(reply: Any, verification_id: str, keyring: Keyring, asked_at: float = 0.0) -> Answered[Any]:
    """Read {word, extra, now, record}.

    A record whose root secret is no longer listed reads as expired and without its phone.
    """
    word, extra, now, flat = reply
    record = hash_of(flat)
    if b"status" not in record:
        return Answered(extra.decode(), None, asked_at=asked_at, word=word.decode())
    key_id = _text(record, b"key_id")
    holder = keyring.get(key_id)
    phone = holder.open(record[b"phone"], verification_id.encode()).decode() if holder else ""
    messages = [_message(record, number) for number in range(1, _number(record, b"messages") + 1)]
    attempts = _number(record, b"attempts")
    own_hashes = {one.number: record[name] for one in messages if (name := b"hash:%d" % one.number) in record}
    status = _STATUSES[_text(record, b"status")]
    expires_at = _number(record, b"expires_at")
    if status is Status.PENDING and (int(now) >= expires_at or not holder):
        status = Status.EXPIRED
    verification = Verification(
        id=verification_id,
        application=_text(record, b"application"),
        phone=phone,
        purpose=_text(record, b"purpose"),
        channel=_text(record, b"channel"),
        locale=_text(record, b"locale_tag") or _text(record, b"locale") or _text(record, b"language"),
        platform=_text(record, b"platform"),
        reference=_text(record, b"reference"),
        subject=subject_in(holder, record.get(b"subject"), verification_id),
        number=Number(_text(record, b"operator"), _text(record, b"operator_region")),
        status=status,
        created_at=_number(record, b"created_at"),
        expires_at=expires_at,
        resend_at=_number(record, b"resend_at"),
        attempts=attempts,
        max_attempts=_number(record, b"max_attempts"),
        sends=_number(record, b"sends"),
        max_sends=_number(record, b"max_sends"),
        ended_at=_number(record, b"ended_at"),
        attempted_at=[_number(record, b"a%d" % number) for number in range(1, attempts + 1)],
        revision=_number(record, b"revision"),
        messages=messages,
        now=int(now),
        guard=Decision.parse(_text(record, b"guard"), _text(record, b"verdict")),
        test=b"test" in record,
        withheld=b"withheld" in record or any(message.withheld for message in messages),
        counted_by=_counted_by(record),
        delivery=b"kind" in record,
        converted_at=_number(record, b"converted_at"),
        failover_at=_number(record, b"failover_at"),
        service=_text(record, b"service"),
        own_code=b"own_code" in record,
        assurance=_text(record, b"assurance"),
        expected=_expected(holder, record) if status is Status.PENDING else None,
        steps=workflows.parse(_text(record, b"steps")),
        route=Choice.parse(_text(record, b"route")),
        entered=_number(record, b"entered"),
        unreached=tuple(filter(None, _text(record, b"unreached").split(","))),
        once_unreached=b"unreached" in record or b"once_unreached" in record,
    )
    return Answered(
        extra.decode(),
        verification,
        key_id,
        record.get(b"salt", b""),
        Cost.parse(_text(record, b"cost") or "0,0,0"),
        _number(record, b"code_length"),
        b"hash:local" in record,
        [record[name] for name in (b"hash:gateway", b"hash:earlier", b"hash:local") if name in record]
        + list(own_hashes.values()),
        own_hashes,
        record.get(b"hash:local", b""),
        b"" if b"hash:earlier" in record else record.get(b"hash:gateway", b""),  # of two it is not known whose
        b"per_message" in record,
        DueTimes(
            _number(record, b"lease"),
            _number(record, b"look_at"),
            verification.failover_at,
            _number(record, b"failovers"),
        ),
        _content(holder, record.get(b"content", b""), verification_id),
        _number(record, b"walk"),
        asked_at,
        word=word.decode(),
    )


def seal_content(keys_: Keys, content: Content, verification_id: str) -> bytes:
    return keys_.seal(msgspec.json.encode(content), f"content {verification_id}".encode())


def _content(holder: Keys | None, sealed: bytes, verification_id: str) -> Content:
    if not sealed or holder is None:
        return OWN_WORDS
    return msgspec.json.decode(holder.open(sealed, f"content {verification_id}".encode()), type=Content)


def _expected(holder: Keys | None, record: Mapping[bytes, bytes]) -> Expected | None:
    number, salt = _text(record, b"inbound_number"), record.get(b"salt", b"")
    if not number or not salt or holder is None:
        return None
    return Expected(number, _text(record, b"inbound_prefix"), inbound.code_of(holder.code_derivation, salt))


_STATUSES = {one.value: one for one in Status}
_MESSAGE_STATUSES = {one.value: one for one in MessageStatus}
_SOURCES = {one.value: one for one in CodeSource}
"""To ask the enumeration itself takes eight times as long."""
_OF_A_MESSAGE = (
    "gateway", "channel", "source", "status", "client_id", "provider_id", "reason", "price", "pushed", "words",
    "queued_at", "updated_at", "sent_at", "ended_at", "parts",
)  # fmt: skip


@cache
def _names(number: int) -> Sequence[bytes]:
    """What the fields of a message are called in the record, in the order of `_OF_A_MESSAGE`."""
    return [f"m{number}:{word}".encode() for word in _OF_A_MESSAGE]


def _message(record: Mapping[bytes, bytes], number: int) -> Message:
    gateway, channel, source, status, client_id, provider_id, reason, price, pushed, words, *numbers = [
        record.get(name, b"").decode() for name in _names(number)
    ]
    queued_at, updated_at, sent_at, ended_at, parts = [int(one or 0) for one in numbers]
    return Message(
        number=number,
        gateway=gateway,
        channel=channel,
        code_source=_SOURCES[source],
        status=_MESSAGE_STATUSES[status],
        queued_at=queued_at,
        updated_at=updated_at,
        sent_at=sent_at,
        ended_at=ended_at,
        parts=parts,
        client_id=client_id,
        provider_id=provider_id,
        reason=stored_reason(reason),
        price=price,
        pushed=pushed,
        words=words,
    )


def _text(record: Mapping[bytes, bytes], name: bytes) -> str:
    return record.get(name, b"").decode()


def _number(record: Mapping[bytes, bytes], name: bytes) -> int:
    return int(record.get(name, b"0"))
