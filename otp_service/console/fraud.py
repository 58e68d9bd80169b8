"""`/console/fraud`: what the pumping guard found, and the lists that it goes by."""

from __future__ import annotations

from otp_service.console.visit import Answer, Visit, change, page
from otp_service.domain.operators import Role
from otp_service.errors import Refused
from otp_service.storage.audit import Action

DAYS = (1, 7, 30)
LISTS = ("block", "allow")


@page("/console/fraud")
async def fraud(visit: Visit) -> Answer:
    application = visit.application
    days = next((each for each in DAYS if visit.query("days") == str(each)), 7)
    report = await visit.service.admission.report(application, days)
    total = {row.word: row.count for row in report.rows if not row.reason}
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in report.rows:
        if row.reason:
            found.setdefault((row.reason, row.value), {})[row.word] = row.count
    shown = sorted(found.items(), key=lambda one: -sum(one[1].values()))
    most = max([1, *(sum(counts.values()) for _, counts in shown)])
    guard = visit.service.settings.guard
    return visit.page(
        "fraud.html",
        application=application,
        days=days,
        choices=DAYS,
        report=report,
        total=total,
        found=shown,
        most=most,
        of_settings={"block": guard.block, "allow": guard.allow},
        edited=await visit.service.admission.lists.read() if visit.may("support") else None,
        lists=LISTS,
    )


@change("/console/fraud/lists", Role.ADMIN)
async def listed(visit: Visit) -> Answer:
    which, value, action = visit.value("list"), visit.value("value"), visit.value("action")
    if which not in LISTS or action not in ("add", "remove"):
        raise Refused("validation_failed", "There is no such list.")
    lists = visit.service.admission.lists
    entry = lists.entry(which, value, visit.operator.name)
    if await lists.holds(entry.id) != (action == "add"):  # else somebody was quicker
        await visit.record(Action.LIST_CHANGED, entry.id, list=which, done=action)
        await (lists.put(entry) if action == "add" else lists.drop(entry.id))
    return visit.go("/console/fraud", done=f"list_{action}", application=visit.application)


PAGES = (fraud, listed)
