"""docs/security.md promises a test for each defence: it exists, is named as it is, and no attack is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.test_project import ROOT, page, sections

TESTS = ROOT / "tests"
NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(test_\w+)`")
ROW = re.compile(r"^\| (A\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
WITHOUT_TEST: set[str] = set()
"""Where the table itself says that nothing is there yet."""


@cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_attack_has_its_row() -> None:
    rows = ROW.findall(sections("security.md")["Threats"])
    assert [number for number, *_ in rows] == [f"A{n}" for n in range(1, 33)]
    for number, _, defence, tests in rows:
        assert defence.strip()
        assert bool(NAMED.findall(tests)) == (number not in WITHOUT_TEST), number
        assert NAMED.sub("", tests).strip(" ,–") == "", tests


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(page("security.md")))))
def test_every_named_test_exists(file: str, name: str) -> None:
    assert (TESTS / file).is_file(), file
    assert name in functions(TESTS / file), f"{file} has no {name}"


def test_numbers_are_those_of_the_security_bar() -> None:
    """S-01 to S-27; a test that carries a number is one of them."""
    for file in TESTS.rglob("test_*.py"):
        for name in functions(file):
            numbered = re.match(r"test_s(\d\d)_", name)
            assert not numbered or 1 <= int(numbered[1]) <= 27, name
