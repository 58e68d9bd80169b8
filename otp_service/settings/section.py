"""What every table of the settings has in common."""

from __future__ import annotations

import msgspec

END = r"$(?!\n)"
"""End of a pattern; Python's `$` alone also matches before a trailing newline."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a misspelt key in it is refused."""
