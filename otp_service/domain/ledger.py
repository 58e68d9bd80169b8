"""How wrong codes in a row are answered, of a phone and of each second factor (NIST SP 800-63B-4 §3.2.2)."""

from __future__ import annotations

FAILS_THAT_WAIT = 20
"""From so many on each further one waits: first `FIRST_WAIT_MS`, then twice as long, up to `LONGEST_WAIT_MS`."""
FAILS_THAT_DISABLE = 100
"""At so many nothing is judged any more until somebody unlocks it."""
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000
UNSETTLED_MS = 5_000
"""An attempt that has no verdict after so long belongs to a process that died."""
