"""Everything that a process keeps in Redis, opened once: one store for each noun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from otp_service.domain.keyring import Keyring, Names
from otp_service.settings import Settings
from otp_service.settings.prices import PriceList
from otp_service.storage import preflight
from otp_service.storage.api_keys import ApiKeyStore
from otp_service.storage.audit import AuditLog
from otp_service.storage.client_ids import ClientIds
from otp_service.storage.connection import Database, open_database
from otp_service.storage.events import EventStore
from otp_service.storage.factors import FactorStore
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.idempotency import IdempotencyStore
from otp_service.storage.install import load_names
from otp_service.storage.ledger import Ledger
from otp_service.storage.limits import LimitStore
from otp_service.storage.lists import ListStore
from otp_service.storage.operators import OperatorStore
from otp_service.storage.pumping import TallyStore
from otp_service.storage.reach import ReachStore
from otp_service.storage.records import Records
from otp_service.storage.refusals import RefusalStore
from otp_service.storage.reports import ReportStore
from otp_service.storage.routes import RouteStore
from otp_service.storage.schedule import Schedule
from otp_service.storage.sends import SendStore
from otp_service.storage.spending import SpendingStore
from otp_service.storage.statistics import StatisticsStore
from otp_service.storage.subject_records import Vault
from otp_service.storage.subjects import SubjectStore
from otp_service.storage.twilio import TwilioStore
from otp_service.storage.verifications import VerificationStore
from otp_service.storage.webhooks import WebhookStore
from otp_service.storage.weekly import WeeklyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """names: how this installation names what must not be named in clear. vault: seals what is kept of a subject."""

    database: Database
    names: Names
    keyring: Keyring
    vault: Vault
    verifications: VerificationStore
    sends: SendStore
    reports: ReportStore
    reach: ReachStore
    routes: RouteStore
    idempotency: IdempotencyStore
    client_ids: ClientIds
    ledger: Ledger
    limits: LimitStore
    refusals: RefusalStore
    pumping: TallyStore
    spending: SpendingStore
    statistics: StatisticsStore
    weekly: WeeklyStore
    gateways: GatewayStore
    schedule: Schedule
    events: EventStore
    webhooks: WebhookStore
    factors: FactorStore
    subjects: SubjectStore
    api_keys: ApiKeyStore
    twilio: TwilioStore
    operators: OperatorStore
    lists: ListStore
    audit: AuditLog


@asynccontextmanager
async def open_stores(
    settings: Settings,
    jobs: Mapping[str, Sequence[str]] | None = None,
    callers_jobs: Callable[[TwilioStore], Callable[[str], Awaitable[Sequence[str]]]] | None = None,
) -> AsyncIterator[Stores]:
    """Connect, see that this Redis is fit for work, and read how this installation names things.

    jobs: of each application, the due jobs that tell its webhooks what is new; callers_jobs: those of webhooks that
    callers made. Both are for a process that runs jobs.
    Raises SettingsError with a sentence for the operator where it cannot be worked with.
    """
    async with open_database(settings.redis) as database:
        keyring = Keyring(settings.service.secret.reveal())
        await preflight.refuse_unfit(
            database,
            keyring,
            settings.applications,
            allow_no_persistence=settings.redis.allow_no_persistence,
            patience=settings.redis.wait_at_start_seconds,
        )
        audit = AuditLog(database, settings.retention.audit_seconds)
        names = await load_names(database, keyring, audit)
        records = Records(database, keyring, names)
        vault = Vault(keyring)
        twilio = TwilioStore(database, settings.retention.ended_seconds)
        prices = PriceList(settings)
        statistics = StatisticsStore(database, settings.statistics, prices.of_part, prices.owes)
        events = EventStore(
            database,
            keyring,
            settings.retention.events_seconds,
            jobs or {},
            statistics,
            callers_jobs and callers_jobs(twilio),
        )
        yield Stores(
            database=database,
            names=names,
            keyring=keyring,
            vault=vault,
            verifications=VerificationStore(records, names, settings.retention.ended_seconds),
            sends=SendStore(records),
            reports=ReportStore(records, database),
            reach=ReachStore(records, database, names),
            routes=RouteStore(database),
            idempotency=IdempotencyStore(database),
            client_ids=ClientIds(database),
            ledger=Ledger(database, names),
            limits=LimitStore(database),
            refusals=RefusalStore(database),
            pumping=TallyStore(database),
            spending=SpendingStore(database, settings.money.warning_percent),
            statistics=statistics,
            weekly=WeeklyStore(database),
            gateways=GatewayStore(database),
            schedule=Schedule(database, names, list(settings.applications)),
            events=events,
            webhooks=WebhookStore(database, events),
            factors=FactorStore(database),
            subjects=SubjectStore(database, names, vault),
            api_keys=ApiKeyStore(database),
            twilio=twilio,
            operators=OperatorStore(database),
            lists=ListStore(database, keyring),
            audit=audit,
        )
