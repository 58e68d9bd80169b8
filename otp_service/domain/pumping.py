"""The arithmetic of the SMS pumping guard. Pure: Redis only adds and forgets, what a number means is decided here.

Pumpers have codes sent to numbers that earn somebody money and never submit one; people mostly do. So what is counted
is sends that no right code has followed, beside right codes, of numbers that are new to the application:

    budget = floor + per_approval x approved          a send is over it if unverified > budget

for each number block, row of numbers in a block, client address, its network, device, TLS fingerprint, and country.
Both counts fade as exp(-age / memory). Where nobody answers, `floor` sends go out at once and floor x time / memory
more after that. The budget follows the normal conversion: with per_approval = 5 it is met where less than one send in
six is answered.

An attack that is spread wide has no block, address or network of its own. So sends that nobody vouches for are counted
together, as *strangers*: those of whose number block, address, network and device none has had an answer yet. And the
application's own country is watched like a foreign one, but with a short memory and a stricter budget, since it is
everybody's.

Mode `auto` lets go what is over a budget until the evidence is plain (`plain_evidence` times the budget), then wants a
challenge passed; such sends are counted apart, with the same floors, and are refused beyond those.

Pumpers hold numbers in a row. A number is *in a row* if, of the last 64 others in its block that were asked for and are
not proved, 3 lie within 50 of it, or 16 within 500. Such sends have a budget of their own, so a row uses up its own and
leaves that of the block to the people who live there. At random 64 people in 10,000 numbers have 0.6 and 6.3 such
neighbours; one in 40 is taken for a row by the first rule, one in 2,700 by the second, and is counted with the few
like it. A block can so cost (block_floor + row_floor) x (1 + time / memory) where nobody answers, whatever the order:
21 messages in a day with the defaults 12, 4 and 72 h.

Places are counted round the block (0 is next to 9999) and stored shifted by a keyed number, which leaves distances.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

import msgspec

from otp_service.domain.value import Value

BLOCK_SIZE = 10_000
REMEMBERED_PLACES = 64
ROW = ((50, 3), (500, 16))
"""Distance, and how many others within it make a row."""


class Reason(StrEnum):
    NUMBER_BLOCK = "number_block"
    CLIENT_IP = "client_ip"
    CLIENT_PROVIDER = "client_provider"
    """Its network: the /16 of an IPv4 address, the /32 of an IPv6 one."""
    CLIENT_DEVICE = "client_device"
    CLIENT_JA4 = "client_ja4"
    COUNTRY = "country"
    STRANGERS = "strangers"
    """Nobody of its number block, its address or its network has answered yet."""
    ADJACENT_NUMBERS = "adjacent_numbers"
    VERIFIED_NUMBER = "verified_number"
    """The right code came from it before: it passes, or it is over the budget that such a number has for itself."""
    ADDRESS_DOMAIN = "address_domain"
    """Of an address: what a number block is of a phone."""
    ALLOW_LIST = "allow_list"
    """Passes."""


class Word(StrEnum):
    """What came of it."""

    ALLOWED = "allowed"
    PASSED = "passed"
    """Not judged."""
    WOULD_REFUSE = "would_refuse"
    """It went out, since the guard only watches (mode `shadow`)."""
    CHALLENGED = "challenged"
    """It did not go out; it may, if the caller has seen a challenge passed."""
    REFUSED = "refused"


class Tally(Value):
    """Faded counts, the send that is asked about included."""

    unverified: float
    approved: float


class Finding(Value):
    """Why, with the counts of that moment."""

    reason: Reason
    unverified: float = 0
    approved: float = 0
    budget: float = 0


class Decision(Value, omit_defaults=True):
    """What was thought of a send, and where it was counted.

    row, stranger: among those. verified: in the budget of its own number alone. counted: among the unverified; in mode
    `shadow` what would be refused is not, so that its tallies are those that `enforce` would have. challenge: the
    caller saw one passed. by_challenge: so it went out beyond the budget, and was counted with others of that kind.
    """

    word: Word
    findings: tuple[Finding, ...] = ()
    row: bool = False
    stranger: bool = False
    verified: bool = False
    counted: bool = False
    challenge: bool = False
    by_challenge: bool = False

    def encode(self) -> dict[str, str]:
        """Fields of a verification's record. `guard` is what earlier versions read, which know fewer reasons."""
        rows = [[str(one.reason), one.unverified, one.approved, one.budget] for one in self.findings]
        known = [row for row in rows if row[0] in _REASONS_BEFORE]
        plain = not known and not self.row
        text = str(self.word) if plain else json.dumps([str(self.word), known, int(self.row)], separators=(",", ":"))
        if Decision.parse(text) == self:
            return {"guard": text}
        return {"guard": text, "verdict": msgspec.json.encode(self).decode()}

    @classmethod
    @lru_cache(maxsize=256)  # most have no findings, and so are alike
    def parse(cls, guard: str, verdict: str = "") -> Decision | None:
        """None where no guard was there."""
        if verdict:
            return msgspec.json.decode(verdict, type=cls)
        if not guard.startswith("["):
            return cls(Word(guard), counted=guard == Word.ALLOWED) if guard else None
        word, rows, row = json.loads(guard)
        findings = tuple(Finding(Reason(reason), *numbers) for reason, *numbers in rows)
        verified = any(one.reason is Reason.VERIFIED_NUMBER for one in findings)
        return cls(Word(word), findings, bool(row), verified=verified, counted=word == Word.ALLOWED)


_REASONS_BEFORE = frozenset(
    {"number_block", "client_ip", "country", "adjacent_numbers", "verified_number", "allow_list"}
)


def judged(reason: Reason, tally: Tally, floor: float, per_approval: float) -> Finding:
    """The counts beside the budget that they are judged by."""
    budget = floor + per_approval * tally.approved
    return Finding(reason, round(tally.unverified, 1), round(tally.approved, 1), round(budget, 1))


def over_budget(reason: Reason, tally: Tally, floor: float, per_approval: float) -> Finding | None:
    """What is wrong with one more send, if anything."""
    if tally.unverified <= floor + per_approval * tally.approved:
        return None
    return judged(reason, tally, floor, per_approval)


def in_row(place: int, others: Iterable[int]) -> bool:
    """Whether many of the places asked for lately lie near this one."""
    distances = [distance(place, other) for other in set(others) - {place}]
    return any(sum(1 for one in distances if one <= within) >= count for within, count in ROW)


def distance(one: int, other: int) -> int:
    """Between two places, round the block."""
    straight = abs(one - other) % BLOCK_SIZE
    return min(straight, BLOCK_SIZE - straight)
