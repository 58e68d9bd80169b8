"""Wiring: the only module that knows all the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from otp_service import __version__, series
from otp_service.admission import open_admission
from otp_service.admission.safe_list import SafeList
from otp_service.api.application import create_app
from otp_service.background import Loop, running
from otp_service.deliveries.deliveries import Deliveries
from otp_service.delivery import routing
from otp_service.delivery.callbacks import Callbacks
from otp_service.delivery.circuit_breakers import Circuits
from otp_service.delivery.decoys import Decoys
from otp_service.delivery.dispatch import Dispatcher
from otp_service.delivery.fixed_codes import FixedCodes
from otp_service.delivery.plans import SendPlans
from otp_service.delivery.recipients import Recipients, build_gateways
from otp_service.delivery.spending import Spending
from otp_service.delivery.tracking import Tracking
from otp_service.domain import money
from otp_service.factors.factors import Factors
from otp_service.hash_pool import HashPool
from otp_service.runtime import Runtime
from otp_service.settings import Settings, examined
from otp_service.settings.prices import PriceList
from otp_service.storage import keys, preflight
from otp_service.storage.audit import Action
from otp_service.storage.stores import open_stores
from otp_service.telemetry import tracing
from otp_service.verifications.lookup import Lookup, Waiting
from otp_service.verifications.services import ServiceVerifications
from otp_service.verifications.verifications import Verifications
from otp_service.webhooks.delivery import jobs_of, open_webhooks
from otp_service.webhooks.of_callers import CallersWebhooks, jobs_of_callers
from otp_service.worker.jobs import Jobs
from otp_service.worker.worker import Worker

__all__ = ["create_app", "open_service"]

log = structlog.get_logger()


@asynccontextmanager
async def open_service(settings: Settings, *, worker: bool = True) -> AsyncIterator[Runtime]:
    """Build and start everything, close it in reverse. worker: run due jobs in this process. Raises SettingsError."""
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.exporting(settings.tracing.endpoint, settings.tracing.sample_ratio, __version__))
        for name, found in examined(settings.applications):
            if not found.plain:
                log.warning("text_examined", name=name, text=found.sentence)
        known = build_gateways(settings)
        for gateway in known.values():
            stack.push_async_callback(gateway.close)
        budgets = {name: micros / money.MICROS for name, micros in PriceList(settings).budgets.items()}
        channels = {name: gateway.channel for name, gateway in known.items()}
        series.init_series(budgets, channels, [kind.pattern for kind in keys.CATALOGUE])
        settings = routing.paced(settings, known)
        stores = await stack.enter_async_context(
            open_stores(settings, jobs_of(settings), partial(jobs_of_callers, settings))
        )
        hash_pool = HashPool(settings.hashing)
        stack.callback(hash_pool.close)
        recipients = Recipients(settings, known)
        fixed_codes = FixedCodes(settings)
        circuits = Circuits(known, stores.gateways)
        callbacks = Callbacks(known.values(), stores.reports)
        plans = SendPlans(settings, known, circuits, stores)
        dispatcher = Dispatcher(
            stores,
            circuits=circuits,
            hash_pool=hash_pool,
            pushing=callbacks.accounts,
            fixed_codes=fixed_codes,
            decoys=Decoys(),
        )
        stack.push_async_callback(dispatcher.close)
        spending = Spending(settings, stores.spending)
        safe_list = SafeList(stores.twilio, stores.names, stores.keyring)
        admission = open_admission(
            settings,
            stores,
            recipients=recipients,
            fixed_codes=fixed_codes,
            spending=spending,
            safe_list=safe_list,
        )
        verifications = Verifications(
            settings,
            stores,
            recipients=recipients,
            plans=plans,
            dispatcher=dispatcher,
            hash_pool=hash_pool,
            admission=admission,
        )
        persistent = settings.redis.allow_factors_without_persistence or await preflight.is_persistent(stores.database)
        if not persistent:
            log.warning("factors_refused", text="Redis keeps nothing over a restart: no second factor is taken")
        stopping = asyncio.Event()
        waiting = Waiting(stores.verifications, stopping.is_set)
        lookup = Lookup(settings, stores.names, stores.verifications, waiting, plans.patience_ms)
        deliveries = Deliveries(stores.names, stores.verifications, lookup, verifications, admission)
        stack.push_async_callback(deliveries.close)
        tracking = Tracking(
            settings,
            stores,
            known,
            circuits=circuits,
            plans=plans,
            dispatcher=dispatcher,
            spending=spending,
            admit=admission.again,
        )
        callers_webhooks = CallersWebhooks(settings, stores.names, stores.twilio, stores.webhooks, stores.schedule)
        webhooks = await stack.enter_async_context(
            open_webhooks(settings, stores.webhooks, stores.schedule, callers_webhooks)
        )
        jobs = Jobs(
            settings, stores, known, tracking=tracking, webhooks=webhooks, circuits=circuits, claim=verifications.claim
        )
        if settings.bootstrap_api_key:
            await stores.api_keys.ensure(settings.bootstrap_api_key, next(iter(settings.applications)), stores.audit)
        await stores.audit.record(
            "service",
            Action.SERVICE_STARTED,
            version=__version__,
            settings=stores.names.fingerprint(settings.digest),
        )
        await asyncio.gather(circuits.refresh(), admission.lists.refresh())
        await jobs.plan()
        own_worker = (
            Worker(stores.schedule, jobs.handlers, stopping, settings.worker.patience_seconds) if worker else None
        )
        service = Runtime(
            settings=settings,
            stores=stores,
            gateways=known,
            hash_pool=hash_pool,
            verifications=verifications,
            factors=Factors(settings, stores, hash_pool, persistent=persistent),
            admission=admission,
            lookup=lookup,
            deliveries=deliveries,
            of_services=ServiceVerifications(
                settings, stores.names, stores.verifications, stores.idempotency, stores.twilio, verifications
            ),
            safe_list=safe_list,
            callers_webhooks=callers_webhooks,
            circuits=circuits,
            callbacks=callbacks,
            worker=own_worker,
            stopping=stopping,
            persistent=persistent,
        )
        loops = [
            Loop("circuits", circuits.refresh),
            Loop("webhooks", webhooks.count),
            Loop("api keys", partial(stores.api_keys.count, list(settings.applications))),
            Loop("judged codes", admission.tell_judged),
            Loop("lists", admission.lists.refresh),
            Loop("refusals", admission.write_refused),
            Loop("routes", plans.learned.refresh),
            *recipients.loops(),
        ]
        for loop in loops:
            await stack.enter_async_context(running(loop))
        if own_worker:
            await stack.enter_async_context(running(Loop("repeated jobs", jobs.plan_repeated)))
            await stack.enter_async_context(running(own_worker.loop, own_worker.run))
        yield service
