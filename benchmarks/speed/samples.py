"""What is measured once, and what many such measurements say together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

Key = tuple[str, int, int, str]
"""Name, processes of the service (0: it has no part in this), concurrency, cost of argon2id."""


@dataclass(frozen=True)
class Sample:
    """One measurement. bad: answers that were wrong; with any, its row is invalid."""

    name: str
    workers: int
    concurrency: int
    cost: str
    figures: Mapping[str, float]
    bad: int = 0

    @property
    def key(self) -> Key:
        return self.name, self.workers, self.concurrency, self.cost


@dataclass(frozen=True)
class Spread:
    """Of one figure over the rounds."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    name: str
    workers: int
    concurrency: int
    cost: str
    samples: int
    bad: int
    figures: Mapping[str, Spread]

    @property
    def key(self) -> Key:
        return self.name, self.workers, self.concurrency, self.cost

    @property
    def valid(self) -> bool:
        return not self.bad

    def get(self, figure: str) -> float:
        """The median."""
        return self.figures[figure].median


def rows(samples: Iterable[Sample]) -> dict[Key, Row]:
    """One for each key, in the order in which they were first measured."""
    grouped: dict[Key, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.key, []).append(sample)
    return {
        key: Row(
            *key,
            samples=len(group),
            bad=sum(sample.bad for sample in group),
            figures={
                name: Spread.of([sample.figures[name] for sample in group if name in sample.figures])
                for name in dict.fromkeys(name for sample in group for name in sample.figures)
            },
        )
        for key, group in grouped.items()
    }


def as_json(row: Row) -> dict[str, object]:
    return {**asdict(row), "valid": row.valid}


def from_json(found: Mapping[str, object]) -> Row:
    """What `as_json` wrote."""
    told = {name: value for name, value in found.items() if name != "valid"}
    figures = told.pop("figures")
    assert isinstance(figures, Mapping)
    return Row(**told, figures={name: Spread(**spread) for name, spread in figures.items()})  # type: ignore[arg-type]
