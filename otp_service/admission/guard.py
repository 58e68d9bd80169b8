"""The SMS pumping guard: counts what domain/pumping.py judges, and remembers what it found."""

from __future__ import annotations

from collections.abc import Mapping

from otp_service import metrics
from otp_service.domain import limits, pumping
from otp_service.domain.keyring import Names
from otp_service.domain.phone import Phone
from otp_service.domain.pumping import Decision, Finding, Reason, Tally, Word
from otp_service.domain.value import Hidden, Value
from otp_service.errors import Refused
from otp_service.settings import Settings
from otp_service.storage.connection import Step
from otp_service.storage.ledger import Ledger
from otp_service.storage.tallies import Row, TallyStore, converting, noting, things


class Send(Value):
    """Who wants to be sent to, and from where. address: stand-in of the client's, '' where nobody said it."""

    application: str
    to: Phone
    client_ip: Hidden[str] = ""
    address: str = ""


class Guard:
    def __init__(self, settings: Settings, names: Names, store: TallyStore, ledger: Ledger) -> None:
        self._settings = settings
        self._names = names
        self._store = store
        self._ledger = ledger
        self._config = settings.guard
        self._memory_ms = settings.guard.memory_hours * 3_600_000

    def mode(self, application: str) -> str:
        return self._settings.applications[application].guard or self._config.mode

    def is_blocked(self, to: Phone, client_ip: str) -> bool:
        return limits.on_list(self._config.block, to.e164, client_ip)

    def proved_seconds(self, decision: Decision | None) -> int:
        """For how long a number passes that the right code came from; 0 where the guard is off."""
        return self._config.verified_days * 86_400 if decision else 0

    async def passes(self, send: Send) -> Decision | None:
        """Why nothing is counted against it, if there is a reason; there is none in mode `off`."""
        if self.mode(send.application) == "off":
            return None
        if limits.on_list(self._config.allow, send.to.e164, send.client_ip):
            return Decision(Word.PASSED, [Finding(Reason.ALLOW_LIST)])
        if self._config.verified_days and await self._ledger.is_proved(send.application, send.to.e164):
            return Decision(Word.PASSED, [Finding(Reason.VERIFIED_NUMBER)])
        return None

    async def judge(self, send: Send) -> Decision | None:
        """Count one more send and say what is to be thought of it; None in mode `off`. Raises Refused."""
        mode = self.mode(send.application)
        if mode == "off":
            return None
        tallies, row = await self._counted(send)
        findings = self._over(tallies)
        enforced = mode == "enforce" and bool(findings)
        word = Word.REFUSED if enforced else Word.WOULD_REFUSE if findings else Word.ALLOWED
        decision = Decision(word, findings, row)
        metrics.GUARDED.labels(send.application, word).inc()
        await self._store.note(send.application, word, things(decision, send.to.block, send.to.region))
        if findings:
            await self._uncount(send, row=row)
        if enforced:
            raise Refused(
                "suspected_pumping",
                "Too many codes without an answer were sent to numbers like this one, or at the wish of this address.",
                extra={"reasons": [str(finding.reason) for finding in findings]},
            )
        return decision

    async def take_back(self, send: Send, decision: Decision | None) -> None:
        """It did not go out after all."""
        if decision and decision.counted:
            await self._uncount(send, row=decision.row)

    def proved(self, send: Send, decision: Decision | None, sends: int) -> list[Step]:
        """What is to be written when the right code came: what was sent for it was not pumping."""
        if decision is None or decision.word is Word.PASSED:
            return []
        found = things(decision, send.to.block, send.to.region)
        tallies = self._tallies(send, row=decision.row).values() if decision.counted else ()
        steps = converting(*self._place(send), list(tallies), self._memory_ms, sends)
        return [*steps, noting(send.application, "converted", found)] if found else steps

    async def report(self, application: str, days: int) -> list[Row]:
        return await self._store.report(application, days)

    def _over(self, tallies: Mapping[Reason, Tally]) -> list[Finding]:
        floors = {
            Reason.NUMBER_BLOCK: self._config.block_floor,
            Reason.ADJACENT_NUMBERS: self._config.row_floor,
            Reason.CLIENT_IP: self._config.ip_floor,
            Reason.COUNTRY: self._config.country_floor,
        }
        per_approval = self._config.unverified_per_approval
        judged = [pumping.over_budget(reason, one, floors[reason], per_approval) for reason, one in tallies.items()]
        return [finding for finding in judged if finding]

    async def _counted(self, send: Send) -> tuple[dict[Reason, Tally], bool]:
        """Its tallies with this send, and whether it is in a row. That is known once it is counted as if it were none,
        which saves those that are none a question."""
        names = self._tallies(send, row=False)
        block, place = self._place(send)
        others, counts = await self._store.visit(block, place, list(names.values()), self._memory_ms)
        tallies = dict(zip(names, counts, strict=True))
        row = pumping.in_row(place, others)
        if row:
            del tallies[Reason.NUMBER_BLOCK]
            own = self._tallies(send, row=True)[Reason.ADJACENT_NUMBERS]
            tallies[Reason.ADJACENT_NUMBERS] = await self._store.move(names[Reason.NUMBER_BLOCK], own, self._memory_ms)
        return tallies, row

    async def _uncount(self, send: Send, *, row: bool) -> None:
        await self._store.take_back(list(self._tallies(send, row=row).values()), self._memory_ms)

    def _tallies(self, send: Send, *, row: bool) -> dict[Reason, str]:
        """The application's own region is not judged: it would be one bucket for everybody."""
        block = Reason.ADJACENT_NUMBERS if row else Reason.NUMBER_BLOCK
        wanted = {block: send.to.block, Reason.CLIENT_IP: send.address}
        if send.to.region != self._settings.applications[send.application].region:
            wanted[Reason.COUNTRY] = send.to.region
        return {
            reason: self._names.counter("guard", send.application, reason, value)
            for reason, value in wanted.items()
            if value
        }

    def _place(self, send: Send) -> tuple[str, int]:
        """A stand-in of the block, and the place in it, shifted so that nobody reads digits of a phone there."""
        name = self._names.counter("places", send.application, send.to.block)
        shift = int(self._names.counter("shift", send.application, send.to.block)[:8], 16)
        return name, (send.to.place_in_block + shift) % pumping.BLOCK_SIZE
