"""From the training loop to the spool and on to the server.

The training thread calls put(), which appends to a queue and returns.  A thread of the sender drains the queue a few times a
second into the spool, sends what the spool holds, and waits longer and longer while the server does not answer.

1. Nothing of put() takes a lock or touches a file, unless the queue is full because the thread cannot keep up; then records are
   added to neighbours of their epoch, in memory.
2. The lock guards spool and drain; it is not held during a request, so that at the end any thread can bring the queue to disk.
3. The thread never dies of an error, and never raises one into the training loop.
"""
from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from . import _merge
from ._deliver import Delivery, write_rejected
from ._errors import Refused, TallyError, Unavailable
from ._http import Api
from ._record import encode, materialise
from ._segment import BATCH, Entry
from ._sessions import sessions
from ._spool import Spool

LOG = logging.getLogger("tally")
DRAIN_SECONDS = 0.25
WAKE_RECORDS = 1000  # so many in the queue wake the thread before its time
HEARTBEAT_SECONDS = 60.0
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS, RETRY_AFTER_MAX_SECONDS = 0.25, 30.0, 300.0

Item = Tuple[bytes, Any]  # kind, and a dict or a callable that gives it


class Sender:
    """
    make_spool      a fresh session for this process.
    queue_records   how many records of 10 classes may wait in memory for the thread.
    raises          failures are kept, for failure() to hand to the training loop.
    """

    def __init__(self, api: Api, run: str, project: Optional[str], make_spool: Callable[[], Spool], root: str, rank: int,
                 queue_records: int = 50000, raises: bool = False, quiet: bool = False) -> None:
        self.api, self.run, self.project, self.root, self.rank = api, run, project, root, rank
        self.queue: Deque[Item] = deque()
        self.queue_records = queue_records
        self.raises, self.quiet = raises, quiet
        self.heartbeats = False
        self._make_spool = make_spool
        self.on_start: Optional[Callable[[], Any]] = None  # called once the thread runs
        self._said: set = set()
        self._failure: Optional[TallyError] = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._wake = threading.Lock()  # released to wake the thread: a signal handler may do that at any moment
        self._wake.acquire()
        self._full: Dict[Any, Dict[str, Any]] = {}
        self._full_lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._starting = threading.Lock()
        self._busy = self._hurry = self._stopped = False
        self._failures, self._next_try = 0, 0.0
        self._last_contact = time.monotonic()
        self._looked_for_left = False
        self.spool: Optional[Spool] = None
        self.delivery: Optional[Delivery] = None

    # ---- the training thread ----
    def put(self, kind: bytes, body: Any, weight: int = 1) -> None:
        """weight: how much memory it takes, in records of 10 classes."""
        waiting = len(self.queue)
        if waiting * weight > self.queue_records and kind == BATCH:
            self._put_full(body)
            return
        self.queue.append((kind, body))
        if self._thread is None:
            self._start_thread()
        elif waiting == WAKE_RECORDS:
            self.wake()

    def _start_thread(self) -> None:
        if not self._starting.acquire(blocking=False):  # another thread is at it, or this one, below a signal handler
            return
        try:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._run_thread, name="tally-sender", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is going down: the end brings the queue to disk
                    return
                self._thread = thread
                if self.on_start is not None:
                    self.on_start()
        finally:
            self._starting.release()

    def _put_full(self, record: Dict[str, Any]) -> None:
        """The queue is full: add the record to the one before of its kind."""
        self.warn("full", "records come faster than they can be written: neighbouring batches of an epoch are added up (totals stay exact)")
        self.wake()
        try:
            record = materialise(record)
            key = _merge.key_of(record)
        except Exception as error:  # whatever a caller handed over: it must not stop the training
            self.fault("a record cannot be sent: %s" % error)
            return
        if key is None:
            key = (id(record),)
        with self._full_lock:
            held = self._full.get(key)
            if held is None:
                self._full[key] = record
            elif held["step"] != record["step"]:
                self._full[key] = _merge.add(held, record)
            elif {**held, "time": 0} != {**record, "time": 0}:
                self._full[key, record["step"]] = record

    def wake(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it is awake

    def fault(self, text: str, error: Optional[TallyError] = None) -> None:
        """Something is lost or refused: raised by the next call where that was asked for, else said once for each text."""
        if self.raises:
            self._failure = self._failure or error or TallyError(text)
        else:
            self.warn(text, text)

    def warn(self, about: str, text: str) -> None:
        if about not in self._said and not self.quiet:
            self._said.add(about)
            LOG.warning("tally: run %s: %s", self.run, text)

    def failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # ---- the thread ----
    def _run_thread(self) -> None:
        while not self._stopped:
            self._wake.acquire(timeout=0.02 if self._hurry else DRAIN_SECONDS)
            self._busy = True
            try:
                self.drain()
                self._send()
            except Exception as error:  # a defect must not end the delivery
                LOG.debug("tally: %s", error, exc_info=True)
                self.fault("delivery: %s: %s" % (type(error).__name__, error))
                self._next_try = time.monotonic() + 5
            spool, delivery = self.spool, self.delivery
            self._busy = bool(spool is not None and spool.left and delivery is not None and delivery.halted is None)

    def drain(self, timeout: float = -1) -> bool:
        """Bring the queue to the spool.  False: another thread has been at it for longer than the timeout."""
        if not self._lock.acquire(timeout=timeout):
            return False
        try:
            if self.spool is None and (self.queue or self._full):
                self.spool = self._make_spool()
                self.delivery = Delivery(self.api, self.run, self.spool, self._lock, self.project, self._rejected)
            while self.queue:
                self._spool_some()
            if self._full and self._full_lock.acquire(timeout=1.0):  # bounded: a signal handler may stand above its holder
                try:
                    full, self._full = self._full, {}
                finally:
                    self._full_lock.release()
                assert self.spool is not None
                self.spool.append([Entry(BATCH, encode(record)) for record in full.values()])
            self._keep_bounds()
        finally:
            self._lock.release()
        return True

    def _spool_some(self) -> None:
        entries: List[Entry] = []
        for _ in range(256):
            try:
                kind, body = self.queue.popleft()
            except IndexError:
                break
            try:
                if kind == BATCH:
                    entries.append(Entry(kind, encode(materialise(body))))
                else:
                    entries.append(Entry(kind, json.dumps(body() if callable(body) else body, allow_nan=False).encode()))
            except Exception as error:  # whatever a caller handed over
                self.fault("a record cannot be sent: %s" % error)
            if len(entries) % 16 == 0:
                time.sleep(0)  # let the training thread have the interpreter
        if entries:
            assert self.spool is not None
            self.spool.append(entries)

    def _keep_bounds(self) -> None:
        spool = self.spool
        if spool is None:
            return
        if spool.failure is not None:
            self.warn("disk", "the spool cannot be written (%s): what is not sent stays in memory, and is lost if the process ends" % spool.failure)
        while spool.is_over():
            self.warn("bounds", "too much waits for the server: neighbouring batches of an epoch are added up (totals stay exact)")
            if not spool.shrink(merge_entries):
                lost = spool.drop_newest()
                if not lost:
                    break
                self.fault("the spool is full and nothing can be added up any more: the newest records are dropped")

    def _send(self) -> None:
        delivery = self.delivery
        if delivery is None or delivery.halted is not None or time.monotonic() < self._next_try:
            return
        try:
            while not self._stopped and delivery.step():
                self._failures, self._last_contact = 0, time.monotonic()
                self.drain()
            if delivery.halted is not None:
                self.fault("the server refuses us: %s. Nothing more is sent; it is kept in %s" % (delivery.halted, self.where()), delivery.halted)
            elif not self._looked_for_left:
                self._send_left()
                self._looked_for_left = True
            elif self.heartbeats and time.monotonic() - self._last_contact >= HEARTBEAT_SECONDS:
                self._send_heartbeat()
        except Unavailable as error:
            delivery.retries += 1
            self._failures += 1
            self._next_try = time.monotonic() + backoff(self._failures, error.after, self._hurry)
            LOG.debug("tally: %s", error)
            if self._failures == 4:
                self.warn("away", "%s; what is logged is kept in %s and sent later" % (error, self.where()))

    def _send_heartbeat(self) -> None:
        try:
            self.api.call("PATCH", "/api/v1/runs/" + self.run, b"{}")
        except Refused:
            self.heartbeats = False  # somebody has deleted the run
        self._last_contact = time.monotonic()

    def beat(self) -> None:
        """A heartbeat now."""
        self._last_contact = time.monotonic() - HEARTBEAT_SECONDS
        self.heartbeats = True
        self.wake()

    def _send_left(self) -> None:
        """What an earlier process of this rank left behind when it was killed."""
        folder = os.path.join(self.root, self.run)
        for path, meta in sessions(folder):
            if meta.get("rank") != self.rank or meta["url"] != self.api.url or (self.spool is not None and path == self.spool.folder):
                continue
            spool = Spool.open(path)
            if spool is None:
                continue
            left = Delivery(self.api, self.run, spool, threading.Lock(), self.project, self._rejected)
            try:
                while left.step():
                    self.drain()
            finally:
                spool.finish()

    def _rejected(self, refused: Refused, entry: Entry) -> None:
        path = os.path.join(self.root, self.run, "rejected-%d.ndjson" % self.rank)
        kept = write_rejected(path, refused, entry)
        if self.raises:
            self.fault("refused", refused)
        else:
            self.warn("rejected", "the server refuses a record: %s. It is kept in %s; more of them are not announced" % (refused, path if kept else "no file"))

    # ---- the end ----
    def where(self) -> str:
        return self.spool.folder if self.spool is not None and self.spool.folder else "memory"

    def remaining(self) -> int:
        """Entries that the server has not confirmed."""
        return len(self.queue) + len(self._full) + (self.spool.left if self.spool is not None else 0)

    def flush(self, timeout: float) -> bool:
        """Wait until everything is delivered, at most so many seconds.  Takes no lock of the sender: a signal handler may call it."""
        if self._pid != os.getpid():
            return True
        if not self.queue and not self._full and self.spool is None:
            return True
        deadline = time.monotonic() + timeout
        self._hurry = True
        self._next_try = min(self._next_try, time.monotonic())
        try:
            while time.monotonic() < deadline:
                self.wake()
                if not self.queue and not self._full and not self._busy:
                    break
                if self._thread is None or not self._thread.is_alive():
                    break
                time.sleep(0.005)
            if self.queue or self._full:
                self.drain(timeout=1.0)
        finally:
            self._hurry = False
        return self.remaining() == 0

    def stop(self) -> None:
        """After flush(): end the thread; remove what is empty."""
        self._stopped = True
        self.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        if self._lock.acquire(timeout=1.0):
            try:
                if self.spool is not None and (thread is None or not thread.is_alive()):
                    self.spool.finish()
                    self.api.close()
            finally:
                self._lock.release()

    def after_fork(self) -> None:
        """In the child: the queue and the session are the parent's; this process begins its own with the first record."""
        if self.spool is not None:
            self.spool.abandon()
        self.queue.clear()
        self.heartbeats = False
        self._start_afresh()


def merge_entries(entries: List[Entry]) -> List[Entry]:
    """Neighbouring batches added; calls keep their places, and nothing is added across them."""
    out: List[Entry] = []
    records: List[Dict[str, Any]] = []

    def close() -> None:
        out.extend(Entry(BATCH, encode(record)) for record in _merge.halve(records))
        records.clear()

    for entry in entries:
        if entry.kind == BATCH:
            records.append(json.loads(entry.payload))
        else:
            close()
            out.append(entry)
    close()
    return out


def backoff(failures: int, after: Optional[float], hurry: bool) -> float:
    """Seconds until the next try: doubling, with jitter, never less than the server asked for."""
    wait = min(1.0 if hurry else BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)
    return max(wait, min(after or 0.0, RETRY_AFTER_MAX_SECONDS))
