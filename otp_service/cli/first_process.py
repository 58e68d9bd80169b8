"""The first process of a container: it inherits every orphan, and the kernel drops signals that it does not handle."""

from __future__ import annotations

import os
import signal

HANDED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}


def leave_work_to_a_child() -> None:
    """Return in a child, which does the work. Here signals are handed on to it, orphans are buried, and its end is
    ours: with its exit status, or 128 and the number of the signal that ended it."""
    awaited = {*HANDED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
        return
    while True:
        heard = signal.sigwaitinfo(awaited)
        if heard.si_signo != signal.SIGCHLD:
            if heard.si_code <= 0:  # not from the terminal, whose signals reach the child by themselves
                os.kill(child, heard.si_signo)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                os._exit(code if code >= 0 else 128 - code)
