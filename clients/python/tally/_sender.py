"""From the training loop to the spool.

The training thread calls put(), which appends to a queue and returns.  A thread of the sender brings the queue to the spool a few
times a second; another one, the courier's, sends what the spool holds.

1. Nothing of put() takes a lock or touches a file, unless the queue is full because the thread cannot keep up; then records are
   added to neighbours of their epoch, in memory.
2. The lock guards spool and drain.  It is never held while a server is waited for, and any thread may bring the queue to disk.
3. The threads never die of an error, and never raise one into the training loop.
"""
from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from . import _merge
from ._courier import Courier
from ._errors import TallyError
from ._http import Api
from ._record import encode, materialise
from ._segment import BATCH, Entry
from ._spool import Spool

LOG = logging.getLogger("tally")
DRAIN_SECONDS = 0.25
WAKE_RECORDS = 1000  # so many in the queue wake the thread before its time

Item = Tuple[bytes, Any]  # kind and dict


class Sender:
    """
    make_spool      a fresh session for this process.
    queue_records   how many records of 10 classes may wait in memory for the thread.
    raises          failures are kept, for failure() to hand to the training loop.
    """

    def __init__(self, api: Api, run: str, project: Optional[str], make_spool: Callable[[], Spool], root: str, rank: int,
                 queue_records: int = 50000, raises: bool = False, quiet: bool = False) -> None:
        self.api, self.run = api, run
        self.queue: Deque[Item] = deque()
        self.queue_records = queue_records
        self.raises, self.quiet = raises, quiet
        self._make_spool = make_spool
        self._make_courier = lambda: Courier(self, api, run, project, root, rank)
        self.on_start: Optional[Callable[[], Any]] = None  # called once the threads run
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
        self._draining = self._stopped = False
        self.spool: Optional[Spool] = None
        self.courier = self._make_courier()

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
                thread = threading.Thread(target=self._run_thread, name="tally-spool", daemon=True)
                try:
                    thread.start()
                    self._thread = thread
                    self.courier.start()
                except RuntimeError:  # the interpreter is going down: the end brings the queue to disk
                    return
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
            self._wake.acquire(timeout=0.02 if self.courier.hurry else DRAIN_SECONDS)
            try:
                if self.drain():
                    self.courier.wake()
            except Exception as error:  # a defect must not end the delivery
                LOG.debug("tally: %s", error, exc_info=True)
                self.fault("spool: %s: %s" % (type(error).__name__, error))

    def drain(self, timeout: float = -1) -> bool:
        """Bring the queue to the spool, what another thread has just taken from it included.  False: nothing was waiting, or that
        thread has been at it for longer than the timeout."""
        if not self._lock.acquire(timeout=timeout):
            return False
        try:
            if not self.queue and not self._full:
                return False
            self._draining = True  # before the queue gets shorter, so that nothing seems to be delivered that is on its way
            if self.spool is None:
                self.spool = self._make_spool()
                self.courier.take_over(self.spool, self._lock)
            while self.queue:
                self._spool_some()
            if self._full and self._full_lock.acquire(timeout=1.0):  # bounded: a signal handler may stand above its holder
                try:
                    full, self._full = self._full, {}
                finally:
                    self._full_lock.release()
                self.spool.append([Entry(BATCH, encode(record)) for record in full.values()])
            self._keep_bounds()
        finally:
            self._draining = False
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
                    entries.append(Entry(kind, json.dumps(body, allow_nan=False).encode()))
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

    # ---- the end ----
    def where(self) -> str:
        return self.spool.folder if self.spool is not None and self.spool.folder else "memory"

    def remaining(self) -> int:
        """Entries that the server has not confirmed."""
        return len(self.queue) + len(self._full) + (self.spool.left if self.spool is not None else 0)

    def is_idle(self) -> bool:
        """Is everything delivered that can be?"""
        courier = self.courier
        if self.queue or self._full or self._draining or courier.chores:
            return False
        halted = courier.delivery is not None and courier.delivery.halted is not None
        return not courier.busy and (self.spool is None or not self.spool.left or halted)

    def flush(self, timeout: float) -> bool:
        """Wait until everything is delivered, at most so many seconds.  Takes no lock of the sender: a signal handler may call it."""
        if self._pid != os.getpid():
            return True
        courier = self.courier
        if self._thread is None and self.spool is None and not self.queue and not self._full:
            return True
        deadline = time.monotonic() + timeout
        courier.hurry = True
        courier.try_now()
        try:
            while time.monotonic() < deadline and self._thread is not None and self._thread.is_alive():
                self.wake()
                courier.wake()
                if self.is_idle() or (not courier.is_alive() and not self.queue):
                    break
                time.sleep(0.005)
            self.drain(timeout=1.0)
        finally:
            courier.hurry = False
        return self.remaining() == 0

    def stop(self) -> None:
        """After flush(): end the threads; remove what is empty."""
        self._stopped = True
        self.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        ended = self.courier.stop()
        if self._lock.acquire(timeout=1.0):
            try:
                if self.spool is not None and ended and (thread is None or not thread.is_alive()):
                    self.spool.finish()
            finally:
                self._lock.release()

    def after_fork(self) -> None:
        """In the child: the queue and the session are the parent's; this process begins its own with the first record."""
        if self.spool is not None:
            self.spool.abandon()
        self.queue.clear()
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
