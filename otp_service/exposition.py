"""The page at /metrics: of this process, or of all processes that share a listening socket.

Processes that share one write their metrics into files of a common folder, one for each place and type. A process that
takes the place of a dead one goes on in its files, so counters never fall and files do not pile up.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, multiprocess, values

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for it


def share(folder: Path, place: int) -> None:
    """From now on this process writes into `folder`. Before the first metric is made, and one process per place."""
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def forget(folder: Path, place: int) -> None:
    """A process has ended: its gauges are no longer true, its counters stay."""
    multiprocess.mark_process_dead(place, str(folder))  # type: ignore[no-untyped-call]


def page() -> bytes:
    """Prometheus text. With several processes counters are added up; what gauges tell is said where they are made."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
