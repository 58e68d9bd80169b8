"""What the size of the code is to a reader, as figures: `python -m tests.house.figures` prints them.

Names: distinct names of functions and classes per 1,000 lines, each one to learn. Called once: private functions that
one place of their module calls; where the name explains nothing, the reader would be better off with the lines
themselves. What is no call where it is used (rows of a table, callbacks, what a thread or `map` is given) has to have a
name and is counted apart.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "otp_service"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines() -> int:
    return sum(len(path.read_text("utf-8").splitlines()) for path in modules())


def names_per_1000_lines() -> float:
    names = {
        node.name for tree in modules().values() for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef)
    }
    return 1000 * len(names) / lines()


def used_once(*, called: bool) -> dict[Path, list[str]]:
    """Private functions that stand in the text of their module twice: where they are made, and where they are used.

    called: by a call there; else in any other way.
    """
    found: dict[Path, list[str]] = {}
    for path, tree in modules().items():
        text = path.read_text("utf-8")
        calls = Counter(
            getattr(node.func, "attr", getattr(node.func, "id", ""))
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
        )
        for name in private(tree):
            if len(re.findall(rf"\b{name}\b", text)) == 2 and (calls[name] == 1) is called:
                found.setdefault(path, []).append(name)
    return found


def private(tree: ast.Module) -> list[str]:
    return [node.name for node in functions(tree) if re.match("_[^_]", node.name)]


def share_used_once(*, called: bool = True) -> float:
    """Of all private functions."""
    return sum(map(len, used_once(called=called).values())) / sum(len(private(tree)) for tree in modules().values())


def positional(constructor: Function) -> int:
    """Parameters that may be given without their name, `self` left out."""
    return len(constructor.args.args) + len(constructor.args.posonlyargs) - 1


def constructors() -> Iterator[tuple[Path, Function]]:
    for path, tree in modules().items():
        yield from ((path, node) for node in functions(tree) if node.name == "__init__")


def imports_of(module: str) -> int:
    tree = modules()[PACKAGE / module]
    return sum(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


def rooms_and_arrows() -> tuple[int, int]:
    """Folders with modules, and imports from one of them to another, each pair once."""
    arrows = set()
    for path, tree in modules().items():
        here = path.relative_to(PACKAGE.parent).parent
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("otp_service"):
                there = Path(*str(node.module).split("."))
                if not (PACKAGE.parent / there).is_dir():
                    there = there.parent
                if there != here:
                    arrows.add((here, there))
    return len({path.parent for path in modules()}), len(arrows)


if __name__ == "__main__":
    rooms, arrows = rooms_and_arrows()
    print(f"{lines()} lines in {len(modules())} modules, {rooms} rooms, {arrows} arrows between them")
    print(f"names per 1,000 lines: {names_per_1000_lines():.1f}")
    print(f"private functions called once: {share_used_once():.1%}, once named but not called: ", end="")
    print(f"{share_used_once(called=False):.1%}")
    for path, names in used_once(called=True).items():
        print(f"  {path.relative_to(PACKAGE)}: {', '.join(names)}")
