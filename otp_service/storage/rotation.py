"""Away from a former root secret, while the service serves: so that afterwards it need not be listed any more.

What lasts, factors and verified phones, is sealed anew under the current secret. A value is replaced only if it is
still what was read, so a process that writes meanwhile wins, and a command that was interrupted begins again where
something is left to do. Backup codes need no new hashes: their pepper is their own, and is sealed like the rest. What
ends by itself (codes, verifications, events) stays as it is, and the keys that it was made with are kept, sealed under
the current secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otp_service.domain.keyring import Keyring
from otp_service.storage import install, keys
from otp_service.storage.connection import Database, Script
from otp_service.storage.subject_records import bound_to

MOST_PASSES = 5
_RESEAL = Script.load("install/reseal")


@dataclass(slots=True)
class Report:
    """Records of subjects. unreadable: sealed under a secret that is not known; they stay as they are.

    left: changed whenever they were about to be written, or sealed meanwhile by a process with another first secret.
    """

    retired: int = 0
    looked_at: int = 0
    resealed: int = 0
    unreadable: int = 0
    left: int = 0


async def rotate(database: Database, keyring: Keyring) -> Report:
    """Pass over everything until nothing is left to be sealed anew, a few times at most."""
    retired = await install.retire(database, keyring)
    resealed = 0
    for _ in range(MOST_PASSES):
        report = await _pass(database, keyring)
        resealed += report.resealed
        report.left += report.resealed  # only a pass that found nothing to do shows that all is done
        if not report.left:
            break
    report.resealed, report.retired = resealed, retired
    return report


async def _pass(database: Database, keyring: Keyring) -> Report:
    report = Report()
    async for name in database.names(keys.SUBJECTS):
        report.looked_at += 1
        record: dict[bytes, bytes] = await database.command("HGETALL", name)
        try:
            changes = _changes(keyring, name, record)
        except (LookupError, ValueError):
            report.unreadable += 1
            continue
        if changes:
            done = await database.run(_RESEAL, [name], [part for change in changes for part in change], confirm=True)
            report.resealed += bool(done)
            report.left += not done
    return report


def _changes(keyring: Keyring, name: str, record: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes, bytes]]:
    """Field, what it holds, what it shall hold. Raises LookupError, ValueError."""
    application, index = record.get(b"application", b"").decode(), name.rpartition(":")[2]
    found = []
    for field, sealed in record.items():
        where = _where(field)
        if where and not keyring.is_current(sealed):
            bound = bound_to(application, index, *where)
            found.append((field, sealed, keyring.seal(keyring.open(sealed, bound), bound)))
    return found


def _where(field: bytes) -> tuple[str, ...]:
    """What a sealed field is bound to besides its subject; nothing for one that is not sealed."""
    if field.startswith(b"t:"):
        return ("totp", field[2:].decode())
    if field.startswith(b"p:"):
        return ("phone",)
    return {b"bs": ("backup",), b"who": ("who",)}.get(field, ())
