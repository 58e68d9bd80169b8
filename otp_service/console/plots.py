"""Plots as SVG, made here: readable without colour, named for screen readers, each with its numbers in a table.

What is drawn is told twice: bars carry their value as text, lines differ by their dashes and by a legend, and every
point has a title that browsers show when it is pointed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from markupsafe import Markup

from otp_service.domain.value import Value

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, BAR = 640, 200, 40, 22, 12, 42
_numbers = count()


class Plot(Value):
    """head, rows: the table behind the picture."""

    title: str
    svg: Markup
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def bars(title: str, head: tuple[str, str], found: Sequence[tuple[str, int]], bar: int = BAR) -> Plot:
    """One bar for each, with its number above it. head: what labels and numbers are."""
    most = max([1, *(value for _, value in found)])
    width = 16 + bar * max(1, len(found))
    step = float(bar)
    parts = []
    for index, (label, value) in enumerate(found):
        height = (HEIGHT - BOTTOM - TOP - 14) * value / most
        x, y = 8 + index * step, HEIGHT - BOTTOM - height
        middle = f"{x + step / 2:.1f}"
        parts.append(
            Markup(
                '<g><title>{}: {}</title><rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="3"/>'
                '<text class="value" x="{}" y="{}" text-anchor="middle">{}</text>'
                '<text x="{}" y="{}" text-anchor="middle">{}</text></g>'
            ).format(
                label, value, f"{x + step * 0.14:.1f}", f"{y:.1f}", f"{step * 0.72:.1f}", f"{max(height, 1):.1f}",
                middle, f"{y - 4:.1f}", value, middle, HEIGHT - 6, label,
            )
        )  # fmt: skip
    told = ", ".join(f"{label}: {value}" for label, value in found)
    return Plot(
        title,
        _framed(title, told, Markup().join(parts), width),
        head,
        [(label, str(value)) for label, value in found],
    )


def lines(
    title: str,
    head: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    unit: str = "",
) -> Plot:
    """Up to two lines over the same labels: the first is drawn through, the second dashed. None: nothing is known.

    head: what the labels are.
    """
    values = [value for _, line in series for value in line if value is not None]
    most = _rounded(max([1.0, *values]))
    step = (WIDTH - LEFT - 8) / max(1, len(labels) - 1)

    def x(index: int) -> float:
        return LEFT + index * step

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most

    parts = [
        Markup(
            '<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>'
        ).format(LEFT, f"{y(mark):.1f}", WIDTH, f"{y(mark):.1f}", LEFT - 6, f"{y(mark) + 4:.1f}", _short(mark))
        for mark in (0.0, most / 2, most)
    ]
    every = max(1, -(-len(labels) // 8))
    parts += [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(f"{x(index):.1f}", HEIGHT - 6, label)
        for index, label in enumerate(labels)
        if index % every == 0 and x(index) < WIDTH - 16
    ]
    for drawn, (_, line) in zip(("first", "second"), series, strict=False):
        runs: list[list[str]] = [[]]
        for index, value in enumerate(line):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(f"{x(index):.1f},{y(value):.1f}")
        parts += [
            Markup('<polyline class="{}" points="{}"/>').format(drawn, " ".join(run)) for run in runs if len(run) > 1
        ]
        # One point alone has no line: a dot, the second series' an empty one.
        parts += [
            Markup('<circle class="{}" cx="{}" cy="{}" r="4"/>').format(drawn, *run[0].split(","))
            for run in runs
            if len(run) == 1
        ]
    for index, label in enumerate(labels):
        told = ", ".join(f"{name}: {_told(line[index], unit)}" for name, line in series)
        parts.append(
            Markup('<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}, {}</title></rect>').format(
                f"{x(index) - step / 2:.1f}", TOP, f"{step:.1f}", HEIGHT - BOTTOM - TOP, label, told
            )
        )
    rows = [(label, *(_told(line[index], unit) for _, line in series)) for index, label in enumerate(labels)]
    legend = ", ".join(name for name, _ in series)
    return Plot(title, _framed(title, legend, Markup().join(parts)), [head, *(name for name, _ in series)], rows)


def _framed(title: str, told: str, inner: Markup, width: int = WIDTH) -> Markup:
    number = next(_numbers)
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-labelledby="plot{}t plot{}d">'
        '<title id="plot{}t">{}</title><desc id="plot{}d">{}</desc>{}</svg>'
    ).format(width, HEIGHT, number, number, number, title, number, told, inner)


def _rounded(most: float) -> float:
    """The next of 1, 2, 5, 10, 20, …"""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if most <= size * factor:
                return size * factor
        size *= 10


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _told(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:g}{unit}"
