"""The arithmetic of the SMS pumping guard. Pure: Redis only adds and forgets, what a number means is decided here.

Pumpers have codes sent to numbers that earn somebody money and never submit one; people mostly do. So what is counted
is sends that no right code has followed, beside right codes, of numbers that are new to the application:

    budget = floor + per_approval x approved          a send is over it if unverified > budget

for each number block, row of numbers in a block, client address and foreign country. Both counts fade as
exp(-age / memory). Where nobody answers, `floor` sends go out at once and floor x time / memory more after that. The
budget follows the normal conversion: with per_approval = 5 it is met where less than one send in six is answered.

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
from collections.abc import Collection, Iterable
from enum import StrEnum

from otp_service.domain.value import Value

BLOCK_SIZE = 10_000
REMEMBERED_PLACES = 64
ROW = ((50, 3), (500, 16))
"""Distance, and how many others within it make a row."""


class Reason(StrEnum):
    NUMBER_BLOCK = "number_block"
    CLIENT_IP = "client_ip"
    COUNTRY = "country"
    ADJACENT_NUMBERS = "adjacent_numbers"
    VERIFIED_NUMBER = "verified_number"
    """Passes: the right code came from it before."""
    ALLOW_LIST = "allow_list"
    """Passes."""


class Word(StrEnum):
    """What came of it."""

    ALLOWED = "allowed"
    PASSED = "passed"
    """Not judged."""
    WOULD_REFUSE = "would_refuse"
    """It went out, since the guard only watches (mode `shadow`)."""
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


class Decision(Value):
    """row: the number was in a row, so it was counted there."""

    word: Word
    findings: Collection[Finding] = ()
    row: bool = False

    @property
    def counted(self) -> bool:
        """Among the unverified. What is refused is not, and in mode `shadow` neither is what would be: so its tallies
        are those that `enforce` would have, and its report tells what `enforce` would have done."""
        return self.word is Word.ALLOWED

    def encode(self) -> str:
        """As a verification keeps it. Most are plainly allowed."""
        if not self.findings and not self.row:
            return str(self.word)
        rows = [[str(one.reason), one.unverified, one.approved, one.budget] for one in self.findings]
        return json.dumps([str(self.word), rows, int(self.row)], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Decision | None:
        """None where no guard was there."""
        if not text.startswith("["):
            return cls(Word(text)) if text else None
        word, rows, row = json.loads(text)
        return cls(Word(word), tuple(Finding(Reason(reason), *numbers) for reason, *numbers in rows), bool(row))


def over_budget(reason: Reason, tally: Tally, floor: float, per_approval: float) -> Finding | None:
    """What is wrong with one more send, if anything."""
    budget = floor + per_approval * tally.approved
    if tally.unverified <= budget:
        return None
    return Finding(reason, round(tally.unverified, 1), round(tally.approved, 1), round(budget, 1))


def in_row(place: int, others: Iterable[int]) -> bool:
    """Whether many of the places asked for lately lie near this one."""
    distances = [distance(place, other) for other in set(others) - {place}]
    return any(sum(1 for one in distances if one <= within) >= count for within, count in ROW)


def distance(one: int, other: int) -> int:
    """Between two places, round the block."""
    straight = abs(one - other) % BLOCK_SIZE
    return min(straight, BLOCK_SIZE - straight)
