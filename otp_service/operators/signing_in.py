"""How an operator signs in: a password, then a code or a passkey. Each attempt is counted before it is judged.

A name that nobody has is counted and computed as if somebody had it, so that neither answer nor time tells who works
here. A session that knows the password alone opens nothing but the question for the second factor; a new one with a
new name takes its place once that is answered.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from otp_service.domain import factors as words
from otp_service.domain.codes import OWASP, Scope
from otp_service.domain.factors import FactorOutcome, FactorStatus, Totp
from otp_service.domain.keyring import Names
from otp_service.domain.operators import REALM, is_weak, password
from otp_service.errors import Refused
from otp_service.factors.factors import Enrolment, Factors
from otp_service.hash_pool import HashPool
from otp_service.settings.values import Console
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.operators import DECOYS, Account, OperatorStore, Session

PASSWORD_SECONDS = 300
"""How long the second factor may take."""
MOST_WAITING = 32
"""Passwords that may wait to be judged, some 25 ms each."""
SALT_BYTES = 16
_PEPPER = b"otp-service operator"
_NOBODY = bytes(SALT_BYTES + 32)


class SigningIn:
    def __init__(
        self,
        settings: Console,
        *,
        store: OperatorStore,
        names: Names,
        factors: Factors,
        hash_pool: HashPool,
        audit: AuditLog,
    ) -> None:
        """factors: of the realm of operators."""
        self._settings = settings
        self._store = store
        self._names = names
        self._factors = factors
        self._hash_pool = hash_pool
        self._audit = audit
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Judges one password at a time: each costs as much as many codes, and codes of callers must not wait for
        strangers."""
        if self._waiting >= MOST_WAITING:
            raise Refused("busy", "Too many operators are signing in at once; try again.", retry_after=1)
        self._waiting += 1
        try:
            async with self._one:
                yield
        finally:
            self._waiting -= 1

    async def by_password(self, name: str, typed: str) -> str | None:
        """The token of a session that still wants a second factor; None where name or password are wrong.

        Raises Refused `too_many_failures` while the account waits or is disabled, `busy`.
        """
        account = await self._store.find(name) if len(name) <= 64 else None
        bucket = int(self._names.pseudonym("operator", name)[:8], 16) % DECOYS
        who = account.operator.id if account else f"nobody-{bucket}"
        async with self._turn():
            wait = await self._store.take_password(who)
            if wait.word == "waiting":
                raise Refused("too_many_failures", "Too many wrong passwords in a row.", retry_after=wait.seconds)
            if wait.word != "judge":
                raise Refused("factor_disabled", "Too many wrong passwords: an admin has to unlock this operator.")
            kept = account.secret if account and account.secret else _NOBODY
            right = hmac.compare_digest(await self._hash(typed, kept[:SALT_BYTES]), kept[SALT_BYTES:])
        if not right or account is None or not account.secret:
            await self.refuse(account, name)
            return None
        await self._store.forgive(who)
        return await self._store.open_session(account, "password", "password", PASSWORD_SECONDS, PASSWORD_SECONDS)

    async def by_code(self, session: Session, typed: str) -> str | None:
        """A code of the authenticator, or a backup code; None for a wrong one. Raises Refused."""
        try:
            code = words.read(typed[:64])
        except ValueError:
            return None
        judged = await self._factors.check_subject(REALM, session.operator.id, code)
        if judged.outcome is not FactorOutcome.APPROVED:
            await self.refuse(session.account)
            return None
        return await self.complete(session.account, str(judged.kind), session.token)

    async def complete(self, account: Account, by: str, before: str = "") -> str | None:
        """The token of a session that may work; None where the account's sessions were ended meanwhile. by: how the
        person was known. before: the session that led here."""
        await self._audit.record(account.operator.actor, Action.OPERATOR_SIGNED_IN, account.operator.name, by=by)
        idle, longest = self._settings.idle_minutes * 60, self._settings.session_hours * 3600
        return await self._store.open_session(account, "full", by, idle, longest, before)

    async def refuse(self, account: Account | None, name: str = "") -> None:
        """Write down a sign-in that failed. name: where nobody has it; strangers choose it, and how many, so it
        is named by a stand-in, and not each is written down."""
        if account:
            await self._audit.record(account.operator.actor, Action.OPERATOR_REFUSED, account.operator.name)
        elif times := await self._store.note_stranger():
            pseudonym = self._names.pseudonym("operator", name)
            await self._audit.record("service", Action.OPERATOR_REFUSED, pseudonym, times=times)

    async def session(self, token: str, *, used: bool = True) -> Session | None:
        """used: whether somebody works with it; a page that renews itself does not keep it alive."""
        if len(token) > 128:
            return None
        return await self._store.session(token, self._settings.idle_minutes * 60 if used else 0)

    async def take_question(self, session: Session) -> bool:
        """End a session that wants a second factor: its question is answered once. False: it was answered meanwhile."""
        return await self._store.end_session(session.token)

    async def sign_out(self, session: Session) -> None:
        await self._audit.record(session.operator.actor, Action.OPERATOR_SIGNED_OUT, session.operator.name)
        await self._store.end_session(session.token)

    async def of_link(self, token: str) -> Account | None:
        return await self._store.of_link(token) if len(token) <= 128 else None

    async def authenticator(self, account: Account, token: str) -> Totp:
        """What a link offers to scan; the same however often the page is loaded."""
        operator = account.operator
        order = Enrolment(operator.id, name="console", label=operator.name)
        return await self._factors.enrol(REALM, order, operator.actor, idempotency_key=f"link-{token}")

    async def enrol(
        self, account: Account, token: str, chosen: str, *, code: str = "", passkey: tuple[str, bytes] | None = None
    ) -> list[str]:
        """Set the password, with an authenticator whose code this is, or a passkey. Returns backup codes.

        Raises Refused `validation_failed` (password or code), `not_found` where the link is used up.
        """
        operator = account.operator
        if is_weak(password(chosen), operator.name):
            raise _not_taken("weak_password")
        if passkey is None:
            await self._confirm(account, token, code)
        salt = secrets.token_bytes(SALT_BYTES)
        secret = salt + await self._hash(chosen, salt)
        await self._audit.record(operator.actor, Action.OPERATOR_ENROLLED, operator.name)
        if not await self._store.enrol(token, operator.id, secret, dict([passkey] if passkey else [])):
            raise Refused("not_found", "This link was used already, or has expired.")
        codes, _ = await self._factors.issue_backup_codes(REALM, operator.id, operator.actor)
        return list(codes)

    async def _confirm(self, account: Account, token: str, typed: str) -> None:
        totp = await self.authenticator(account, token)
        if totp.status is FactorStatus.CONFIRMED:  # the page was sent twice
            return
        try:
            code = words.read(typed[:64])
        except ValueError:
            raise _not_taken("wrong_code") from None
        judged = await self._factors.confirm(REALM, totp.id, code, account.operator.actor)
        if judged.outcome not in (FactorOutcome.APPROVED, FactorOutcome.ALREADY_CONFIRMED):
            word = "clock_off" if judged.outcome is FactorOutcome.CLOCK_OFF else "wrong_code"
            raise _not_taken(word)

    async def _hash(self, typed: str, salt: bytes) -> bytes:
        scope = Scope(REALM, "password", "", "")
        return await self._hash_pool.digest(_PEPPER, scope, password(typed[:1024]), salt, OWASP)


def _not_taken(word: str) -> Refused:
    """word: weak_password, wrong_code or clock_off, for the page that says it."""
    return Refused("validation_failed", f"Not taken: {word.replace('_', ' ')}.", extra={"word": word})
