"""From the spool to the server, in a thread of its own: however long a request takes, it keeps nothing from the spool.

The thread never dies of an error, and never raises one into the training loop.
"""
from __future__ import annotations

import logging
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from ._deliver import Delivery, write_rejected
from ._errors import Refused, Unavailable
from ._http import Api
from ._segment import PUT, Entry
from ._sessions import sessions
from ._spool import Spool

if TYPE_CHECKING:
    from ._sender import Sender

LOG = logging.getLogger("tally")
LOOK_SECONDS = 0.25  # how often it looks whether there is something to send, or to try again
HEARTBEAT_SECONDS = 60.0
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS, RETRY_AFTER_MAX_SECONDS = 0.25, 30.0, 300.0


class Courier:
    """
    sender  whose spool is sent, and who is told what went wrong.
    """

    def __init__(self, sender: Sender, api: Api, run: str, project: Optional[str], root: str, rank: int) -> None:
        self.api, self.run, self.project, self.root, self.rank = api, run, project, root, rank
        self.heartbeats = False
        self.delivery: Optional[Delivery] = None
        self.chores: List[Callable[[], Dict[str, Any]]] = []  # declarations that take time to find out
        self.busy = False
        self.hurry = False
        self._sender = sender
        self._stopped = False
        self._thread: Optional[threading.Thread] = None
        self._wake = threading.Lock()  # released to wake the thread: a signal handler may do that at any moment
        self._wake.acquire()
        self._failures, self._next_try = 0, 0.0
        self._last_contact = time.monotonic()
        self._looked_for_left = False

    def start(self) -> None:
        """Raises RuntimeError where no thread can be started any more."""
        thread = threading.Thread(target=self._run_thread, name="tally-courier", daemon=True)
        thread.start()
        self._thread = thread

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def take_over(self, spool: Spool, lock: Any) -> None:
        """Send what this spool holds, and whatever comes to it."""
        self.delivery = Delivery(self.api, self.run, spool, lock, self.project, self._rejected)

    def wake(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it is awake

    def try_now(self) -> None:
        self._next_try = min(self._next_try, time.monotonic())

    def beat(self) -> None:
        """A heartbeat now."""
        self._last_contact = time.monotonic() - HEARTBEAT_SECONDS
        self.heartbeats = True
        self.wake()

    def stop(self) -> bool:
        """End the thread.  False: something that cannot be broken off holds it."""
        self._stopped = True
        self.wake()
        if self._thread is not None:
            self._thread.join(0.5)
            if self._thread.is_alive():
                self.api.abort()
                self._thread.join(0.5)
        if self.is_alive():
            return False
        self.api.close()
        return True

    # ---- the thread ----
    def _run_thread(self) -> None:
        while not self._stopped:
            self._wake.acquire(timeout=0.02 if self.hurry else LOOK_SECONDS)
            self.busy = True
            try:
                while self.chores:
                    self._do_chore(self.chores[0])
                    del self.chores[0]
                self._send()
            except Exception as error:  # a defect must not end the delivery
                LOG.debug("tally: %s", error, exc_info=True)
                self._sender.fault("delivery: %s: %s" % (type(error).__name__, error))
                self._next_try = time.monotonic() + 5
            self.busy = False

    def _do_chore(self, chore: Callable[[], Dict[str, Any]]) -> None:
        try:
            self._sender.put(PUT, chore())
        except Exception as error:
            self._sender.fault("what the run is made of cannot be told: %s" % error)

    def _send(self) -> None:
        delivery = self.delivery
        if delivery is None or delivery.halted is not None or time.monotonic() < self._next_try:
            return
        try:
            while not self._stopped and delivery.step():
                self._failures, self._last_contact = 0, time.monotonic()
            if delivery.halted is not None:
                self._sender.fault("the server refuses us: %s. Nothing more is sent; it is kept in %s" % (delivery.halted, self._sender.where()), delivery.halted)
            elif not self._looked_for_left:
                self._send_left()
                self._looked_for_left = True
            elif self.heartbeats and time.monotonic() - self._last_contact >= HEARTBEAT_SECONDS:
                self._send_heartbeat()
        except Unavailable as error:
            delivery.retries += 1
            self._failures += 1
            self._next_try = time.monotonic() + backoff(self._failures, error.after, self.hurry)
            LOG.debug("tally: %s", error)
            if self._failures == 4:
                self._sender.warn("away", "%s; what is logged is kept in %s and sent later" % (error, self._sender.where()))

    def _send_heartbeat(self) -> None:
        try:
            self.api.call("PATCH", "/api/v1/runs/" + self.run, b"{}")
        except Refused:
            self.heartbeats = False  # somebody has deleted the run
        self._last_contact = time.monotonic()

    def _send_left(self) -> None:
        """What an earlier process of this rank left behind when it was killed."""
        own = self._sender.spool
        for path, meta in sessions(os.path.join(self.root, self.run)):
            if meta.get("rank") != self.rank or meta["url"] != self.api.url or (own is not None and path == own.folder):
                continue
            spool = Spool.open(path)
            if spool is None:
                continue
            left = Delivery(self.api, self.run, spool, threading.Lock(), self.project, self._rejected)
            try:
                while left.step():
                    pass
            finally:
                spool.finish()

    def _rejected(self, refused: Refused, entry: Entry) -> None:
        path = os.path.join(self.root, self.run, "rejected-%d.ndjson" % self.rank)
        kept = write_rejected(path, refused, entry)
        if self._sender.raises:
            self._sender.fault("refused", refused)
        else:
            self._sender.warn("rejected", "the server refuses a record: %s. It is kept in %s; more of them are not announced" % (
                refused, path if kept else "no file"))


def backoff(failures: int, after: Optional[float], hurry: bool) -> float:
    """Seconds until the next try: doubling, with jitter, never less than the server asked for."""
    wait = min(1.0 if hurry else BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)
    return max(wait, min(after or 0.0, RETRY_AFTER_MAX_SECONDS))
