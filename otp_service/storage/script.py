"""The scripts of this package as values, read once."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import Any, Generic, TypeVar, cast

from msgspec.structs import replace

from otp_service.domain.value import Hidden, Value

W_co = TypeVar("W_co", bound=str, covariant=True)


class Script(Value, Generic[W_co]):
    """One operation of storage/scripts, with what it shares with others put behind its first line.

    W_co: the words that it answers with, of storage/words.py; Any for one that answers with none.

    answers: the type of what it returns, as its header says: {…}, `as text`, words with `|` between, else a number.
    """

    name: str
    text: Hidden[str]
    sha: str
    answers: type
    as_reader: Hidden[str] = ""
    """Of one that only reads: as a primary answers it that takes no writes. A replica would answer it, too, with what
    it knows, so nobody begins with it."""
    repeated: Hidden[Script[Any] | None] = None
    """The same for several sets of keys and arguments in one call; see `_repeated.lua`."""

    @classmethod
    def load(cls, name: str, *more: str) -> Script[Any]:
        """In front of it go `_common`, the `_rules` of its noun if there are any, and `more`, named without `.lua`."""
        folder = files("otp_service.storage") / "scripts"
        rules = f"{name.partition('/')[0]}/_rules"
        parts = ["_common", rules, *more] if (folder / f"{rules}.lua").is_file() else ["_common", *more]
        first, _, body = (folder / f"{name}.lua").read_text(encoding="utf-8").partition("\n")
        shared = "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
        (returned,) = re.findall(r"^-- Returns (.*)$", body, re.MULTILINE)
        answers = list if returned[0] == "{" else bytes if re.search(r"as text| \| ", returned) else int
        repeat = (folder / "_repeated.lua").read_text(encoding="utf-8")
        body_as_function = f"local function once(KEYS, ARGV)\n{body}\nend\n{repeat}"
        return replace(
            cls._of(name, first, shared + body, answers),
            repeated=cls._of(name, first, shared + body_as_function, list),
        )

    @classmethod
    def _of(cls, name: str, first: str, text: str, answers: type) -> Script[Any]:
        as_reader = f"{first}\n{text}" if "no-writes" in first else ""
        text = f"{'#!lua' if as_reader else first}\n{text}"
        return cls(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), answers, as_reader)

    def word(self, reply: bytes) -> W_co:
        """The word of an answer."""
        return cast(W_co, reply.decode())
