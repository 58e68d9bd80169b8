"""What readers have to learn does not creep up again."""

from __future__ import annotations

import pytest

from tests.house import figures


def test_names_to_learn() -> None:
    assert figures.names_per_1000_lines() < 48


def test_few_private_functions_are_called_once() -> None:
    assert figures.share_used_once() < 0.45


def test_no_constructor_takes_more_than_six_positional_parameters() -> None:
    long = [
        (str(path), figures.positional(node)) for path, node in figures.constructors() if figures.positional(node) > 6
    ]
    assert long == []


@pytest.mark.parametrize(("module", "most"), [("app.py", 40)])
def test_a_module_that_wires_stays_readable(module: str, most: int) -> None:
    assert figures.imports_of(module) < most
