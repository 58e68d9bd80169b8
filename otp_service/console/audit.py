"""`/console/audit`: who did what, newest first."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.operators import Role
from otp_service.storage.audit import Action, Entry, told

SHOWN = 100
LOOKED_AT = 5_000
"""Entries of one search; it goes on from there."""
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


@page("/console/audit", Role.ADMIN)
async def audit(visit: Visit) -> Answer:
    actor, action, subject = (visit.query(name).strip() for name in ("actor", "action", "subject"))
    before = visit.query("before")
    before = before if _ID.fullmatch(before) else ""
    found: list[Entry] = []
    looked, older = 0, ""
    while looked < LOOKED_AT and len(found) < SHOWN and (entries := await visit.service.stores.audit.before(before)):
        for entry in entries:
            before, looked = entry.id, looked + 1
            if actor in entry.actor and action in ("", entry.action) and subject in entry.subject:
                found.append(entry)
                if len(found) == SHOWN:
                    break
        older = before
    return visit.page(
        "audit.html",
        found=found,
        actor=actor,
        action=action,
        subject=subject,
        actions=sorted(Action),
        older=older if looked >= LOOKED_AT or len(found) == SHOWN else "",
    )


@change("/console/audit/export", Role.ADMIN)
async def export(visit: Visit) -> Answer:
    """As `otp-service audit export` writes it."""
    await visit.record(Action.AUDIT_EXPORTED)
    lines = (json.dumps(told(entry), ensure_ascii=False).encode() + b"\n"
             async for entry in visit.service.stores.audit.entries())  # fmt: skip
    first = await anext(lines, b"")  # a fault of the storage is answered here; once the answer has begun, it is cut off

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    return visit.file(whole(), "application/jsonl", "audit.jsonl")


PAGES = (audit, export)
