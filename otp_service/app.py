"""Wiring: the only module that knows all the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp

from otp_service import __version__, tracing
from otp_service.admission import open_admission
from otp_service.api import audit, callbacks, documentation, events, gateways, problems, system
from otp_service.api.auth import NOT_OURS, PUBLIC, ApiKeyAuthentication, refuse_open_doors
from otp_service.api.backup_codes import BackupCodeController
from otp_service.api.edge import MAX_BODY_BYTES, Edge
from otp_service.api.factors import TotpController
from otp_service.api.fraud import fraud
from otp_service.api.phones import PhoneController
from otp_service.api.subjects import SubjectController
from otp_service.api.verifications import VerificationController
from otp_service.delivery import routing
from otp_service.delivery.circuits import Circuits
from otp_service.delivery.dispatch import Dispatcher
from otp_service.delivery.errands import Errands
from otp_service.delivery.pushes import Pushes
from otp_service.delivery.recipients import Recipients
from otp_service.delivery.spending import Spending
from otp_service.delivery.test_numbers import TestNumbers
from otp_service.delivery.tracking import Tracking
from otp_service.discretion import Discretion
from otp_service.domain.keyring import Keyring
from otp_service.errors import SettingsError
from otp_service.factors import Factors
from otp_service.gateways import registry
from otp_service.gateways.base import Gateway
from otp_service.hashing import HashPool
from otp_service.jobs import Jobs
from otp_service.lookup import Lookup
from otp_service.proofs import Proofs
from otp_service.service import Service
from otp_service.settings import Settings, examined
from otp_service.storage import guards
from otp_service.storage.api_keys import ApiKeyStore
from otp_service.storage.audit import Action, AuditLog
from otp_service.storage.client_ids import ClientIds
from otp_service.storage.connection import open_database
from otp_service.storage.events import EventStore
from otp_service.storage.factors import FactorStore
from otp_service.storage.gateways import GatewayStore
from otp_service.storage.hooks import HookStore
from otp_service.storage.idempotency import IdempotencyStore
from otp_service.storage.install import load_names
from otp_service.storage.records import Records
from otp_service.storage.reports import ReportStore
from otp_service.storage.schedule import Schedule
from otp_service.storage.sends import SendStore
from otp_service.storage.spending import SpendingStore
from otp_service.storage.subject_records import Vault
from otp_service.storage.subjects import SubjectStore
from otp_service.storage.verifications import VerificationStore
from otp_service.verifications import Verifications
from otp_service.waiting import Waiting
from otp_service.webhooks.delivery import jobs_of, open_webhooks
from otp_service.worker import Worker

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS = 0.5


@asynccontextmanager
async def open_service(settings: Settings, *, worker: bool = True) -> AsyncIterator[Service]:
    """Build and start everything, close it in reverse. worker: run due jobs in this process.

    Raises SettingsError when it cannot work.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.exporting(settings.tracing.endpoint, settings.tracing.sample_ratio, __version__))
        known = await _open_gateways(settings, stack)
        database = await stack.enter_async_context(open_database(settings.redis))
        await guards.wait_until_there(database)
        await guards.refuse_unfit(database, allow_no_persistence=settings.redis.allow_no_persistence)
        keyring = Keyring(settings.service.secret.reveal())
        audit = AuditLog(database, settings.retention.audit_seconds)
        names = await load_names(database, keyring, audit)
        hash_pool = HashPool(settings.hashing)
        stack.callback(hash_pool.close)
        records = Records(database, keyring, names)
        store = VerificationStore(records, names, settings.retention.ended_seconds)
        sends = SendStore(records)
        reports = ReportStore(records, database)
        gateway_store = GatewayStore(database)
        log_of_events = EventStore(database, keyring, settings.retention.events_seconds, jobs_of(settings))
        schedule = Schedule(database, names, list(settings.applications))
        recipients = Recipients(settings, known)
        test_numbers = TestNumbers(settings)
        circuits = Circuits(known, gateway_store)
        pushes = Pushes(known.values(), reports)
        errands = Errands(settings, known, circuits)
        dispatcher = Dispatcher(sends, reports, ClientIds(database), circuits, hash_pool, pushes.accounts, test_numbers)
        spending = Spending(settings, SpendingStore(database, settings.money.warning_percent))
        admission = open_admission(settings, database, names, recipients, test_numbers, store, sends, spending)
        stopping = asyncio.Event()
        vault = Vault(keyring)
        subjects = SubjectStore(database, names, vault)
        idempotency = IdempotencyStore(database)
        verifications = Verifications(
            settings,
            names,
            store,
            sends,
            idempotency,
            recipients,
            errands,
            dispatcher,
            hash_pool,
            Proofs(subjects),
            admission,
        )
        discretion = Discretion(
            settings, names, store, sends, idempotency, recipients, errands, hash_pool, verifications, admission
        )
        lasting = settings.redis.allow_factors_without_persistence or await guards.is_lasting(database)
        if not lasting:
            log.warning("factors_refused", text="Redis keeps nothing over a restart: no second factor is taken")
        factors = Factors(settings, names, vault, FactorStore(database), subjects, hash_pool, audit, lasting=lasting)
        lookup = Lookup(settings, names, store, Waiting(store, stopping.is_set))
        tracking = Tracking(
            settings, known, store, sends, reports, gateway_store, circuits, errands, dispatcher, spending
        )
        hooks = HookStore(database, log_of_events)
        webhooks = await stack.enter_async_context(open_webhooks(settings, hooks, schedule))
        jobs = Jobs(schedule, tracking, log_of_events, webhooks, circuits, gateway_store, known)
        api_keys = ApiKeyStore(database)
        if settings.bootstrap_api_key:
            await api_keys.ensure(settings.bootstrap_api_key, next(iter(settings.applications)), audit)
        fingerprint = names.fingerprint(settings.digest)
        await audit.record("service", Action.SERVICE_STARTED, version=__version__, settings=fingerprint)
        await circuits.refresh()
        await jobs.plan()
        own_worker = Worker(schedule, jobs.handlers, stopping) if worker else None
        service = Service(
            settings,
            database,
            api_keys,
            audit,
            known,
            hash_pool,
            verifications,
            discretion,
            factors,
            admission,
            lookup,
            log_of_events,
            circuits,
            pushes,
            own_worker,
            stopping,
        )
        work = {
            "circuits": circuits.keep_fresh(),
            "stop lists": recipients.keep_stop_lists(),
            "callbacks": recipients.register_callbacks(),
            "webhooks": webhooks.keep_counted(),
            "judged codes": admission.keep_told(),
        }
        if own_worker:
            work["worker"] = own_worker.run()
        for name, coroutine in work.items():
            stack.push_async_callback(_stopped, asyncio.create_task(coroutine, name=name))
        yield service


def create_app(service: Service, *, api: bool = True) -> ASGIApp:
    """The HTTP side of a running service; without its API for a process that only works."""
    routes = [
        VerificationController,
        TotpController,
        BackupCodeController,
        SubjectController,
        gateways.gateways,
        events.events,
        callbacks.targetsms,
        audit.entries,
        PhoneController,
        fraud,
        *documentation.ROUTES,
    ]
    app = Litestar(
        route_handlers=[*(routes if api else ()), system.live, system.ready, system.metrics_page],
        dependencies={
            "service": Provide(lambda: service, sync_to_thread=False),
            "admission": Provide(lambda: service.admission, sync_to_thread=False),
            "verifications": Provide(lambda: service.verifications, sync_to_thread=False),
            "discretion": Provide(lambda: service.discretion, sync_to_thread=False),
            "factors": Provide(lambda: service.factors, sync_to_thread=False),
            "lookup": Provide(lambda: service.lookup, sync_to_thread=False),
        },
        middleware=[
            DefineMiddleware(ApiKeyAuthentication, exclude=[f"^{NOT_OURS}"], exclude_from_auth_key=PUBLIC),
        ],
        exception_handlers=dict(problems.HANDLERS),
        before_send=[problems.tell_methods],
        openapi_config=documentation.CONFIG,
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"service": service}),
    )
    refuse_open_doors(app)
    documentation.complete(app)
    problems.count_from_zero()
    return Edge(app, service.settings.http.trusted_proxies, service.stopping.is_set)


async def _open_gateways(settings: Settings, stack: AsyncExitStack) -> Mapping[str, Gateway]:
    gateways = {name: registry.build(name, table) for name, table in settings.gateways.items()}
    for name, found in examined(settings.applications):
        if not found.plain:
            log.warning("text_examined", name=name, text=found.sentence)
    for name, table in settings.gateways.items():
        for warning in registry.warnings(name, table):
            log.warning("plaintext_gateway", text=warning)
    for gateway in gateways.values():
        stack.push_async_callback(gateway.close)
    for channel, route in settings.routes.items():
        head = gateways[route.gateways[0]]
        if head.channel != channel:
            raise SettingsError(f"routes.{channel}.gateways: {head.name} sends by {head.channel}; it cannot come first")
        origin = next((name for name, application in settings.applications.items() if application.webotp_origin), None)
        if origin and not routing.able([gateways[name] for name in route.gateways], repeats_code=True):
            raise SettingsError(
                f"applications.{origin}.webotp_origin: its line repeats the code, so routes.{channel} needs a gateway"
                " that sends a code made here"
            )
    return gateways


async def _stopped(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: a cancel that comes while a connection is made can get lost in the client."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
    if not task.cancelled():
        task.result()
