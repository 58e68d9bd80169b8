"""docs/gateways/README.md: every operation of the documents has a function, a simulator and a test that exist."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otp_service import cli
from otp_service.gateways import registry
from otp_service.sandbox.gateways import OPERATIONS as SIMULATED
from otp_service.sandbox.gateways.telegram import TELEGRAM
from tests.gateways.operations import OPERATIONS

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "gateways"
PAGE = (DOCS / "README.md").read_text("utf-8")
CLAUSES = ["P", *(f"X{n}" for n in range(3, 25)), "X25 get", "X25 set", *(f"G{n}" for n in range(1, 5)), "J1", "J2"]
ROWS = {
    cells[0]: cells for cells in re.findall(r"^\| ([PXGJK][0-9]*(?: get| set)?) \|(.*)\|$", PAGE, flags=re.MULTILINE)
}


def cells(clause: str) -> list[str]:
    return [cell.strip().strip("`") for cell in ROWS[clause][1].split("|")]


def test_every_operation_has_its_row_and_its_samples() -> None:
    assert list(ROWS) == [*CLAUSES, "K1", "K2", "K3"]
    assert {clause.split()[0] for clause in ROWS} == {name.split()[0] for name in OPERATIONS}


@pytest.mark.parametrize("clause", ROWS)
def test_what_a_row_names_exists(clause: str) -> None:
    _, function, command, simulator, test = cells(clause)
    module, _, name = function.rpartition(".")
    assert callable(getattr(importlib.import_module(f"otp_service.gateways.{module}"), name))
    assert command or clause == "X5"
    assert simulator in {operation.name for operation in SIMULATED}
    file, _, name = test.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (HERE / file).read_text("utf-8"), flags=re.MULTILINE)


def commands(parser: argparse.ArgumentParser, words: str = "otp-service") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield f"{words} {word}"
                yield from commands(child, f"{words} {word}")


def test_every_command_exists_and_has_its_row() -> None:
    """`otp-service targetsms bases add`, `edit`, `delete` is three commands."""
    listed = set()
    for clause in ROWS:
        first, *others = re.findall(r"`([^`]+)`", ROWS[clause][1].split("|")[2]) or [""]
        listed |= {first, *(f"{first.rpartition(' ')[0]} {word}" for word in others)}
    existing = {name for name in commands(cli.parser()) if name.split()[1] in ("targetsms", "smska")}
    parents = {name.rpartition(" ")[0] for name in existing}
    assert listed - {""} == existing - parents


def test_no_operation_of_the_simulator_is_forgotten() -> None:
    """Those of Telegram Gateway are on its own page."""
    telegram = {operation.name for operation in TELEGRAM}
    assert {operation.name for operation in SIMULATED} - telegram == {cells(clause)[3] for clause in ROWS}
    page = (DOCS / "telegram.md").read_text("utf-8")
    assert [name for name in telegram if f"`{name}`" not in page and f"/{name}`" not in page] == []


def test_every_public_function_of_an_operation_is_on_the_page() -> None:
    """Functions that take an API and a time: what is added gets a row, or a sentence below the table."""
    for module in {cells(clause)[1].rpartition(".")[0] for clause in ROWS}:
        imported = importlib.import_module(f"otp_service.gateways.{module}")
        for name, function in inspect.getmembers(imported, inspect.iscoroutinefunction):
            if function.__module__ == imported.__name__ and not name.startswith("_"):
                assert f"{module}.{name}`" in PAGE, f"{module}.{name}"


def test_every_kind_is_on_the_page() -> None:
    assert all(f"| `{kind}` |" in PAGE for kind in registry.KINDS)
