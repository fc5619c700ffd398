"""The ends of a process: interpreter exit, SIGTERM, fork.  One place for all runs of the process."""
from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, List, Set

if TYPE_CHECKING:
    from ._run import Run

_runs: Set[Run] = set()  # until they end, whether a program keeps hold of them or not (callbacks die with their fit())
_installed = False
_previous: Any = None
SIGTERM_SECONDS = 5.0


def watch(run: Run) -> None:
    global _installed
    _runs.add(run)
    if not _installed:
        _installed = True
        atexit.register(at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=after_fork)
    install_sigterm()


def open_runs() -> List[Run]:
    return list(_runs)


def forget(run: Run) -> None:
    _runs.discard(run)


def at_exit() -> None:
    """Without finish(): a run whose program ended by an exception has failed."""
    for run in open_runs():
        failed = hasattr(sys, "last_value") and sys.last_value is not None
        run._end("failed" if failed else "finished")


def after_fork() -> None:
    for run in open_runs():
        run._after_fork()


def at_child_end() -> None:
    """For processes that multiprocessing forked: they end without atexit."""
    for run in open_runs():
        run._end(None)


def install_sigterm() -> None:
    """In front of the handler that is there; none where the signal is ignored, or outside the main thread."""
    global _previous
    if threading.current_thread() is not threading.main_thread():
        return
    current = signal.getsignal(signal.SIGTERM)
    if current is on_sigterm or current is signal.SIG_IGN or current is None:
        return
    try:
        signal.signal(signal.SIGTERM, on_sigterm)
        _previous = current
    except (ValueError, OSError):
        pass


def on_sigterm(number: int, frame: Any) -> None:
    """Bring what was logged to safety, then do what would have been done without us."""
    if callable(_previous):  # it may go on training: only wake the sender
        for run in open_runs():
            run._sender.wake()
        _previous(number, frame)
        return
    for run in open_runs():
        run._end("killed", SIGTERM_SECONDS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
