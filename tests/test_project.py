"""The documents say what the code does: every name that an operator or a caller meets is explained on its page."""

from __future__ import annotations

import argparse
import ast
import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
from prometheus_client import Gauge
from prometheus_client.metrics import MetricWrapperBase

import otp_service
from otp_service import cli
from otp_service.api.problems import STATUSES
from otp_service.domain.factors import FactorKind, FactorOutcome, FactorStatus
from otp_service.domain.messages import MessageStatus
from otp_service.domain.reasons import Reason
from otp_service.domain.verifications import Outcome, Status
from otp_service.gateways.registry import KINDS
from otp_service.schemas.verifications import StartVerification
from otp_service.settings.values import FAMILIES, SECTIONS
from otp_service.storage.connection import Script
from otp_service.storage.keys import CATALOGUE
from otp_service.telemetry import metrics

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = Path(otp_service.__file__).parent
SCRIPT_FOLDER = PACKAGE / "storage" / "scripts"
SCRIPTS = sorted(SCRIPT_FOLDER.rglob("[!_]*.lua"))
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
VARIABLES = ("OTP_CONFIG", "OTP_BOOTSTRAP_API_KEY", "OTP_HOST", "OTP_PORT", "OTP_SANDBOX_PORT", "OTP_LOG_LEVEL")


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@cache
def in_code(name: str) -> frozenset[str]:
    """What stands between single backticks on a page, as a whole."""
    prose = re.sub(r"^```.*?^```", "", page(name), flags=re.DOTALL | re.MULTILINE)
    return frozenset(re.findall(r"`([^`\n]+)`", prose))


@cache
def sections(name: str) -> dict[str, str]:
    """A page by its `## ` headings, which lose their backticks."""
    parts = re.split(r"^## (.+)$", page(name), flags=re.MULTILINE)
    return {heading.replace("`", ""): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def missing(names: typing.Iterable[str], text: str) -> set[str]:
    """Names that a text does not have between backticks."""
    return {name for name in names if f"`{name}`" not in text}


# Settings


def keys_of(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def structs_in(hint: object) -> Iterator[type[msgspec.Struct]]:
    """Structs within a type hint, at any depth: `tuple[Webhook, …]` holds one."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
        for field in typing.get_type_hints(hint).values():
            yield from structs_in(field)
    for part in typing.get_args(hint):
        yield from structs_in(part)


HEADINGS = {
    "routes": "[routes.CHANNEL]",
    "applications": "[applications.NAME]",
    "gateways": "[gateways.NAME]",
    "limits": "[limits.NAME]",
}


@pytest.mark.parametrize("section", [*SECTIONS, *FAMILIES])
def test_every_setting_is_documented_under_its_section(section: str) -> None:
    struct = {**SECTIONS, **FAMILIES}[section]
    text = sections("settings.md")[HEADINGS.get(section, f"[{section}]")]
    assert not missing({key for nested in structs_in(struct) for key in keys_of(nested)}, text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_gateway_is_documented(kind: str) -> None:
    text = sections("settings.md")[HEADINGS["gateways"]]
    assert not missing({kind, *keys_of(KINDS[kind][0])}, text)
    assert (DOCS / "gateways" / f"{kind}.md").is_file()


def test_documented_settings_exist() -> None:
    """Each first cell of a table of keys is a key: what was renamed or removed goes from the page too."""
    structs = [*SECTIONS.values(), *FAMILIES.values(), *(config for config, _ in KINDS.values())]
    known = {key for outer in structs for struct in structs_in(outer) for key in keys_of(struct)}
    for heading, text in sections("settings.md").items():
        if heading.startswith("["):
            first_cells = "".join(re.findall(r"^\| (`[^|]*)\|", text, flags=re.MULTILINE))
            assert set(re.findall(r"`([^`]+)`", first_cells)) <= known, heading


def test_every_default_of_a_setting_is_the_documented_one() -> None:
    for name, struct in {**SECTIONS, **FAMILIES}.items():
        text = sections("settings.md")[HEADINGS.get(name, f"[{name}]")]
        for field in msgspec.structs.fields(struct):
            row = re.search(rf"^\| `{field.encode_name}` \|.*$", text, flags=re.MULTILINE)
            assert row, f"{name}.{field.encode_name} has no row"
            if isinstance(field.default, bool):
                assert f"`{str(field.default).lower()}`" in row[0], row[0]
            elif isinstance(field.default, (int, float)) or (isinstance(field.default, str) and field.default):
                assert f"`{field.default}`" in row[0], row[0]


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_environment_variable_is_documented(variable: str) -> None:
    assert not missing([variable], sections("settings.md")["Environment variables"])


def test_no_environment_variable_is_forgotten() -> None:
    literals = {
        node.value for path in MODULES for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    used = {text for text in literals if re.fullmatch(r"OTP_[A-Z_]*[A-Z]", text) and not text.startswith("OTP__")}
    assert used - set(VARIABLES) <= in_code("sandbox.md")


# What callers hear


def test_every_problem_code_is_documented_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", sections("errors.md")["Problem codes"], flags=re.MULTILINE))
    assert rows == {code: str(status) for code, status in STATUSES.items()}


def test_every_reason_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", sections("errors.md")["Reasons"], flags=re.MULTILINE)
    assert sorted(rows) == sorted(Reason)


@pytest.mark.parametrize("words", [FactorStatus, FactorOutcome, FactorKind])
def test_every_word_of_second_factors_is_documented(words: type[Status]) -> None:
    assert set(words) <= in_code("factors.md")


@pytest.mark.parametrize("words", [Status, Outcome, MessageStatus])
def test_every_status_and_outcome_is_documented(words: type[Status]) -> None:
    assert set(words) <= in_code("api.md")


def refused_codes() -> Iterator[tuple[str, str]]:
    """Where a refusal is made, and its code: of `Refused(…)`, `StorageUnavailable(…)`, and the API's own tables."""
    for path in MODULES:
        api = path.is_relative_to(PACKAGE / "api")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", "")
                if called in ("Refused", "StorageUnavailable") or (called == "document" and api):
                    yield from ((f"{path.name}:{node.lineno}", word) for word in words_in(node.args[:1]))
            if isinstance(node, ast.ClassDef) and node.name == "StorageUnavailable":
                defaults = next(item for item in node.body if isinstance(item, ast.FunctionDef)).args.defaults
                yield from ((f"{path.name}:{node.lineno}", word) for word in words_in(defaults))
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "_OF_FRAMEWORK":
                yield from ((f"{path.name}:{node.lineno}", word) for word in words_in([node.value]))


def words_in(nodes: typing.Iterable[ast.AST | None]) -> Iterator[str]:
    """String literals that may be a code, at any depth: `"busy" if late else "not_found"` holds two."""
    for node in nodes:
        for part in ast.walk(node) if node else ():
            if isinstance(part, ast.Constant) and re.fullmatch(r"[a-z_]{4,}", str(part.value)):
                yield str(part.value)


def test_every_refusal_has_a_status() -> None:
    assert {(where, code) for where, code in refused_codes() if code not in STATUSES} == set()


def test_every_status_has_a_refusal() -> None:
    assert set(STATUSES) - {code for _, code in refused_codes()} == set()


def test_what_makes_two_starts_the_same_is_documented() -> None:
    (row,) = re.findall(r"^\| what must be the same \| (.*?) \|", page("api.md"), re.M)
    named = {word.strip("` ") for word in re.sub(r"\(.*?\)", "", row).split(",")}
    fields = {field.name for field in msgspec.structs.fields(StartVerification)}
    assert named == fields - {"to"} | {"phone"}


def test_every_route_is_documented() -> None:
    """Paths of /v1 from the decorators of the controllers."""
    pages = {"verifications.py": "api.md"} | dict.fromkeys(("totp.py", "backup_codes.py", "subjects.py"), "factors.md")
    for module, name in pages.items():
        for controller in tree(PACKAGE / "api" / "routes" / module).body:
            if isinstance(controller, ast.ClassDef):
                for heading in headings_of(controller):
                    assert heading in sections(name), heading


def headings_of(controller: ast.ClassDef) -> Iterator[str]:
    path = next(
        item.value.value for item in controller.body if isinstance(item, ast.Assign) and item.targets[0].id == "path"
    )
    for node in ast.walk(controller):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in ("get", "post", "delete"):
                tail = decorator.args[0].value if decorator.args else ""
                whole = re.sub(r"{(verification|factor)_id:str}", "{id}", path + tail).replace(":str}", "}")
                yield f"{decorator.func.id.upper()} {whole}"


# What operators meet


def test_every_metric_is_documented_with_its_labels() -> None:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            row = re.search(rf"^\| `{name}` \| {metric._type} \|([^|]*)\|", page("operations.md"), flags=re.MULTILINE)
            assert row, f"{name}, a {metric._type}, has no row"
            assert re.findall(r"`(\w+)`", row[1]) == list(metric._labelnames), name


def test_every_gauge_says_what_it_tells_of_several_processes() -> None:
    """Of those that live; what the others left in their files is no longer true."""
    modes = {name: found._multiprocess_mode for name, found in vars(metrics).items() if isinstance(found, Gauge)}
    assert {name for name, mode in modes.items() if not mode.startswith("live")} == set()


def test_the_key_catalogue_is_the_code_s() -> None:
    rows = re.findall(r"^\| `(otp:[^`]*)` \| (.*) \|$", sections("operations.md")["Keys in Redis"], flags=re.MULTILINE)
    described = {kind.pattern: f"{kind.type} | {kind.life} | {kind.personal} | {kind.purpose}" for kind in CATALOGUE}
    assert dict(rows) == described


def test_every_event_of_the_log_is_documented() -> None:
    events = {
        node.args[0].value
        for path in MODULES
        if not path.is_relative_to(PACKAGE / "sandbox")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and getattr(node.func.value, "id", "") == "log"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(events) > 5
    assert not missing(events, sections("operations.md")["Logs"])


def commands(parser: argparse.ArgumentParser, words: str = "") -> Iterator[tuple[str, argparse.Action]]:
    """Each command in full (`keys create`) with each of its options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from commands(child, f"{words} {word}".strip())
        else:
            yield words, action


def test_every_command_and_option_is_documented() -> None:
    found = list(commands(cli.parser()))
    assert {"run", "keys create"} <= {command for command, _ in found}
    for command, action in found:
        first, _, rest = command.partition(" ")
        text = sections("cli.md")[f"otp-service {first}"] if first else page("cli.md")
        names = action.option_strings or [action.dest]
        if "--help" in names:
            text = page("cli.md")  # said once for all
        assert not missing([*names, *([command] if rest else [])], text), command or "the command itself"


# Scripts


def used(letter: str, text: str) -> set[int]:
    return {int(number) for number in re.findall(rf"{letter}\[(\d+)", text)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: f"{script.parent.name}/{script.stem}")
def test_a_script_says_what_it_takes_and_gives(script: Path) -> None:
    first, *lines = script.read_text("utf-8").splitlines()
    assert first.partition(" ")[0] == "#!lua"  # its flags: tests/storage/test_script_flags.py
    until = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    header, body = "\n".join(lines[:until]), re.sub(r"--.*", "", "\n".join(lines[until:]))
    assert re.match(r"-- [A-Z].*[.?]", header), "the first line says what it is for"
    assert re.search(r"^-- Returns ", header, flags=re.MULTILINE)
    for given in ("KEYS", "ARGV"):
        described, rest = used(given, header), re.search(rf"{given}\[(\d+)…", header)
        spread = {int(number) for number in re.findall(rf"unpack\({given}, (\d+)\)", body)}
        assert used(given, body) | spread == described, "each is described, each described one is used"
        assert spread == ({int(rest[1])} if rest else set())
    assert not re.findall(r"redis\.(?:p?call)\([^)]*['\"]otp:", body), "a script builds no key names"


def test_every_script_is_loaded_by_some_module() -> None:
    loaded = {
        script.name
        for module in pkgutil.iter_modules([str(PACKAGE / "storage")], "otp_service.storage.")
        for value in vars(importlib.import_module(module.name)).values()
        for script in (value if isinstance(value, tuple) else (value,))
        if isinstance(script, Script)
    }
    assert {str(script.relative_to(SCRIPT_FOLDER).with_suffix("")) for script in SCRIPTS} == loaded


# The project itself


def test_a_long_module_says_why_and_each_says_what() -> None:
    for module in MODULES:
        text = module.read_text("utf-8")
        docstring = ast.get_docstring(tree(module)) or ""
        assert docstring, f"{module}: a first docstring is missing"
        if len(text.splitlines()) > LONGEST_MODULE:
            why = f"{module} has over {LONGEST_MODULE} lines: its first docstring has to say why it is `one file`"
            assert re.search(r"\bone file\b", docstring, flags=re.IGNORECASE), why


def test_the_architecture_page_stays_short() -> None:
    assert len(page("architecture.md").splitlines()) < 150


OF_ONE_KIND = ("api/hooks", "api/routes", "api/twilio", "cli/accounts", "console", "sandbox", "gateways/targetsms",
            "gateways/smska", "gateways/smtp", "gateways/telegram", "gateways/described")  # fmt: skip
"""Folders whose modules are each one of a kind (a route, a page, an operation), as the page says of the folder."""


def code_map() -> set[str]:
    return set(re.findall(r"`([^`]+)`", sections("architecture.md")["Codemap, from the inside out"]))


def test_the_architecture_page_knows_every_module() -> None:
    """In its place on the map, by its name; of a family the folder. What is new gets a place."""
    named, of_commands = (
        code_map(),
        {command.partition(" ")[0].replace("-", "_") for command, _ in commands(cli.parser())},
    )
    missing = set()
    for module in PACKAGE.rglob("*.py"):
        place = module.relative_to(PACKAGE)
        if module.name.startswith("__") or f"{place.parent}".startswith(OF_ONE_KIND):
            continue
        if place.parent.name == "cli" and place.stem in {*of_commands, "administration", "operator"}:
            continue  # a command, or what commands share
        if not named & ({place.name} if place.parent == Path() else {place.stem, f"{place.parent}/{place.stem}"}):
            missing.add(str(place))
    for folder in PACKAGE.rglob("*/"):
        place = folder.relative_to(PACKAGE)
        placed = any(name.endswith(f"{folder.name}/") for name in named)
        by_kind = f"{place.parent}" in (*OF_ONE_KIND, "storage/scripts", "sandbox/pages")
        if not (placed or by_kind or folder.name == "__pycache__"):
            missing.add(f"{place}/")
    assert missing == set()


def test_what_the_architecture_page_names_is_there() -> None:
    stems = {path.stem for path in PACKAGE.rglob("*.py")} | {"run", "opt"}
    for name in code_map():
        if re.fullmatch(r"[a-z][a-z_]+", name):
            assert name in stems, name
    for name in re.findall(r"`([\w/]+(?:/|\.py|\.lua|\.md))`", page("architecture.md")):
        found = (PACKAGE / name, ROOT / name, *PACKAGE.glob(f"**/{name}"))
        assert any(path.exists() for path in found), name


PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def anchors(text: str) -> set[str]:
    """As GitHub makes them: lower case, punctuation dropped, blanks to hyphens."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", bare, flags=re.MULTILINE)
    }


@pytest.mark.parametrize("source", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(source: Path) -> None:
    text = re.sub(r"^```.*?^```", "", source.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (source.parent / path).resolve() if path else source
        assert target.exists(), link
        assert target.is_relative_to(ROOT), f"{link} leaves the project"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_page_is_on_the_map() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", page("README.md")))
    for path in DOCS.rglob("*.md"):
        name = str(path.relative_to(DOCS))
        assert name == "README.md" or name in linked, f"docs/README.md does not mention {name}"


def test_pages_that_the_code_points_to_exist() -> None:
    for path in MODULES:
        for name in re.findall(r"docs/([\w./-]*\w)", path.read_text("utf-8")):
            assert (DOCS / name).exists() or list(DOCS.glob(f"{name}*")), f"{path.relative_to(ROOT)}: docs/{name}"


def test_every_mark_of_an_open_question_is_explained() -> None:
    used = {mark for path in MODULES for mark in re.findall(r"\b[A-Z]Q[0-9]+\b", path.read_text("utf-8"))}
    assert used <= set(re.findall(r"^\| ([A-Z]Q[0-9]+) \|", (DOCS / "gateways" / "README.md").read_text("utf-8"), re.M))
