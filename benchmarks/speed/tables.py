"""Rows as Markdown, and where that stands in a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.speed.samples import Row, Spread
from benchmarks.speed.verdicts import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
OPERATIONS = {
    "start": "start",
    "check": "check, wrong code",
    "approve": "check, right code",
    "status": "status",
    "mixed": "sign-ups",
}
FLOORS = {
    "hash": "argon2id",
    "empty start": "empty POST handler",
    "empty status": "empty GET handler",
    "empty status, asking Redis": "empty GET handler that asks Redis what a status asks",
    "lua start": "what a start asks of Redis",
    "lua check": "what a check of a wrong code asks of Redis",
    "lua approve": "what a check of the right code asks of Redis",
    "lua status": "what a status asks of Redis",
    "gateway": "the gateway client, against the stub",
}
AT_REST = {"import": "", "ready": " s", "memory, idle": " MiB", "memory, loaded": " MiB"}


def number(value: float) -> str:
    """Three digits that say something."""
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}" if abs(value) >= 0.9995 else f"{value:.3f}"


def spread(found: Spread | None) -> str:
    """The median, with the least and the most where there are several."""
    if found is None:
        return ""
    if found.least == found.most:
        return number(found.median)
    return f"{number(found.median)} ({number(found.least)}–{number(found.most)})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def rates(found: Sequence[Row]) -> str:
    """Requests of the service, as its callers see them."""
    head = ("", "argon2id", "processes", "at once", "requests/s", "people/s", "p50 ms", "p95 ms", "p99 ms", "failed")
    figures = ("rate", "people_rate", "p50", "p95", "p99")
    return table(
        head,
        (
            [*_named(row), *(spread(row.figures.get(name)) for name in figures), _bad(row)]
            for row in found
            if row.name in OPERATIONS
        ),
    )


def costs(found: Sequence[Row]) -> str:
    """Processor time in ms for each request; later: of the worker, once the load has ended."""
    parts = ("cpu_service", "service_later", "cpu_redis", "redis_later", "cpu_gateway", "cpu_generator")
    return table(
        ("", "argon2id", "processes", "at once", "service", "later", "Redis", "later", "gateway stub", "wrk"),
        ([*_named(row), *(spread(row.figures.get(name)) for name in parts)] for row in found if row.name in OPERATIONS),
    )


def floors(found: Sequence[Row]) -> str:
    head = ("alone", "at once", "calls/s", "processor ms", "of Redis, ms", "round trips", "commands", "wrong")
    figures = ("rate", "cpu", "cpu_redis", "trips", "commands")
    return table(
        head,
        (
            [
                FLOORS[row.name] + (f" `{row.cost}`" if row.cost else ""),
                f"{row.concurrency} threads" if row.name == "hash" else str(row.concurrency),
                *(spread(row.figures.get(name)) for name in figures),
                _bad(row),
            ]
            for row in found
            if row.name in FLOORS
        ),
    )


def latencies(found: Sequence[Row]) -> str:
    """Starts that do not wait for each other."""
    names = {"paced": "evenly", "paced, at random": "as independent people come", "burst": "all at once"}
    return table(
        ("starts", "processes", "a second", "p50 ms", "p95 ms", "p99 ms", "failed"),
        (
            [
                names[row.name] + (f", {row.concurrency}, gateway takes 1 s" if row.name == "burst" else ""),
                str(row.workers),
                *(spread(row.figures.get(name)) for name in ("rate", "p50", "p95", "p99")),
                _bad(row),
            ]
            for row in found
            if row.name in names
        ),
    )


def at_rest(found: Sequence[Row]) -> str:
    """Seconds and MiB."""
    return table(
        ("", "processes", "measured"),
        (
            [
                row.name,
                str(row.workers or ""),
                ", ".join(f"{name} {spread(each)}{AT_REST[row.name]}" for name, each in row.figures.items()),
            ]
            for row in found
            if row.name in AT_REST
        ),
    )


def judged(found: Sequence[Verdict]) -> str:
    return table(
        ("what it must show", "measured", "bound", "", "goal"),
        (
            [
                one.what,
                f"{number(one.value)} {one.unit}".strip() if one.measured else "not measured",
                _bound(one, one.bound),
                ("kept" if one.kept else "**missed**") if one.measured else "",
                _bound(one, one.goal) if one.goal else "",
            ]
            for one in found
        ),
    )


def _bound(of: Verdict, value: float) -> str:
    return f"{'≥' if of.at_least else '≤'} {number(value)} {of.unit}".strip()


def marked(sections: Mapping[str, str]) -> list[str]:
    """Each text between its comments, as `put` finds them."""
    return [f"<!-- {name} -->\n{content}\n<!-- /{name} -->" for name, content in sections.items()]


def put(sections: Mapping[str, str], page: Path = PAGE) -> None:
    """Write each text between the comments `<!-- name -->` and `<!-- /name -->`. Raises LookupError without them."""
    text = page.read_text(encoding="utf-8")
    for name, whole in zip(sections, marked(sections), strict=True):
        text, found = re.subn(_between(name), _as_it_is(whole), text)
        if not found:
            raise LookupError(f"{page.name} has no place for {name}")
    page.write_text(text, encoding="utf-8")


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)


def _as_it_is(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


def _named(row: Row) -> list[str]:
    return [OPERATIONS[row.name], f"`{row.cost}`", str(row.workers), str(row.concurrency)]


def _bad(row: Row) -> str:
    return "0" if row.valid else f"**{row.bad}, invalid**"
