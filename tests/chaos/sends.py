"""How many SMS may have left for what was asked, and how many did: what callers, gateways and records tell together."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.api import Api, Gateways

NOT_OUT = frozenset({"queued", "rejected", "canceled"})
"""Statuses of messages of which no SMS may have left. `queued` is none of them for long: its walk settles it."""


@dataclass(slots=True)
class Sends:
    """All SMS of one phone. acts: starts, resends and fail-overs, each with its key. left: SMS that gateways sent.

    recorded: messages that are recorded as sent, or as unclear. unclear: those that were unclear at some time.
    told: statuses that callers heard, of each verification in the order of hearing; the last is read at the end.
    """

    phone: str
    acts: int
    left: int
    recorded: int
    unclear: int
    told: dict[str, list[str]] = field(default_factory=dict)

    def violations(self) -> Iterator[str]:
        """One sentence for each rule that is broken."""
        if self.left > self.recorded:
            yield f"{self.phone}: {self.left} SMS left, {self.recorded} are recorded as sent or unclear"
        if self.left > self.acts + self.unclear:
            yield f"{self.phone}: {self.left} SMS for {self.acts} acts and {self.unclear} unclear messages"
        for verification, heard in self.told.items():
            if "pending" in heard and heard[-1] in ("failed", "gone"):
                yield f"{self.phone}: {verification} was told pending and became {heard[-1]}"


def summed(phone: str, found: Iterable[dict[str, Any]], left: int, unclear: Counter[str]) -> Sends:
    """found: the verifications of the phone as callers see them. unclear: of each, how many messages ever were."""
    records = list(found)
    return Sends(
        phone,
        acts=sum(record["messages"] != [] and 5 - record["sends_left"] for record in records),
        left=left,
        recorded=sum(
            bool(message["sent_at"]) or message["status"] not in NOT_OUT
            for record in records
            for message in record["messages"]
        ),
        unclear=sum(max(unclear[record["id"]], now_unclear(record)) for record in records),
    )


def now_unclear(record: dict[str, Any]) -> int:
    return sum(message["status"] in ("unclear", "unknown") for message in record["messages"])


async def unclear_in_events(api: Api) -> Counter[str]:
    """Of each verification, how many of its messages were unclear at some time."""
    found: set[tuple[str, str]] = set()
    after = ""
    while True:
        page = (await api.http.get("/v1/events", params={"after": after} if after else {})).json()
        for event in page["events"]:
            data = event["data"]
            if event["type"] == "message.updated" and data["message"]["status"] == "unclear":
                found.add((data["verification_id"], data["message"]["id"]))
        if not page["events"]:
            return Counter(verification for verification, _ in found)
        after = page["next"]


async def at_rest(api: Api, phone: str, seconds: float = 40) -> list[dict[str, Any]]:
    """The verifications of a phone, once no message is under way."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await api.http.post("/v1/verifications/search", json={"to": phone})
        if answer.status_code == 503 and time.monotonic() < deadline:  # what broke before may not have settled
            await asyncio.sleep(0.2)
            continue
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["verifications"]
        statuses = [message["status"] for each in found for message in each["messages"]]
        if "queued" not in statuses or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


async def sends_of(api: Api, gateways: Gateways, phone: str, unclear: Counter[str]) -> Sends:
    """What became of everything that was asked for this phone, once nothing is under way."""
    found = await at_rest(api, phone)
    left = sum(message["status"] not in ("canceled", "held") for message in await gateways.messages(phone))
    return summed(phone, found, left, unclear)
