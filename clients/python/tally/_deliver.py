"""Sending what a spool holds, one portion a call: used by the sender thread and by `tally-client sync`.

Portions are acknowledged from the front only, so a crash at any moment leaves a spool that can be sent again.
"""
from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, Optional

from ._errors import Refused
from ._http import Api
from ._segment import BATCH, PATCH, PUT, REWIND, Entry
from ._spool import Spool

PORTION_RECORDS = 2000
PORTION_BYTES = 1 << 20
CALLS = {PUT: ("PUT", ""), PATCH: ("PATCH", ""), REWIND: ("POST", "/rewind")}


class Delivery:
    """
    on_rejected  called with a problem and what was refused, once for each entry that the server does not take.
    """

    def __init__(self, api: Api, run: str, spool: Spool, lock: Any, project: Optional[str] = None,
                 on_rejected: Optional[Callable[[Refused, Entry], None]] = None) -> None:
        self.api, self.run, self.spool, self.project = api, run, spool, project
        self.halted: Optional[Refused] = None  # the server refuses us, not what we say: nothing more is sent
        self.accepted = self.duplicates = self.stale = self.rejected = self.retries = 0
        self._lock = lock  # around the spool, never held during a request
        self._on_rejected = on_rejected
        self._portion = PORTION_RECORDS

    def step(self) -> bool:
        """Send the next portion.  False: there is none.  Raises Unavailable: nothing was acknowledged."""
        if self.halted is not None:
            return False
        with self._lock:
            entries, place = self.spool.peek(self._portion, PORTION_BYTES)
        if place is None or not entries:
            return False
        try:
            self._send(entries)
            self._portion = min(PORTION_RECORDS, 2 * self._portion)
        except Refused as refused:
            if not refused.is_about_content and not (refused.status == 404 and entries[0].kind != BATCH):
                self.halted = refused
                return False
            if len(entries) > 1:  # find the one: what stands before it is sent first, then it alone
                at = refused.record
                self._portion = at if at and at < len(entries) else 1 if at == 0 else len(entries) // 2
                return True
            self.rejected += 1
            if self._on_rejected is not None:
                self._on_rejected(refused, entries[0])
        with self._lock:
            self.spool.ack(place)
        return True

    def _send(self, entries: List[Entry]) -> None:
        path = "/api/v1/runs/" + self.run
        if entries[0].kind != BATCH:
            method, tail = CALLS[entries[0].kind]
            self.api.call(method, path + tail, entries[0].payload)
            return
        query = "?project=" + self.project if self.project else ""
        answer = self.api.call("POST", path + "/batches" + query, b"\n".join(e.payload for e in entries), "application/x-ndjson")
        self.accepted += int(answer.get("accepted", 0))
        self.duplicates += int(answer.get("duplicates", 0))
        self.stale += int(answer.get("stale", 0))


def write_rejected(path: str, refused: Refused, entry: Entry) -> bool:
    """Add {"problem", "call", "body"} to a file of what was refused."""
    what = "POST batches" if entry.kind == BATCH else " ".join(CALLS[entry.kind])
    line: Dict[str, Any] = {"problem": {"status": refused.status, **refused.problem}, "call": what.strip(), "body": json.loads(entry.payload)}
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as f:
            f.write(json.dumps(line, separators=(",", ":")) + "\n")
    except OSError:
        return False
    return True
