"""The running parts of one process, as `app.py` put them together; HTTP and the command line work with these."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from otp_service import __version__, metrics
from otp_service.admission import Admission
from otp_service.delivery.circuits import Circuits
from otp_service.delivery.pushes import Pushes
from otp_service.discretion import Discretion
from otp_service.factors import Factors
from otp_service.gateways.base import Gateway
from otp_service.hashing import HashPool
from otp_service.lookup import Lookup
from otp_service.settings import Settings
from otp_service.storage.api_keys import ApiKeyStore
from otp_service.storage.audit import AuditLog
from otp_service.storage.connection import Database
from otp_service.storage.events import EventStore
from otp_service.verifications import Verifications
from otp_service.worker import Worker


@dataclass(slots=True)
class Service:
    settings: Settings
    database: Database
    api_keys: ApiKeyStore
    audit: AuditLog
    gateways: Mapping[str, Gateway]
    hash_pool: HashPool
    verifications: Verifications
    discretion: Discretion
    factors: Factors
    admission: Admission
    lookup: Lookup
    events: EventStore
    circuits: Circuits
    pushes: Pushes
    worker: Worker | None
    """None where a worker runs elsewhere."""
    stopping: asyncio.Event
    """Set on the first signal: readiness says no while requests under way are finished."""

    def observe(self) -> None:
        """Bring gauges up to date before they are read."""
        metrics.BUILD.labels(__version__, platform.python_version()).set(1)
        metrics.HASH_PLACES.set(self.hash_pool.places)
        if self.worker:
            metrics.WORKER_LAG.set(self.worker.seconds_since_round)
