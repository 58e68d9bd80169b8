"""Writes the table of values into the chart's README from the comments of values.yaml (`# -- …` above a key)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHART = Path(__file__).parent / "otp-service"
MARK = "<!-- values: made by `make chart` -->\n"


def rows(values: str) -> Iterator[tuple[str, str, str]]:
    """Of each described key: its path, its default as JSON (none if its own keys follow), the description."""
    lines = values.splitlines()
    yield from _below(yaml.compose(values), "", lines)


def _below(node: yaml.MappingNode, path: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        name = f"{path}.{key.value}".lstrip(".")
        described = _description(lines, key.start_mark.line)
        below = value.value if isinstance(value, yaml.MappingNode) else []
        if any(_description(lines, inner.start_mark.line) for inner, _ in below):
            if described:
                yield name, "", described
            yield from _below(value, name, lines)
        elif described:
            default = yaml.safe_load(yaml.serialize(value))
            yield name, f"`{json.dumps(default, ensure_ascii=False)}`", described
        else:
            raise ValueError(f"{name}: values.yaml does not say what it is (# -- …)")


def _description(lines: list[str], line: int) -> str:
    """The comment that stands directly above a line, from its `# --` on."""
    found: list[str] = []
    while line and (text := lines[line - 1].strip()).startswith("#"):
        line -= 1
        found.insert(0, text.removeprefix("#").strip())
        if found[0].startswith("-- "):
            return " ".join(found)[3:].replace("|", "\\|")
    return ""


def table(values: str) -> str:
    lines = ["| value | default | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in rows(values)]
    return "\n".join(lines) + "\n"


def documented(readme: str, values: str) -> str:
    """The README with the table after the mark as values.yaml has it now."""
    head, mark, _ = readme.partition(MARK)
    if not mark:
        raise ValueError(f"the README has no line {MARK!r}")
    return head + mark + "\n" + table(values)


def main() -> int:
    page = CHART / "README.md"
    page.write_text(documented(page.read_text("utf-8"), (CHART / "values.yaml").read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
