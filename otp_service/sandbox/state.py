"""Everything the sandbox remembers. In memory: a restart forgets it all."""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from otp_service.sandbox.accounts import DEFAULT_ACCOUNTS, Account, AccountKey, Provider
from otp_service.sandbox.cabinet import Cabinet
from otp_service.sandbox.clock import Clock
from otp_service.sandbox.faults import FaultPlan
from otp_service.sandbox.messages import Message
from otp_service.sandbox.repeats import Repeats
from otp_service.sandbox.reports import Post, ReportQueue
from otp_service.sandbox.scenario import Scenarios

if TYPE_CHECKING:
    from otp_service.sandbox.cascades import Cascade

FIRST_ID = 2_700_000_000
"""Above 2³¹, so that a 32-bit mistake of a client shows. Public client code shows such ids."""

KEPT_MESSAGES = 50_000
KEPT_REQUESTS = 10_000
KEPT_POSTS = 1_000


@dataclass(slots=True)
class Asked:
    """One request to a gateway. outcome: what was answered, in the vendor's words; empty if it was not processed."""

    at: datetime
    operation: str
    fault: str = ""
    outcome: str = ""


class Sandbox:
    """seed: makes codes, sms-ka ids and probabilities repeatable. speed: the clock's seconds per real second.

    Reset does not rewind ids or random numbers: a client that still asks for an old id must not meet a new SMS.
    """

    def __init__(self, seed: str | None = None, speed: float = 1) -> None:
        self.clock = Clock(speed)
        self.rng = Random(seed)  # noqa: S311  # the codes are shown on a page: nothing here is secret
        self.faults = FaultPlan(self.rng)
        self.scenarios = Scenarios()
        self.accounts: dict[AccountKey, Account] = {}
        self.cabinets: dict[AccountKey, Cabinet] = {}
        self.messages: OrderedDict[str, Message] = OrderedDict()
        self.waiting: dict[str, Message] = {}
        """Scheduled and held ones."""
        self.requests: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self.cascades: OrderedDict[str, Cascade] = OrderedDict()
        self.running: dict[str, Cascade] = {}
        """Those that may still try another channel."""
        self.reports = ReportQueue()
        self.posts: deque[Post] = deque(maxlen=KEPT_POSTS)
        self.repeats = Repeats()
        self.asked_of_telegram: dict[str, str] = {}
        """Request ids of `checkSendAbility`, and their phones."""
        self._by_client_id: dict[tuple[AccountKey, str], str] = {}
        self._by_phone: defaultdict[str, deque[Message]] = defaultdict(deque)
        self._next_id = FIRST_ID
        self.shown_since: datetime | None = None
        """The inbox page was cleared then. What was sent before is still known to gateways and `/_sim`."""
        self.reset()

    def reset(self) -> None:
        self.shown_since = None
        self.clock.reset()
        self.faults.clear()
        self.scenarios.clear()
        self.accounts = {account.key: account for account in DEFAULT_ACCOUNTS}
        self.cabinets = {key: Cabinet() for key in self.accounts}
        self.messages.clear()
        self.waiting.clear()
        self.requests.clear()
        self.cascades.clear()
        self.running.clear()
        self.reports = ReportQueue()
        self.posts = deque(maxlen=KEPT_POSTS)
        self.repeats = Repeats()
        self.asked_of_telegram.clear()
        self._by_client_id.clear()
        self._by_phone.clear()

    def log_in(self, provider: Provider, login: str, password: str) -> Account | None:
        account = self.accounts.get((provider, login))
        return account if account and account.password == password else None

    def change(self, account: Account) -> None:
        """Keep the account in place of the one of the same name."""
        if account.stop_list != self.accounts[account.key].stop_list:
            self.cabinets[account.key].stop_list_changed_at = self.clock.now()
        self.accounts[account.key] = account

    def new_id(self) -> str:
        """Of whatever needs one: ids of the platform are numbers."""
        self._next_id += 1
        return str(self._next_id - 1)

    def keep(self, message: Message) -> None:
        self.messages[message.id] = message
        self._by_phone[message.phone].append(message)
        if message.client_id:
            self._by_client_id[message.account, message.client_id] = message.id
        if len(self.messages) > KEPT_MESSAGES:
            _, oldest = self.messages.popitem(last=False)
            self._by_client_id.pop((oldest.account, oldest.client_id), None)
            self._by_phone[oldest.phone].popleft()
            if not self._by_phone[oldest.phone]:
                del self._by_phone[oldest.phone]

    def keep_cascade(self, cascade: Cascade) -> None:
        self.cascades[cascade.id] = self.running[cascade.id] = cascade
        if len(self.cascades) > KEPT_MESSAGES:
            oldest, _ = self.cascades.popitem(last=False)
            self.running.pop(oldest, None)

    def message(self, account: Account, message_id: str) -> Message | None:
        """Another account's message is as unknown as one that never was."""
        message = self.messages.get(message_id)
        return message if message and message.account == account.key else None

    def sms(self, account: Account, message_id: str) -> Message | None:
        """Not a Viber message: X4, X17 and G know nothing of those (ours)."""
        message = self.message(account, message_id)
        return message if message and message.channel == "sms" else None

    def sent_before(self, account: Account, client_id: str) -> Message | None:
        return self.messages.get(self._by_client_id.get((account.key, client_id), ""))

    def newest(self, phone: str, limit: int) -> list[Message]:
        """Newest first. phone: an address, or compared by its digits; without any, all messages."""
        digits = phone.strip().lower() if "@" in phone else re.sub(r"\D", "", phone)
        found = self._by_phone.get(digits, ()) if digits else self.messages.values()
        return list(islice(reversed(found), limit))
