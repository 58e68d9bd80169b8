"""Plots are told in text, too, and hold whatever they are given."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from otp_service.console import plots


def test_a_plot_is_named_and_has_its_numbers_in_a_table() -> None:
    found = plots.lines(
        "Codes <b>", "hour", ["00:00", "01:00", "02:00"], [("started", [1, None, 3]), ("approved", [0, 2, 2])]
    )
    root = ElementTree.fromstring(str(found.svg))
    assert root.get("role") == "img"
    title, description = root.get("aria-labelledby", "").split()
    texts = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert (texts[title], texts[description]) == ("Codes <b>", "started, approved")
    assert found.rows == [("00:00", "1", "0"), ("01:00", "–", "2"), ("02:00", "3", "2")]
    assert [element.get("class") for element in root.iter("polyline")] == ["second"]
    assert [element.get("class") for element in root.iter("circle")] == ["first", "first"], "points that stand alone"
    hovers = [element.text for element in root.iter("title")]
    assert "01:00, started: –, approved: 2" in hovers
    assert " style=" not in str(found.svg)


def test_bars_say_their_values() -> None:
    found = plots.bars('"quoted"', ("time", "messages"), [("≤ 2 s", 3), ("lost & gone", 0)])
    root = ElementTree.fromstring(str(found.svg))
    assert [text.text for text in root.iter("text")] == ["3", "≤ 2 s", "0", "lost & gone"]
    heights = [float(bar.get("height", "")) for bar in root.iter("rect")]
    assert heights[0] > heights[1] > 0


def test_nothing_and_much_are_drawn_within_the_picture() -> None:
    for values in ([], [None], [0], [10**9] * 750, [0.001, None, 5]):
        labels = [str(n) for n in range(len(values))]
        svg = str(plots.lines("x", "n", labels, [("a", values)]).svg)
        numbers = [
            float(y) for points in re.findall(r'points="([^"]+)"', svg) for y in re.findall(r",([\d.-]+)", points)
        ]
        assert all(0 <= y <= plots.HEIGHT for y in numbers)
        ElementTree.fromstring(svg)
