"""Python and the Lua scripts use the same words, and a word that is misspelt in Python is an error of types."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from otp_service import storage
from otp_service.domain.factors import FactorOutcome
from otp_service.domain.verifications import Outcome
from otp_service.domain.webhooks import Verdict
from otp_service.storage import words
from otp_service.storage.script import Script

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "otp_service" / "storage" / "scripts"
ARGUMENTS = {
    ("verification/progress", 18): words.ProgressStep,
    ("verification/report", 5): words.ReportFailover,
    ("verification/take_over", 3): words.Walks,
    ("verification/read", 2): words.Kind,
    ("subject/totp_take", 2): words.TotpMode,
    ("subject/totp_settle", 1): words.TotpMode,
    ("subject/challenge", 4): words.Challenge,
    ("webhook/begin", 1): words.WebhookBegin,
    ("webhook/settle", 2): words.WebhookCame,
    ("operator/open_session", 1): words.SessionStage,
    ("twilio/put", 5): words.TwilioPutMode,
}
"""Arguments of scripts that are one of several words, by script and number."""
OF_OTHERS = {("verification/progress", 5), ("verification/progress", 16), ("limit/spend", 3), ("schedule/put", 1)}
"""Compared with words that are an enumeration of the domain, or no word but a mark."""


def declared() -> dict[str, set[str]]:
    """The words of each script that answers with some, as the stores annotate it."""
    found = {}
    for each in pkgutil.walk_packages(storage.__path__, "otp_service.storage."):
        module = importlib.import_module(each.name)
        for name, hint in get_type_hints(module).items():
            if get_origin(hint) is Script:
                found[getattr(module, name).name] = set(get_args(get_args(hint)[0]))
    return found


DECLARED = declared()


def parts(name: str) -> tuple[str, str]:
    """Header and body of a script, each without what it shares."""
    lines = (FOLDER / f"{name}.lua").read_text("utf-8").splitlines()[1:]
    end = next(n for n, line in enumerate(lines) if not line.startswith("--"))
    return re.sub(r"\s+", " ", " ".join(line.removeprefix("--") for line in lines[:end])), "\n".join(lines[end:])


def told_in(header: str) -> set[str]:
    """The words that a header says are answered: `…: ok | closed (why) | lost`."""
    _, _, returned = header.partition("Returns ")
    if "what was told: " in returned:
        returned = returned.partition("what was told: ")[2].partition(", ")[0]
    elif returned.startswith("{"):
        depth = 0
        for at, sign in enumerate(returned):
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if not depth:
                returned = returned[at + 1 :].removeprefix(":")
                break
    bare = re.sub(r"\([^()]*\)", "", returned).partition(";")[0]
    found = [each.strip() for each in bare.split("|")]
    return {"" if each == "''" else each for each in found if re.fullmatch(r"\w+|''", each)}


def scripts() -> list[str]:
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("[!_]*.lua"))


def test_who_answers_with_words_has_them_declared() -> None:
    saying = {name for name in scripts() if re.search(r"Returns (\{word|\w+ \|)|what was told: ", parts(name)[0])}
    assert saying == set(DECLARED)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_header_body_and_declaration_agree(name: str) -> None:
    header, body = parts(name)
    assert told_in(header) == DECLARED[name]
    code = re.sub(r"--.*", "", body)
    shared = "".join(path.read_text("utf-8") for path in (FOLDER / name).parent.glob("_*.lua"))
    answered = set(
        re.findall(r"(?:answer(?:_with)?|close)\('(\w+)'|return \{'(\w+)'|found = \{'(\w+)'|return '(\w+)'", code)
    )
    assert {word for each in answered for word in each if word} <= DECLARED[name]
    for word in DECLARED[name] - {""}:
        assert f"'{word}'" in code + shared, word


@pytest.mark.parametrize(("name", "number"), ARGUMENTS)
def test_arguments_that_are_words(name: str, number: int) -> None:
    header, body = parts(name)
    wanted = set(get_args(ARGUMENTS[name, number]))
    told = re.search(rf"ARGV\[{number}\](.*?)(?:ARGV\[|Returns)", header)
    assert told
    assert set(re.findall(r"'([\w. ]+)'", told[1])) == wanted - {""}
    assert compared(body, number) <= wanted


def compared(body: str, number: int) -> set[str]:
    """What a body compares an argument with."""
    names = {rf"ARGV\[{number}\]"}
    for left, right in re.findall(r"^local ([\w, ]+) = (.*)$", body, re.MULTILINE):
        pairs = zip(left.split(", "), right.split(", "), strict=False)
        names |= {name for name, value in pairs if value == f"ARGV[{number}]"}
    return {word for name in names for word in re.findall(rf"(?<![\w.]){name} [=~]= '([^']+)'", body)}


def test_every_argument_that_is_compared_with_words_is_declared() -> None:
    found = set()
    for name in scripts():
        _, body = parts(name)
        for number in {int(each) for each in re.findall(r"ARGV\[(\d+)\]", body)}:
            if {word for word in compared(body, number) if re.search(r"[a-z]", word)}:
                found.add((name, number))
    assert found - set(ARGUMENTS) - OF_OTHERS == {("unreadable/drop_part", 1)}  # a type of Redis


def test_outcomes_of_scripts_are_outcomes() -> None:
    outcomes = {
        "verification/settle": Outcome,
        "subject/totp_settle": FactorOutcome,
        "subject/backup_settle": FactorOutcome,
    }
    for name, kind in outcomes.items():
        written = set(re.findall(r"outcome = '(\w+)'", parts(name)[1]))
        assert written
        assert written <= {str(each) for each in kind}, name
    assert {str(each) for each in Verdict} | {"parked"} == set(get_args(words.WebhookCame))


def test_words_are_not_looked_for_in_tuples() -> None:
    """mypy takes any word there."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "otp_service").rglob("*.py")
        if "sandbox" not in path.parts
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\.word (not )?in [({\[]", line)
    ]
    assert found == []


PLACES = re.compile(
    r"(\.word(?:\(\w+\))? [!=]= |\bthen=|: words\.\w+ = |\bcase |take_over\(.*, |\.settle\(.*, |_judge_one\("
    r"|\.totp\(application, place, |account\.operator\.id, )\"([a-z][a-z ]*)\""
)
"""Where a word of a script, or for one, stands in Python."""


def places() -> list[tuple[Path, int]]:
    """Modules and numbers of lines, from 0, with such a word."""
    found = []
    for path in sorted((ROOT / "otp_service").rglob("*.py")):
        if "sandbox" in path.parts or path.name == "words.py":
            continue
        asked = -1  # how far a `match` over words is indented that this line belongs to
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            indent = len(line) - len(line.lstrip())
            if line.strip() and indent <= asked:
                asked = -1
            if re.match(r" *match (.*\.)?word\b.*:$", line):
                asked = indent
            match = PLACES.search(line)
            if match and (match[1] != "case " or asked >= 0):
                found.append((path.relative_to(ROOT), number))
    return found


def complaints(folder: Path, planted: list[tuple[Path, int]]) -> set[tuple[str, int]]:
    """Module and line of each error of mypy where words in these lines are misspelt."""
    lines: defaultdict[Path, list[int]] = defaultdict(list)
    for path, number in planted:
        lines[path].append(number)
    for path, numbers in lines.items():
        text = (ROOT / path).read_text("utf-8").splitlines()
        for number in numbers:
            text[number] = PLACES.sub(r'\1"\2x"', text[number], count=1)
        (folder / path).write_text("\n".join(text) + "\n", "utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    for path in lines:
        shutil.copy(ROOT / path, folder / path)
    return {(path, int(line)) for path, line in re.findall(r"^(\S+?):(\d+): error", ran.stdout, re.MULTILINE)}


@pytest.mark.slow
def test_a_misspelt_word_is_caught_wherever_it_stands(tmp_path: Path) -> None:
    """All at once, then those that another error may have hidden, one in each module at a time."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "otp_service", tmp_path / "otp_service", ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    assert complaints(tmp_path, []) == set()
    planted = places()
    assert len(planted) > 100
    found = complaints(tmp_path, planted)
    left = [(path, line) for path, line in planted if not {(str(path), line + 1), (str(path), line + 2)} & found]
    while left:
        alone = list({path: (path, line) for path, line in left}.values())
        found = complaints(tmp_path, alone)
        assert {str(path) for path, _ in alone} <= {path for path, _ in found}, alone
        left = [each for each in left if each not in alone]
