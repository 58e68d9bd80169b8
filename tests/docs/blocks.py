"""The code blocks of the documents, each with what stands around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {
        *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/*/README.md"),
        *ROOT.glob("examples/**/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("helm/**/*.md"),
    }
)  # fmt: skip
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_ROUTE = re.compile(r"`?\b(GET|POST|DELETE) (/v1/[\w/{}-]+)")
_NOT_RUN = re.compile(r"<!-- not run: (.{10,}) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """`number` counts those of the page from 1; `before` is the page's text above it."""

    page: str
    number: int
    language: str
    text: str
    before: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}:{self.language}"

    def is_of(self, page: str, language: str, word: str) -> bool:
        return (self.page, self.language) == (page, language) and word in self.text

    @property
    def not_run(self) -> str | None:
        """Why it is not tried, as the comment right above it says."""
        found = _NOT_RUN.search(self.before)
        return found[1] if found else None

    @property
    def operation(self) -> tuple[str, str] | None:
        """Method and path of the route that the paragraph above names, or else the last heading that is one."""
        headings = "\n".join(line for line in self.before.splitlines() if line.startswith("#"))
        found = _ROUTE.findall(self._paragraph) or _ROUTE.findall(headings)
        return found[-1] if found else None

    @property
    def answer(self) -> str | None:
        """The status that it is an answer with: `**201**` stands in the paragraph above."""
        found = re.search(r"\*\*(\d{3})\*\*", self._paragraph)
        return found[1] if found else None

    @property
    def _paragraph(self) -> str:
        return self.before.rstrip().rpartition("\n\n")[2]


def blocks_of(page: Path) -> list[Block]:
    text, name = page.read_text("utf-8"), str(page.relative_to(ROOT))
    return [
        Block(name, number, found[2], re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE), text[: found.start()])
        for number, found in enumerate(_BLOCK.finditer(text), 1)
    ]


ALL = [block for page in PAGES for block in blocks_of(page)]


def of(*languages: str) -> list[Block]:
    """Those to be tried of these languages."""
    return [block for block in ALL if block.language in languages and not block.not_run]
