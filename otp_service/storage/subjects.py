"""Subjects in Redis: what concerns all factors of a person, and the phones that the person proved."""

from __future__ import annotations

from collections.abc import Sequence

from otp_service.domain.factors import MOST_PHONES
from otp_service.domain.keyring import Names, SubjectPlace
from otp_service.storage import keys
from otp_service.storage.connection import Argument, Database, Script
from otp_service.storage.subject_records import Subject, Vault

_READ, _PHONE, _UNLOCK, _FORGET = (
    Script.load(name, "_factors") for name in ("subject_read", "subject_phone", "subject_unlock", "subject_forget")
)


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

    async def unlock(self, application: str, place: SubjectPlace) -> int:
        """Forget the wrong codes of all factors; returns how many there were."""
        names = [subject_key(place), decoy_key(place)]
        found = await run(self._database, _UNLOCK, application, place, names, [application], confirm=True)
        return int(found.extra)

    async def forget(self, application: str, place: SubjectPlace) -> Subject:
        """Remove everything; returns what there was."""
        names = [subject_key(place), decoy_key(place), *lane(place)]
        return await run(self._database, _FORGET, application, place, names, [application], confirm=True)


async def run(
    database: Database,
    script: Script,
    application: str,
    place: SubjectPlace,
    names: Sequence[str],
    args: Sequence[Argument],
    *,
    confirm: bool = False,
) -> Subject:
    word, extra, now, flat = await database.run(script, names, args, confirm=confirm)
    record = dict(zip(flat[::2], flat[1::2], strict=True))
    return Subject(word.decode(), extra, int(now), place, application, record)


def subject_key(place: SubjectPlace) -> str:
    return keys.subject(place.partition, place.index)


def decoy_key(place: SubjectPlace) -> str:
    return keys.decoy(place.partition, place.index)


def lane(place: SubjectPlace) -> tuple[str, str]:
    """Where a script leaves events: due jobs and outbox."""
    return keys.due(str(place.partition)), keys.outbox(str(place.partition))
