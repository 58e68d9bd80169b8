"""What the stores answer to a repeat, to a twin and after a process that died, moment by moment by the clock of Redis.

Stories over HTTP reach few of these: they would have to kill a process between two scripts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from otp_service.domain.codes import Cost
from otp_service.domain.factors import FactorOutcome
from otp_service.domain.keyring import SubjectPlace
from otp_service.domain.messages import CodeSource, MessageStatus
from otp_service.domain.phone import Number
from otp_service.domain.requests import StartRequest
from otp_service.domain.totp import Algorithm, ClockOff
from otp_service.domain.verifications import Status
from otp_service.errors import Erased
from otp_service.settings import Settings, load
from otp_service.storage import keys, pumping
from otp_service.storage.erasure import erase
from otp_service.storage.limits import Counter
from otp_service.storage.pumping import REPORT_DAYS
from otp_service.storage.records import Answered, MessageResult, NewMessage, Repeat
from otp_service.storage.reports import Look, Report
from otp_service.storage.stores import Stores, open_stores
from otp_service.storage.subject_records import TotpSealed
from otp_service.storage.subjects import subject_key
from otp_service.storage.words import Start
from tests.clock import Clock, faked_server
from tests.running import service_environ

PHONE = "+79161234567"
LEASE = 10
FIRST, OTHER_BODY = Repeat("key", "body"), Repeat("key", "another body")


class Rig:
    """The stores of one process, and the clock of its Redis."""

    def __init__(self, stores: Stores, clock: Clock, settings: Settings) -> None:
        self.stores = stores
        self.clock = clock
        self.policy = replace(settings.applications["web"], max_sends=5, resend_pause_seconds=[1])

    async def started(self, phone: str = PHONE) -> Answered[Start]:
        return await self.stores.verifications.start(
            self.stores.names.new_id("web", phone), "web", self.policy, phone, StartRequest(phone), number=Number(),
            country="RU", cost=Cost(8, 1, 1), lease_seconds=LEASE, first=message(1), remembered={},
        )  # fmt: skip

    async def sent(self) -> str:
        """The id of a verification whose code was sent."""
        stored = await self.started()
        taken = MessageResult(1, MessageStatus.ACCEPTED, "p-1")
        assert (await self.stores.sends.progress(stored.walk, settled=taken, then="done")).word == "ok"
        self.clock.move(seconds=2)  # the pause before a resend
        return stored.verification.id

    async def status(self, verification_id: str) -> Status:
        return (await self.stores.verifications.read(verification_id, "web")).verification.status


def message(number: int) -> NewMessage:
    return NewMessage(number, "main", "sms", CodeSource.LOCAL, f"c-{number}")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    with faked_server(tmp_path) as server:
        settings = load(service_environ(tmp_path, server.url, "http://127.0.0.1:1"))
        async with open_stores(settings, jobs={"web": []}) as stores:
            yield Rig(stores, server.clock, settings)


async def test_a_resend_is_asked_for_again(rig: Rig) -> None:
    verification_id = await rig.sent()

    async def resend(repeat: Repeat) -> tuple[str, int]:
        found = await rig.stores.sends.resend(verification_id, "web", rig.policy, repeat, LEASE)
        return found.word, found.walk_number

    assert await resend(FIRST) == ("claimed", 2)
    assert await resend(FIRST) == ("running", 2)
    assert await resend(OTHER_BODY) == ("mismatch", 2)
    rig.clock.move(seconds=LEASE + 1)
    assert await resend(FIRST) == ("taken_over", 3), "its process died"
    found = await rig.stores.verifications.read(verification_id, "web")
    await rig.stores.sends.progress(found.walk, opened=message(2))
    await rig.stores.sends.progress(found.walk, settled=MessageResult(2, MessageStatus.ACCEPTED), then="done")
    assert await resend(FIRST) == ("replay", 3)
    assert found.verification.sends == 2, "counted once, however often it was asked for"


async def test_a_resend_that_died_is_not_sent_after_the_end(rig: Rig) -> None:
    verification_id = await rig.sent()
    await rig.stores.sends.resend(verification_id, "web", rig.policy, FIRST, LEASE)
    rig.clock.move(seconds=rig.policy.ttl_seconds + 1)
    found = await rig.stores.sends.resend(verification_id, "web", rig.policy, FIRST, LEASE)
    assert (found.word, found.verification.status) == ("replay", Status.EXPIRED)


async def test_a_walk_hears_that_its_verification_ended(rig: Rig) -> None:
    stored = await rig.started()
    await rig.stores.verifications.cancel(stored.verification.id, "web")
    walked = await rig.stores.sends.progress(
        stored.walk, settled=MessageResult(1, MessageStatus.REJECTED), opened=message(2)
    )
    assert (walked.word, len(walked.verification.messages)) == ("closed", 1), "nothing more is sent"
    assert walked.due_times.lease == 0


async def test_a_walk_that_another_took_over_opens_nothing(rig: Rig) -> None:
    stored = await rig.started()
    rig.clock.move(seconds=LEASE + 1)
    taken = await rig.stores.sends.take_over(stored.verification.id, LEASE, "any")
    assert taken.word == "taken_over"
    lost = await rig.stores.sends.progress(stored.walk, opened=message(2))
    assert (lost.word, len(lost.verification.messages)) == ("lost", 1)
    ended = MessageResult(1, MessageStatus.ACCEPTED)
    assert (await rig.stores.sends.progress(taken.walk, settled=ended, then="done")).word == "ok"
    assert (await rig.stores.sends.progress(taken.walk, settled=ended, then="done")).word == "ok", "a lost answer"


async def test_a_walk_is_left_to_its_process_until_its_lease_ends(rig: Rig) -> None:
    stored = await rig.started()
    running = await rig.stores.sends.take_over(stored.verification.id, LEASE, "any")
    assert (running.word, running.walk_number) == ("running", 1)
    assert running.wait_seconds == pytest.approx(LEASE, abs=1)
    assert (await rig.stores.sends.progress(stored.walk, opened=message(2))).word == "ok", "it goes on"


async def test_a_resend_waits_for_the_walk_that_is_under_way(rig: Rig) -> None:
    stored = await rig.started()
    rig.clock.move(seconds=2)  # the pause is over, the lease is not
    running = await rig.stores.sends.resend(stored.verification.id, "web", rig.policy, FIRST, LEASE)
    assert (running.word, running.walk_number, running.verification.sends) == ("running", 1, 1)


async def test_who_lost_a_walk_refuses_nothing_after_the_other_is_through(rig: Rig) -> None:
    stored = await rig.started()
    rig.clock.move(seconds=LEASE + 1)
    taken = await rig.stores.sends.take_over(stored.verification.id, LEASE, "any")
    unclear = MessageResult(1, MessageStatus.UNCLEAR)
    assert (await rig.stores.sends.progress(taken.walk, settled=unclear, then="done")).word == "ok"
    late = await rig.stores.sends.progress(stored.walk, settled=MessageResult(1, MessageStatus.REJECTED), then="fail")
    assert late.word == "lost"
    assert (late.verification.sends, late.verification.messages[0].status) == (1, MessageStatus.UNCLEAR)


async def test_an_attempt_whose_process_died_is_judged_and_counted_once(rig: Rig) -> None:
    verification_id = await rig.sent()

    async def take(repeat: Repeat) -> tuple[str, int]:
        found = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, repeat)
        return found.word, found.verification.attempts

    assert await take(FIRST) == ("judge", 1)
    assert await take(FIRST) == ("running", 1)
    assert await take(OTHER_BODY) == ("mismatch", 1)
    rig.clock.move(seconds=6)
    assert await take(FIRST) == ("judge", 1)
    taken = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, Repeat("second", "body"))
    settled = await rig.stores.verifications.settle(taken, False, FIRST, 0)
    assert settled
    assert settled.detail == "wrong_code"
    again = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, FIRST)
    assert (again.word, again.detail) == ("replay", "wrong_code")


async def test_twins_hear_one_verdict(rig: Rig) -> None:
    verification_id = await rig.sent()
    taken = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, FIRST)
    heard = [await rig.stores.verifications.settle(taken, matched, FIRST, 0) for matched in (True, False, True)]
    assert [each and each.detail for each in heard] == ["approved"] * 3


async def test_however_many_guess_at_once_no_more_are_judged_than_may_be(rig: Rig) -> None:
    rig.policy = replace(rig.policy, max_attempts=2)
    verification_id, store = await rig.sent(), rig.stores.verifications
    taken = [await store.take_attempt(verification_id, "web", "", 6, Repeat()) for _ in range(4)]
    assert [each.word for each in taken] == ["judge", "judge", "closed", "closed"]
    assert (taken[2].detail, taken[2].verification.attempts) == ("exhausted", 2)
    assert taken[2].verification.status is Status.PENDING, "a right code may still be at the hash"
    settled = [await store.settle(each, False, Repeat(), 0) for each in taken[:2]]
    assert [each and each.detail for each in settled] == ["wrong_code", "exhausted"]


async def test_after_a_hundred_wrong_codes_in_a_row_a_phone_is_done_for(rig: Rig) -> None:
    """NIST SP 800-63B-4 §3.2.2: nothing is sent to it and nothing is judged until somebody unlocks it."""
    verification_id = await rig.sent()
    fails = rig.stores.sends._records.key_names(verification_id).fails
    await rig.stores.database.command("HSET", fails, "count", 100)
    before = await rig.stores.verifications.read(verification_id, "web")
    taken = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, Repeat())
    resent = await rig.stores.sends.resend(verification_id, "web", rig.policy, FIRST, LEASE)
    failed_over = await rig.stores.sends.fail_over(before, rig.policy, LEASE)
    started = await rig.started()
    assert [taken.word, resent.word, failed_over.word, started.word] == ["disabled", "disabled", "off", "disabled"]
    assert taken.verification.attempts == 0
    await rig.stores.ledger.unlock("web", PHONE)
    assert (await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, Repeat())).word == "judge"


async def test_one_of_two_right_codes_approves(rig: Rig) -> None:
    verification_id, store = await rig.sent(), rig.stores.verifications
    taken = [await store.take_attempt(verification_id, "web", "", 6, Repeat()) for _ in range(2)]
    settled = [await store.settle(each, True, Repeat(), 0) for each in taken]
    assert [each and each.detail for each in settled] == ["approved", "already_approved"]


async def test_what_has_ended_is_approved_by_nobody_and_what_is_pending_once(rig: Rig) -> None:
    canceled, pending, store = (
        await rig.sent(),
        (await rig.started("+79161234568")).verification.id,
        rig.stores.verifications,
    )
    await store.cancel(canceled, "web")

    async def approve(verification_id: str, *, others_code: bool = True, assurance: str = "") -> tuple[str, Status]:
        found = await store.approve(
            verification_id, "web", others_code=others_code, proved_seconds=60, assurance=assurance
        )
        return found.word, found.verification.status

    assert await approve(canceled) == ("closed", Status.CANCELED)
    assert await approve(pending, others_code=False) == ("not_allowed", Status.PENDING), "the code is ours"
    fails = rig.stores.sends._records.key_names(pending).fails
    await rig.stores.database.command("HSET", fails, "count", 7)
    assert await approve(pending, assurance="claimed") == ("approved", Status.APPROVED)
    assert await rig.stores.database.command("HGET", fails, "count") == b"7", "who forges a claim may be who guessed"
    assert await approve(pending) == ("closed", Status.APPROVED)


async def test_what_is_past_its_end_is_written_down_by_whoever_comes(rig: Rig) -> None:
    judged, canceled = await rig.sent(), (await rig.started("+79161234568")).verification.id
    taken = await rig.stores.verifications.take_attempt(judged, "web", "", 6, Repeat())
    rig.clock.move(seconds=rig.policy.ttl_seconds + 1)
    settled = await rig.stores.verifications.settle(taken, True, Repeat(), 0)
    assert settled
    assert settled.detail == "expired"
    assert (await rig.stores.verifications.cancel(canceled, "web")).verification.status is Status.EXPIRED
    for each in (judged, canceled):
        record = await rig.stores.database.command(
            "HGET", rig.stores.sends._records.key_names(each).verification, "status"
        )
        assert record == b"expired"


async def test_an_attempt_is_given_back_once(rig: Rig) -> None:
    verification_id = await rig.sent()
    store = rig.stores.verifications
    await store.take_attempt(verification_id, "web", "", 6, FIRST)
    await store.give_back_attempt(verification_id, FIRST, ())
    await store.give_back_attempt(verification_id, FIRST, ())
    again = await store.take_attempt(verification_id, "web", "", 6, FIRST)
    assert (again.word, again.verification.attempts) == ("judge", 1), "its key is free again"


async def test_what_was_erased_is_gone_for_whoever_was_at_it(rig: Rig) -> None:
    """Events that still lie in the outbox go as well."""
    verification_id = await rig.sent()
    stored = await rig.stores.verifications.read(verification_id, "web")
    taken = await rig.stores.verifications.take_attempt(verification_id, "web", "", 6, Repeat())
    erased = await erase(rig.stores.database, rig.stores.names, "web", PHONE)
    assert (erased.verifications, erased.messages) == (1, 1)
    assert erased.events >= 2, "none was passed on yet"
    assert await rig.stores.verifications.settle(taken, True, Repeat(), 0) is None
    await rig.stores.verifications.give_back_attempt(verification_id, Repeat(), ())
    (written,) = await rig.stores.reports.write([Look(stored, [], 1000)])
    assert written.word == "not_found"
    with pytest.raises(Erased):
        await rig.stores.sends.progress(stored.walk, then="done")


@pytest.mark.parametrize("later", [MessageStatus.ACCEPTED, MessageStatus.UNDELIVERED, MessageStatus.UNKNOWN])
async def test_what_was_delivered_stays_so(rig: Rig, later: MessageStatus) -> None:
    stored = await rig.stores.verifications.read(await rig.sent(), "web")
    for status in (MessageStatus.DELIVERED, later):
        (written,) = await rig.stores.reports.write([Look(stored, [Report(1, status)], None)])
        assert written.verification.messages[0].status is MessageStatus.DELIVERED
    walked = await rig.stores.sends.settle_message(stored.verification.id, MessageResult(1, later))
    assert walked.verification.messages[0].status is MessageStatus.DELIVERED


@pytest.mark.parametrize(("max_sends", "word"), [(1, "spent"), (2, "claimed")])
async def test_a_fail_over_counts_as_a_send(rig: Rig, max_sends: int, word: str) -> None:
    rig.policy = replace(rig.policy, max_sends=max_sends)
    stored = await rig.started()
    sent = await rig.stores.sends.progress(
        stored.walk, settled=MessageResult(1, MessageStatus.ACCEPTED), then="done", failover_ms=1000
    )
    assert sent.due_times.failover > 0
    rig.clock.move(seconds=2)
    found = await rig.stores.sends.fail_over(sent, rig.policy, LEASE)
    assert (found.word, found.verification.sends if word == "claimed" else 1) == (word, max_sends)


async def test_a_pushed_report_of_a_message_that_is_over_is_no_news(rig: Rig) -> None:
    verification_id = await rig.sent()
    await rig.stores.reports.remember("account", "p-1", verification_id, 60)
    assert await rig.stores.reports.push("account", "p-1", MessageStatus.DELIVERED)
    assert not await rig.stores.reports.push("account", "p-1", MessageStatus.DELIVERED), "told already"
    assert not await rig.stores.reports.push("account", "p-2", MessageStatus.DELIVERED), "nobody's"


async def enrolled(rig: Rig, factor_id: str, subject: str = "anna") -> SubjectPlace:
    place = rig.stores.names.subject("web", subject)
    sealed = rig.stores.vault.seal(TotpSealed(b"0" * 20, "", subject, "Example"), "web", place, "totp", factor_id)
    who = rig.stores.vault.seal(subject.encode(), "web", place, "who")
    found = await rig.stores.factors.enrol(
        "web", place, factor_id, sealed, 6, Algorithm.SHA1, 30, who, Repeat(), factor_id
    )
    assert found.word == "enrolled"
    return place


async def test_a_second_factor_whose_judge_died_is_counted_once(rig: Rig) -> None:
    place = await enrolled(rig, "one")
    factors, decoy = rig.stores.factors, (b"{}", b"", b"")

    async def take(repeat: Repeat) -> tuple[str, str, int]:
        found = await factors.take("web", place, "any", "", 6, repeat, decoy)
        return found.word, found.detail, (await rig.stores.subjects.read("web", place)).totp_states["one"].fails

    assert await take(FIRST) == ("judge", "one", 1)
    word, left, fails = await take(FIRST)
    assert (word, fails) == ("running", 1)
    assert 0 < int(left) <= 5000
    assert (await take(OTHER_BODY))[0] == "mismatch"
    rig.clock.move(seconds=6)
    assert await take(FIRST) == ("judge", "one", 1), "the same authenticators are judged, and no more is counted"
    taken = await factors.take("web", place, "any", "", 6, Repeat("other", "body"), decoy)
    settled = await factors.settle(taken, "any", ("one", 5, 0), None, FIRST)
    assert settled.outcome is FactorOutcome.APPROVED
    assert await take(FIRST) == ("replay", "approved:one", 0)


async def test_two_first_codes_confirm_once(rig: Rig) -> None:
    place = await enrolled(rig, "one")
    taken = await rig.stores.factors.take("web", place, "check", "one", 6, Repeat(), (b"{}", b"", b""))
    settled = await rig.stores.factors.settle(taken, "confirm", ("one", 5, 0), None, Repeat())
    assert settled.outcome is FactorOutcome.ALREADY_CONFIRMED


async def test_a_step_is_good_once_and_one_that_was_told_to_be_of_another_time_never(rig: Rig) -> None:
    place, factors = await enrolled(rig, "one"), rig.stores.factors
    step = await rig.stores.ledger.now_ms() // 30_000

    async def settled(found: int, elsewhen: int = 0) -> FactorOutcome:
        taken = await factors.take("web", place, "any", "", 6, Repeat(), (b"{}", b"", b""))
        assert taken.word == "judge"
        right = ("one", found, 0) if found else None
        other = ("one", ClockOff(elsewhen, 60)) if elsewhen else None
        return (await factors.settle(taken, "any", right, other, Repeat())).outcome

    assert await settled(step) is FactorOutcome.APPROVED
    assert await settled(step) is FactorOutcome.ALREADY_USED
    assert await settled(step - 1) is FactorOutcome.ALREADY_USED, "nor any before it"
    assert await settled(0, elsewhen=step + 3) is FactorOutcome.CLOCK_OFF
    assert await settled(0, elsewhen=step + 4) is FactorOutcome.CLOCK_OFF
    assert await settled(step + 3) is FactorOutcome.ALREADY_USED, "whoever heard that it will be right may not use it"
    assert await settled(step + 5) is FactorOutcome.APPROVED


async def test_what_is_removed_twice_was_there_once(rig: Rig) -> None:
    place = await enrolled(rig, "one")
    assert (await rig.stores.factors.remove("web", place, "one")).word == "removed"
    assert (await rig.stores.factors.remove("web", place, "one")).word == "not_found"


async def test_of_a_person_who_is_forgotten_nothing_is_left(rig: Rig) -> None:
    place = await enrolled(rig, "one")
    assert "one" in (await rig.stores.subjects.forget("web", place)).totp_states
    assert await rig.stores.database.command("EXISTS", subject_key(place)) == 0
    assert (await rig.stores.subjects.read("web", place)).totp_states == {}


async def test_wrong_backup_codes_are_forgotten_when_a_person_is_unlocked(rig: Rig) -> None:
    place = await enrolled(rig, "one")
    factors = rig.stores.factors
    await factors.issue("web", place, b"sealed", Cost(8, 1, 1), b"", b"who", {"s": b"h"}, Repeat())
    for _ in range(3):
        await factors.take_backup("web", place, "s", Repeat(), (b"{}", b"", b""))
    assert await rig.stores.subjects.unlock("web", place) == 3
    assert await rig.stores.subjects.unlock("web", place) == 0


async def test_the_phone_that_was_verified_longest_ago_makes_room(rig: Rig) -> None:
    subjects = rig.stores.subjects
    for n in range(12):
        await subjects.remember_phone("web", "anna", f"+791612345{n:02}")
        rig.clock.move(seconds=1)
    found = await subjects.read("web", rig.stores.names.subject("web", "anna"))
    phones = {phone.e164 for phone in rig.stores.vault.overview(found).phones}
    assert phones == {f"+791612345{n:02}" for n in range(2, 12)}


async def test_a_relay_of_the_last_release_finds_what_its_readers_ask_for(rig: Rig) -> None:
    await rig.sent()
    entries = await rig.stores.database.command("XRANGE", keys.outbox(str(rig.stores.names.partition(PHONE))), "-", "+")
    created, updated = (fields for _, fields in entries)
    asked = b"purpose channel reference status created_at expires_at attempts max_attempts sends max_sends message"
    assert {*asked.split(), b"phone", b"key_id", b"type", b"at", b"application", b"subject"} <= created.keys()
    assert not created[b"message"]
    assert created.keys() | {b"message:gateway", b"message:status", b"message:updated_at"} <= updated.keys()


async def test_a_log_that_lost_its_counter_goes_on_from_its_newest_event(rig: Rig) -> None:
    await rig.sent()
    lane = str(rig.stores.names.partition(PHONE))
    await rig.stores.events.relay([lane])
    before = await rig.stores.events.after("web", "", 100)
    await rig.stores.database.command("HDEL", keys.event_state("web"), "sequence")
    await rig.started("+79161234568")
    await rig.stores.events.relay([str(rig.stores.names.partition("+79161234568"))])
    after = await rig.stores.events.after("web", "", 100)
    assert len(after) > len(before)
    assert [each.sequence for each in after] == list(range(1, len(after) + 1))


async def test_the_report_of_the_guard_forgets_old_days(rig: Rig) -> None:
    await rig.stores.pumping.note("web", "refused", [("velocity", "7916")])
    rig.clock.move(hours=24 * (REPORT_DAYS - 1))
    await rig.stores.pumping.note("web", "refused", [("velocity", "7917")])
    rig.clock.move(hours=24)
    await rig.stores.pumping.note("web", "refused", [("velocity", "7918")])
    rows = await rig.stores.pumping.report("web", REPORT_DAYS)
    assert {row.value for row in rows if row.value} == {"7917", "7918"}


async def test_what_does_not_fit_into_the_report_is_counted_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pumping, "REPORT_THINGS", 4)
    await rig.stores.pumping.note("web", "refused", [("velocity", str(n)) for n in range(6)])
    rows = {(row.reason, row.value): row.count for row in await rig.stores.pumping.report("web", 1)}
    assert rows["other", ""] == 4
    assert len(rows) == 4


async def test_an_alarm_is_told_once_while_it_is_raised(rig: Rig) -> None:
    raised = [await rig.stores.pumping.raise_alarm("web", 60, 100, 50) for _ in range(2)]
    assert raised == [True, False]
    assert await rig.stores.pumping.is_alarmed("web")
    rig.clock.move(seconds=61)
    assert await rig.stores.pumping.raise_alarm("web", 60, 100, 50)


async def test_a_day_s_budget_is_warned_of_and_ends_once(rig: Rig) -> None:
    spending = rig.stores.spending

    async def spend(amount: int, *, must_fit: bool = True, day: str = "") -> tuple[str, bool, int]:
        found = await spending.add("web", amount, 100, 0, must_fit=must_fit, day=day)
        return found.told, found.wait_seconds > 0, found.today

    day = (await spending.add("web", 0, 100, 0)).day
    assert await spend(85) == ("warning", False, 85)
    assert await spend(10) == ("", False, 95), "warned of already"
    assert await spend(10) == ("exhausted", True, 95)
    assert await spend(10) == ("", True, 95)
    rig.clock.move(hours=24)
    assert await spend(-20, must_fit=False, day=day) == ("", False, 0), "given back to the day before"
    record = await rig.stores.database.command("HGET", keys.spending("web"), day)
    assert record == b"75"
    rig.clock.move(hours=24 * 30)
    await spend(1)
    assert await rig.stores.database.command("HGET", keys.spending("web"), day) == b"75"
    rig.clock.move(hours=24 * 32)
    await spend(1)
    assert await rig.stores.database.command("HGET", keys.spending("web"), day) is None


async def test_a_window_slides(rig: Rig) -> None:
    counter = Counter("some", keys.limit("own"), 3, 60)

    async def counted() -> bool:
        return isinstance(await rig.stores.limits.count([counter]), list)

    assert [await counted() for _ in range(2)] == [True, True]
    rig.clock.move(seconds=40)
    assert [await counted() for _ in range(2)] == [True, False]
    rig.clock.move(seconds=22)
    assert [await counted() for _ in range(3)] == [True, True, False], "the first two have left, the third has not"


async def test_a_balance_is_told_of_once_below_its_threshold(rig: Rig) -> None:
    told = [await rig.stores.gateways.note_balance("main", each, "100") for each in ("150", "90", "80", "120", "70")]
    assert told == [False, True, False, False, True]
