"""Subjects in Redis: what concerns all factors of a person, and the phones that the person proved."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.factors import MOST_PHONES
from otp_service.domain.keyring import Names, SubjectPlace
from otp_service.storage import keys, words
from otp_service.storage.connection import Argument, Database, Script, hash_of
from otp_service.storage.script import W_co
from otp_service.storage.subject_records import Subject, SubjectAnswer, Vault

_READ: Script[words.SubjectRead] = Script.load("subject/read")
_PHONE: Script[words.SubjectPhone] = Script.load("subject/phone")
_UNLOCK: Script[words.SubjectUnlock] = Script.load("subject/unlock")
_FORGET: Script[words.SubjectForget] = Script.load("subject/forget")
DROP_PHONE = Script.load("subject/drop_phone")


class SubjectStore:
    def __init__(self, database: Database, names: Names, vault: Vault) -> None:
        self._database = database
        self._names = names
        self._vault = vault

    async def read(self, application: str, place: SubjectPlace) -> Subject:
        return await run(self._database, _READ, application, place, [subject_key(place)], [application])

    async def remember_phone(self, application: str, subject: str, phone: str) -> None:
        """Note that the subject proved this phone; repeating it changes only the time."""
        place = self._names.subject(application, subject)
        sealed = self._vault.seal(phone.encode(), application, place, "phone")
        args: list[Argument] = [application, self._names.phone_index(application, phone), sealed, MOST_PHONES]
        args.append(self._vault.seal(subject.encode(), application, place, "who"))
        await run(self._database, _PHONE, application, place, [subject_key(place)], args, confirm=True)

    async def drop_phone(self, application: str, subject: str, phone: str) -> None:
        """Forget that the subject proved this phone."""
        place = self._names.subject(application, subject)
        await self._database.run(DROP_PHONE, [subject_key(place)], [self._names.phone_index(application, phone)])

    async def unlock(self, application: str, place: SubjectPlace) -> int:
        """Forget the wrong codes of all factors; returns how many there were."""
        names = [subject_key(place), decoy_key(place)]
        found = await run(self._database, _UNLOCK, application, place, names, [application], confirm=True)
        return int(found.detail)

    async def forget(self, application: str, place: SubjectPlace) -> Subject:
        """Remove everything; returns what there was."""
        names = [subject_key(place), decoy_key(place), *lane(place)]
        return await run(self._database, _FORGET, application, place, names, [application], confirm=True)


async def run(
    database: Database,
    script: Script[W_co],
    application: str,
    place: SubjectPlace,
    names: Sequence[str],
    args: Sequence[Argument],
    *,
    confirm: bool = False,
) -> SubjectAnswer[W_co]:
    word, extra, now, flat = await database.run(script, names, args, confirm=confirm)
    return SubjectAnswer(extra, int(now), place, application, hash_of(flat), script.word(word))


def subject_key(place: SubjectPlace) -> str:
    return keys.subject(place.partition, place.index)


def decoy_key(place: SubjectPlace) -> str:
    return keys.decoy(place.partition, place.index)


def lane(place: SubjectPlace) -> tuple[str, str]:
    """Where a script leaves events: due jobs and outbox."""
    return keys.due(str(place.partition)), keys.outbox(str(place.partition))
