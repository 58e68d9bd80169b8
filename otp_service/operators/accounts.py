"""Operators' accounts: made and ended by an admin, each change in the audit log. Console and command line come here."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.keyring import Names
from otp_service.domain.operators import REALM, Operator, Role, is_name
from otp_service.errors import Refused
from otp_service.storage.audit import Action, AuditLog, hides
from otp_service.storage.operators import OperatorStore
from otp_service.storage.subjects import SubjectStore

ENROL = "/console/enrol/"


class Accounts:
    def __init__(self, store: OperatorStore, names: Names, subjects: SubjectStore, audit: AuditLog) -> None:
        self._store = store
        self._names = names
        self._subjects = subjects
        self._audit = audit

    async def add(self, name: str, role: Role, actor: str) -> str:
        """A new operator; returns the token of the link by which they set a password. Raises Refused."""
        if not is_name(name):
            raise Refused(
                "validation_failed",
                "The name of an operator has 1 to 64 lower-case letters, digits and ._@-, and begins with a letter "
                "or digit.",
            )
        if hides(name):
            raise Refused(
                "validation_failed", "The name of an operator may not read like a phone: the audit log hides phones."
            )
        if await self._store.find(name):
            raise _taken(name)
        await self._audit.record(actor, Action.OPERATOR_ADDED, name, role=str(role))
        token = await self._store.add(name, role)
        if token is None:
            raise _taken(name)
        return token

    async def list(self) -> Sequence[Operator]:
        return await self._store.list()

    async def reset(self, name: str, actor: str) -> str:
        """End password, second factors and sessions; returns the token of a new link. Raises Refused."""
        operator = await self._known(name)
        await self._audit.record(actor, Action.OPERATOR_RESET, name)
        token = await self._store.reset(operator.id)
        await self._subjects.forget(REALM, self._names.subject(REALM, operator.id))
        if token is None:
            raise _unknown()
        return token

    async def change_role(self, name: str, role: Role, actor: str) -> None:
        """Change what an operator may do; their sessions end. Raises Refused."""
        operator = await self._known(name)
        if operator.role is role:
            return
        await self._audit.record(actor, Action.OPERATOR_CHANGED, name, role=str(role), before=str(operator.role))
        if not await self._store.change_role(operator.id, role):
            raise _unknown()

    async def remove(self, name: str, actor: str) -> None:
        """Raises Refused."""
        operator = await self._known(name)
        await self._audit.record(actor, Action.OPERATOR_REMOVED, name)
        await self._store.remove(name, operator.id)
        await self._subjects.forget(REALM, self._names.subject(REALM, operator.id))

    async def unlock(self, name: str, actor: str) -> int:
        """Forget wrong passwords and wrong codes; returns how many there were in a row. Raises Refused."""
        operator = await self._known(name)
        await self._audit.record(actor, Action.OPERATOR_UNLOCKED, name)
        codes = await self._subjects.unlock(REALM, self._names.subject(REALM, operator.id))
        return await self._store.forgive(operator.id) + codes

    async def end_sessions(self, name: str, actor: str) -> None:
        """Raises Refused."""
        operator = await self._known(name)
        await self._audit.record(actor, Action.OPERATOR_SESSIONS_ENDED, name)
        await self._store.end_sessions(operator.id)

    async def _known(self, name: str) -> Operator:
        found = await self._store.find(name)
        if found is None:
            raise _unknown()
        return found.operator


def _unknown() -> Refused:
    return Refused("not_found", "There is no operator of this name.")


def _taken(name: str) -> Refused:
    return Refused("validation_failed", f"There is an operator {name} already.")
