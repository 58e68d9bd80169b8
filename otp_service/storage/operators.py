"""Operators of the console in Redis: accounts, the links by which they are taken possession of, and sessions.

Of links and sessions only the SHA-256 is kept, which is enough for 256 random bits; of passwords argon2id.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Mapping, Sequence

import msgspec

from otp_service.domain import ledger, operators
from otp_service.domain.operators import Operator, Role
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Unreadable
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of

LINK_MS = 86_400_000
REMEMBERED_MS = 86_400_000
"""How long wrong passwords in a row are remembered after the last."""
DECOYS = 65_536
"""Names that nobody has share so many counts: few enough that trying them fills no memory (10 MB), and so many that
hours of guesses, of which one is judged at a time, are needed until a name meets a count that waits for others."""
STRANGERS_MS = 60_000
"""How often at most a failed sign-in under an unknown name is recorded; those in between are counted."""
NOBODY = "nobody"
"""An id that no operator has: who looks for a name that nobody has reads as much as for any other."""
PASSKEY = "passkey:"
_READ: Script[words.OperatorSession] = Script.load("operator/read_session")
_TAKE_PASSWORD: Script[words.TakePassword] = Script.load("operator/take_password")
_ADD, _RESET, _REMOVE, _ENROL, _OPEN, _CHANGE, _USE_PASSKEY, _NOTE_STRANGER = (
    Script.load(f"operator/{name}")
    for name in ("add", "reset", "remove", "enrol", "open_session", "change", "use_passkey", "note_stranger")
)


class Account(Value):
    """secret: salt and hash of the password, empty where none is set yet. passkeys: by credential id (base64url).
    link: SHA-256 of the one link that is good, as hex digits; empty where there is none. epoch: another one ends all
    sessions."""

    operator: Operator
    secret: Hidden[bytes]
    passkeys: Hidden[Mapping[str, bytes]]
    link: str = ""
    epoch: str = ""


class Passkey(msgspec.Struct, frozen=True):
    """public_key: COSE. used: its counter, 0 for one that does not count."""

    public_key: bytes
    used: int


class Session(Value):
    """token: what the cookie holds. stage: `password` while the second factor is wanted, then `full`."""

    token: Hidden[str]
    stage: str
    by: str
    account: Account

    @property
    def operator(self) -> Operator:
        return self.account.operator

    def derived(self, use: str) -> str:
        """Something that only this session knows, for one use: 256 bits, as hex digits."""
        return hashlib.sha256(f"{use} {self.token}".encode()).hexdigest()


class Wait(Value):
    """seconds: how long to wait."""

    word: words.TakePassword
    seconds: float


class OperatorStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, role: Role) -> str | None:
        """A new account; returns the token of its link. None: somebody has this name."""
        operator_id = secrets.token_hex(8)
        token, digest = _link()
        names = [keys.OPERATORS, keys.operator(operator_id), keys.operator_link(digest)]
        added = await self._database.run(_ADD, names, [name, operator_id, str(role), LINK_MS, digest], confirm=True)
        return token if added else None

    async def reset(self, operator_id: str) -> str | None:
        """End all that the operator signs in with; returns the token of the one link that is valid now."""
        token, digest = _link()
        names = [keys.operator(operator_id), keys.operator_link(digest), keys.wrong_passwords(operator_id)]
        return token if await self._database.run(_RESET, names, [operator_id, LINK_MS, digest], confirm=True) else None

    async def remove(self, name: str, operator_id: str) -> bool:
        names = [keys.OPERATORS, keys.operator(operator_id), keys.wrong_passwords(operator_id)]
        return bool(await self._database.run(_REMOVE, names, [name], confirm=True))

    async def list(self) -> Sequence[Operator]:
        """All of them but those whose record cannot be read."""
        found = []
        for operator_id in (await self._database.command("HGETALL", keys.OPERATORS)).values():
            with contextlib.suppress(Unreadable):
                if account := await self.read(operator_id.decode(errors="replace")):
                    found.append(account.operator)
        return sorted(found, key=lambda one: one.name)

    async def find(self, name: str) -> Account | None:
        found = await self._database.command("HGET", keys.OPERATORS, name)
        return await self.read(found.decode(errors="replace") if found else NOBODY)

    async def read(self, operator_id: str) -> Account | None:
        """Raises Unreadable."""
        record = await self._database.command("HGETALL", keys.operator(operator_id))
        try:
            return _account(record) if record else None
        except (LookupError, ValueError):
            raise await self._database.left(keys.operator(operator_id), "is no operator") from None

    async def of_link(self, token: str) -> Account | None:
        """Whose link it is, while it is good."""
        digest = _digest(token)
        found = await self._database.command("HGET", keys.operator_link(digest), "id")
        account = await self.read(found.decode(errors="replace")) if found else None
        return account if account and account.link == digest else None

    async def enrol(self, token: str, operator_id: str, secret: bytes, passkeys: Mapping[str, bytes]) -> bool:
        """Use the link up, and end all sessions. False: it was used meanwhile, is over, or there is a newer one."""
        digest = _digest(token)
        names = [keys.operator_link(digest), keys.operator(operator_id)]
        args: list[Argument] = [operator_id, digest, "password", secret]
        args += [part for credential, kept in passkeys.items() for part in (PASSKEY + credential, kept)]
        return bool(await self._database.run(_ENROL, names, args, confirm=True))

    async def use_passkey(self, operator_id: str, credential: str, before: bytes, after: bytes) -> bool:
        """Keep a passkey with its new counter. False: it is not as it was read, so somebody used it meanwhile."""
        args: list[Argument] = [PASSKEY + credential, before, after]
        return bool(await self._database.run(_USE_PASSKEY, [keys.operator(operator_id)], args, confirm=True))

    async def change_role(self, operator_id: str, role: Role) -> bool:
        """It ends all sessions: each is bound to the role that it was opened with."""
        args: list[Argument] = ["1", "role", str(role)]
        return bool(await self._database.run(_CHANGE, [keys.operator(operator_id)], args, confirm=True))

    async def end_sessions(self, operator_id: str) -> bool:
        return bool(await self._database.run(_CHANGE, [keys.operator(operator_id)], ["1"], confirm=True))

    async def take_password(self, who: str) -> Wait:
        """Count an attempt. who: an operator's id, or a number below `DECOYS`."""
        word, ms = await self._database.run(
            _TAKE_PASSWORD,
            [keys.wrong_passwords(who)],
            [
                operators.FAILS_THAT_WAIT, ledger.FIRST_WAIT_MS, ledger.LONGEST_WAIT_MS,
                ledger.FAILS_THAT_DISABLE, REMEMBERED_MS,
            ],
            confirm=True,
        )  # fmt: skip
        return Wait(_TAKE_PASSWORD.word(word), int(ms) / 1000)

    async def note_stranger(self) -> int:
        """Count a sign-in under a name that nobody has. Returns how many there were since one was told, this one
        too; 0 where that was less than `STRANGERS_MS` ago."""
        names = [keys.wrong_passwords(NOBODY)]
        return int(await self._database.run(_NOTE_STRANGER, names, [STRANGERS_MS, REMEMBERED_MS]))

    async def forgive(self, who: str) -> int:
        """Forget wrong passwords; returns how many there were in a row."""
        count = await self._database.command("HGET", keys.wrong_passwords(who), "count")
        await self._database.command("DEL", keys.wrong_passwords(who))
        return int(count) if count and count.isdigit() else 0

    async def open_session(
        self, account: Account, stage: words.SessionStage, by: str, idle_seconds: int, seconds: int, before: str = ""
    ) -> str | None:
        """account: as it was when somebody began to look at who this is. before: the token of the session that led
        here, which ends. Returns a new token; None where the account is gone or its sessions were ended meanwhile."""
        secret = secrets.token_urlsafe(32)
        name = keys.operator_session(_digest(secret))
        former = keys.operator_session(_digest(_secret_in(before))) if before else name
        names = [name, keys.operator(account.operator.id), former]
        args: list[Argument] = [stage, idle_seconds * 1000, seconds * 1000, by, account.epoch]
        opened = await self._database.run(_OPEN, names, args, confirm=True)
        return f"{account.operator.id}.{secret}" if opened else None

    async def session(self, token: str, idle_seconds: int) -> Session | None:
        """idle_seconds: how long it lives on without use; 0 where this is none."""
        operator_id = token.partition(".")[0]
        names = [keys.operator_session(_digest(_secret_in(token))), keys.operator(operator_id)]
        word, session, account = await self._database.run(_READ, names, [idle_seconds * 1000])
        if _READ.word(word) != "ok":
            return None
        found = hash_of(session)
        try:
            return Session(token, found[b"stage"].decode(), found[b"by"].decode(), _account(hash_of(account)))
        except (LookupError, ValueError):
            return None

    async def end_session(self, token: str) -> bool:
        """False: it was over already. Of several who end it at once, one hears True."""
        return bool(await self._database.command("DEL", keys.operator_session(_digest(_secret_in(token)))))


def _link() -> tuple[str, str]:
    """The token, and its digest. The account is not in it: who finds a used link learns nothing."""
    token = secrets.token_urlsafe(32)
    return token, _digest(token)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _secret_in(token: str) -> str:
    return token.partition(".")[2]


def _account(record: Mapping[bytes, bytes]) -> Account:
    def number(name: bytes) -> int:
        return int(record.get(name) or 0)

    prefix = PASSKEY.encode()
    passkeys = {name[len(prefix) :].decode(): kept for name, kept in record.items() if name.startswith(prefix)}
    operator = Operator(
        record[b"id"].decode(),
        record[b"name"].decode(),
        Role(record[b"role"].decode()),
        number(b"created_at"),
        number(b"enrolled_at"),
        number(b"signed_in_at"),
        len(passkeys),
    )
    link, epoch = (record.get(name, b"").decode() for name in (b"link", b"epoch"))
    return Account(operator, record.get(b"password", b""), passkeys, link, epoch)
