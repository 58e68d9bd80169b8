"""Build the documentation site: `python docs/site/build.py [--site DIR]`, by default into build/site.

The site is the project's own documents at their own places, so that a link means the same there and in the repository;
what they link to beside documents is copied. Behind each page lies its Markdown (`docs/api.html`, `docs/api.md`), and
`llms.txt` lists them all. Nothing is loaded from another host.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import yaml

from otp_service.api import documentation
from otp_service.api.application import create_litestar
from otp_service.api.openapi import finish

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")
_FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


def pages() -> list[Path]:
    """Every document that the site shows."""
    found = {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")}
    for folder in ("clients/*", "examples", "examples/*", "deploy", "helm/otp-service", "benchmarks"):
        found |= set(ROOT.glob(f"{folder}/README.md"))
    return sorted(found)


def openapi() -> dict[str, Any]:
    """The document that a running service answers at /schema/openapi.json. No service is asked."""
    service = MagicMock()
    service.settings.service.environment = "production"
    app = create_litestar(service)
    return finish(json.loads(json.dumps(app.openapi_schema.to_schema(), default=str)))


def reference(document: dict[str, Any]) -> str:
    """The page of the API: a table for readers and machines, and under it the whole, as Swagger UI shows it."""
    lines = [
        "# API reference",
        "",
        "Every operation, from the [OpenAPI document](openapi.json) of the service. How they work",
        "together: [HTTP API](docs/api.md). A running service has the same page at `/schema`, to try requests.",
        "",
        "| operation | |",
        "|---|---|",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} |")
    scripts = "".join(f'<script src="assets/{name}"></script>\n' for name in (SWAGGER[1], "reference.js"))
    return "\n".join(lines) + (
        f'\n\n<link rel="stylesheet" href="assets/{SWAGGER[0]}">\n<div id="reference"></div>\n{scripts}'
    )


def linked_from(page: Path) -> set[Path]:
    """Files of the project that a document links to and that are no document of the site."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    targets = {(page.parent / link).resolve() for link in _LINK.findall(text)}
    return {target for target in targets if target.is_file() and target.is_relative_to(ROOT)}


def lay_out(stage: Path) -> None:
    """Put the sources of the site into an empty folder."""
    shown = pages()
    for path in {*shown, *(target for page in shown for target in linked_from(page))}:
        place = stage / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    document = openapi()
    (stage / "openapi.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
    (stage / "reference.md").write_text(reference(document), "utf-8")
    shutil.copytree(HERE / "assets", stage / "assets")
    for name in SWAGGER:
        shutil.copyfile(documentation.swagger_ui() / name, stage / "assets" / name)


def title_and_summary(text: str) -> tuple[str, str]:
    """The heading of a document and its first sentence, without links."""
    title, _, rest = text.partition("\n")
    plain = re.sub(r"<!--.*?-->", "", rest, flags=re.DOTALL).strip().split("\n\n")[0]
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", plain).replace("\n", " ")
    first = re.split(r"(?<=\.) ", plain)[0] if plain[:1] not in "|#`-<1" else ""
    return title.lstrip("# "), first


def llms(nav: list[Any]) -> str:
    """The documents as https://llmstxt.org has them: a title, what it is, and links by section."""
    lines = ["# otp-service", "", f"> {title_and_summary((ROOT / 'README.md').read_text('utf-8'))[1]}"]

    def add(entries: list[Any]) -> None:
        for entry in entries:
            inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
            if isinstance(inner, list):
                add(inner)
            elif (ROOT / inner).exists():
                title, summary = title_and_summary((ROOT / inner).read_text("utf-8"))
                lines.append(f"- [{title}]({inner})" + (f": {summary}" if summary else ""))
            else:
                lines.append(f"- [API reference]({inner}), [OpenAPI](openapi.json): every operation")

    for section in nav:
        for name, entries in section.items():
            lines.extend(["", f"## {name}", ""])
            add(entries)
    return "\n".join(lines) + "\n"


def configuration() -> str:
    """mkdocs.yml with the decisions in its navigation, and under "More" what it does not place."""
    told = (HERE / "mkdocs.yml").read_text("utf-8")
    names = [str(path.relative_to(ROOT)) for path in pages()]
    decisions = [name for name in names if name.startswith("docs/adr/")]
    more = [name for name in names if name not in decisions and f" {name}\n" not in told]
    entries = ["      - Decisions:", *(f"          - {name}" for name in decisions)]
    entries += ["  - More:", *(f"      - {name}" for name in more)] if more else []
    return "\n".join([told.rstrip(), *entries]) + "\n"


def build(site: Path) -> int:
    """0, or what mkdocs ended with; its warnings are errors."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / "pages"
        stage.mkdir()
        lay_out(stage)
        told = configuration() + f"docs_dir: {stage}\nsite_dir: {site}\n"
        (Path(folder) / "mkdocs.yml").write_text(told, "utf-8")
        words = [sys.executable, "-m", "mkdocs", "build", "--config-file", f"{folder}/mkdocs.yml"]
        done = subprocess.run(words, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False)
        if done.returncode:
            return done.returncode
        for page in stage.rglob("*.md"):
            shutil.copyfile(page, site / page.relative_to(stage))
    shutil.copyfile(site / "sitemap.xml", site / "docs" / "ru" / "sitemap.xml")  # the theme asks for it there
    nav = yaml.safe_load(re.sub(r"!!python\S+", "", configuration()))["nav"]
    (site / "llms.txt").write_text(llms(nav), "utf-8")
    for script in (site / "assets" / "javascripts").rglob("*.js"):
        # The theme would load these two when a page has a Mermaid picture or is opened as a file; none is needed.
        text = script.read_text("utf-8")
        script.write_text(text.replace("https://unpkg.com/", "data:,"), "utf-8")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site", help="where to (%(default)s)")
    return build(parser.parse_args().site.absolute())


if __name__ == "__main__":
    sys.exit(main())
