"""The page at /metrics: of this process, or of all processes that share a listening socket.

Prometheus text, or OpenMetrics for who asks for it.

Processes that share one write their metrics into files of a common folder, one for each seat and type. A process that
takes the seat of a dead one goes on in its files, so counters never fall and files do not pile up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric, multiprocess, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

AGED = "otp_worker_last_round_seconds"
"""Its value is kept as a moment of the machine's monotonic clock, 0 where there is no worker."""
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for it


def join(folder: Path, seat: int) -> None:
    """From now on this process writes into `folder`. Before the first metric is made, and one process per seat."""
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: seat)  # type: ignore[no-untyped-call]


def leave(folder: Path, seat: int) -> None:
    """A process has ended: remove its gauges, keep its counters."""
    multiprocess.mark_process_dead(seat, str(folder))  # type: ignore[no-untyped-call]


def render(accept: str = "") -> tuple[bytes, str]:
    """The page and its media type. accept: the header of who asks.

    With several processes counters are added up; what gauges tell is said where they are made.
    """
    registry, folder = CollectorRegistry(), os.environ.get(_FOLDER)
    found = (
        multiprocess.MultiProcessCollector(CollectorRegistry(), folder)  # type: ignore[no-untyped-call]
        if folder
        else REGISTRY
    )
    registry.register(_Aged(found))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Aged(Collector):
    """What others collect, with moments told as the seconds since then."""

    def __init__(self, source: Collector | CollectorRegistry) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        for family in self._source.collect():
            if family.name == AGED:
                now = time.monotonic()
                family.samples = [
                    sample._replace(value=now - sample.value) for sample in family.samples if sample.value
                ]
            yield family
