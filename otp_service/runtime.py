"""The running parts of one process, as `app.py` put them together; HTTP and the command line work with these."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from otp_service import __version__
from otp_service.admission import Admission
from otp_service.admission.safe_list import SafeList
from otp_service.deliveries.deliveries import Deliveries
from otp_service.delivery.callbacks import Callbacks
from otp_service.delivery.circuit_breakers import Circuits
from otp_service.factors.factors import Factors
from otp_service.gateways.base import Gateway
from otp_service.hash_pool import HashPool
from otp_service.load import Load
from otp_service.settings import Settings
from otp_service.storage.stores import Stores
from otp_service.telemetry import metrics
from otp_service.verifications.lookup import Lookup
from otp_service.verifications.services import ServiceVerifications
from otp_service.verifications.verifications import Verifications
from otp_service.webhooks.of_callers import CallersWebhooks
from otp_service.worker.worker import Worker


@dataclass(slots=True, kw_only=True)
class Runtime:
    settings: Settings
    stores: Stores
    gateways: Mapping[str, Gateway]
    hash_pool: HashPool
    verifications: Verifications
    factors: Factors
    admission: Admission
    lookup: Lookup
    deliveries: Deliveries
    of_services: ServiceVerifications
    safe_list: SafeList
    callers_webhooks: CallersWebhooks
    circuits: Circuits
    callbacks: Callbacks
    worker: Worker | None
    """None where a worker runs elsewhere."""
    stopping: asyncio.Event
    """Set on the first signal: readiness says no while requests under way are finished."""
    load: Load = field(default_factory=Load)
    """What this process has under way, and whether its loop keeps up."""
    persistent: bool
    """Whether second factors outlive a restart of Redis, or the operator said that they need not."""

    def observe(self) -> None:
        """Bring gauges up to date before they are read."""
        metrics.BUILD.labels(__version__, platform.python_version()).set(1)
        metrics.HASH_PLACES.set(self.hash_pool.tickets)
        if self.worker:
            metrics.WORKER_ROUND_AT.set(self.worker.last_round)
