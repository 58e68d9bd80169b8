"""Child processes that do not outlive us, not even after kill -9."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_libc = ctypes.PyDLL(None)  # PyDLL keeps the GIL during a call, which is right between fork and exec
_PR_SET_PDEATHSIG = 1


def die_with_us() -> Callable[[], None]:
    """A `preexec_fn`: on Linux the child gets SIGTERM when the thread that forked it dies; fork in the main thread."""
    parent = os.getpid()

    def in_child() -> None:
        # After fork any lock may be held for ever by a thread that is no more: two system calls and nothing else.
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before prctl
            os._exit(1)

    return in_child
