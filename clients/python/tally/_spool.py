"""What waits to be sent, on disk: every entry is written here before it is sent, and taken away when the server has it.

A session is one process's folder (see _sessions), and holds
    000001.seg, ...  entries (see _segment)
    000001-000004.seg  the same with neighbouring batches added; it replaces the segments of its range
    acked            how far the server has it: "segment offset"
Entries keep their order.  Where the disk refuses, segments live in memory instead.

Threads: the caller holds a lock of its own around every call.
"""
from __future__ import annotations

import os
import re
import shutil
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._segment import Entry, Place, Segment, frame, remove_file, take
from ._sessions import lock, make_folders, remove_folder, write_meta

SEGMENT_BYTES = 4 << 20
NAME = re.compile(r"(\d{6})(?:-(\d{6}))?\.seg\Z")
FINAL = 99  # the level of a segment that merging cannot make smaller
ACK = b"%06d %012d\n"


class Spool:
    """The entries of one session.

    folder        None: all in memory.
    disk_bytes    shrink() is called for above this,
    memory_bytes  and above this for what is in memory.
    """

    def __init__(self, folder: Optional[str], disk_bytes: int = 256 << 20, memory_bytes: int = 32 << 20) -> None:
        self.folder = folder
        self.disk_bytes, self.memory_bytes = disk_bytes, memory_bytes
        self.segment_bytes = min(SEGMENT_BYTES, max(4096, disk_bytes // 8))
        self.segments: List[Segment] = []
        self.offset = 0  # in segments[0]: what the server has
        self.frozen = 0  # segments up to this number were in a request
        self.left = 0    # entries that are not acknowledged
        self.failure: Optional[OSError] = None  # why a segment is in memory
        self._next = 1
        self._lock_fd = self._ack_fd = -1

    # ---- life cycle ----
    @classmethod
    def create(cls, root: str, meta: Dict[str, Any], session: str, **bounds: int) -> Spool:
        """A new session under root; in memory where it cannot be made."""
        folder = os.path.join(root, meta["run"], session)
        spool = cls(folder, **bounds)
        try:
            make_folders(root, folder)
            spool._lock()
            write_meta(folder, meta)
        except OSError as error:
            spool.failure, spool.folder = error, None
        return spool

    @classmethod
    def open(cls, folder: str) -> Optional[Spool]:
        """A session that another process left.  None while a process still holds it."""
        spool = cls(folder)
        try:
            if not spool._lock():
                return None
            spool._load()
        except OSError:
            spool.close()
            return None
        return spool

    def _lock(self) -> bool:
        assert self.folder is not None
        fd = lock(self.folder)
        self._lock_fd = -1 if fd is None else fd
        return fd is not None

    def _load(self) -> None:
        assert self.folder is not None
        found = []
        for name in os.listdir(self.folder):
            match = NAME.match(name)
            if match:
                found.append((int(match.group(1)), int(match.group(2) or match.group(1)), os.path.join(self.folder, name)))
        acked, offset = self._read_ack()
        for low, high, path in sorted(found):
            replaced = any(a <= low and high <= b and (a, b) != (low, high) for a, b, _ in found)
            if replaced or high < acked:
                remove_file(path)
                continue
            segment = Segment(low, high, path)
            segment.size = os.path.getsize(path)
            if low == acked:
                self.offset = min(offset, segment.size)
            segment.entries = segment.read(self.offset if low == acked else 0, segment.size).count(b"\n")
            self.left += segment.entries
            self.segments.append(segment)
            self._next = high + 1
        self.frozen = self._next

    def _read_ack(self) -> Tuple[int, int]:
        try:
            with open(os.path.join(self.folder or "", "acked"), "rb") as f:
                segment, offset = f.read(64).split()
                return int(segment), int(offset)
        except (OSError, ValueError):
            return 0, 0

    def abandon(self) -> None:
        """After a fork: the session is the parent's."""
        self.close()
        self.segments, self.folder, self.left = [], None, 0

    def close(self) -> None:
        for segment in self.segments:
            segment.close()
        for fd in (self._ack_fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._ack_fd = self._lock_fd = -1

    def finish(self) -> None:
        """Close it, and remove the folder if nothing is left in it."""
        self.close()
        if self.folder is not None and not self.left:
            shutil.rmtree(self.folder, ignore_errors=True)
            remove_folder(os.path.dirname(self.folder))

    # ---- writing ----
    def append(self, entries: List[Entry]) -> None:
        """Never fails: what the disk refuses stays in memory, and failure says why."""
        frames = [frame(entry) for entry in entries]
        start = 0
        while start < len(frames):
            # no segment passes its bound by more than an entry: one that was in a request can never be made smaller
            size, end = 0, start
            while end < len(frames) and end < start + 256 and size < self.segment_bytes:
                size += len(frames[end])
                end += 1
            part, data, start = frames[start:end], b"".join(frames[start:end]), end
            segment = self._writable()
            try:
                segment.append(data)
            except OSError as error:
                segment.close()
                self.failure = error
                segment = self._new_segment(None)
                segment.append(data)
            segment.entries += len(part)
            self.left += len(part)

    def _writable(self) -> Segment:
        last = self.segments[-1] if self.segments else None
        if last is None or last.size >= self.segment_bytes or last.level > 0 or last.low != last.high:
            if last is not None:
                last.close()
            path = None
            if self.folder is not None and self.failure is None:
                path = os.path.join(self.folder, "%06d.seg" % self._next)
            return self._new_segment(path)
        return last

    def _new_segment(self, path: Optional[str]) -> Segment:
        segment = Segment(self._next, self._next, path)
        self._next += 1
        self.segments.append(segment)
        return segment

    # ---- sending ----
    def peek(self, max_entries: int, max_bytes: int) -> Tuple[List[Entry], Optional[Place]]:
        """The next entries, all batches or else one call, and the place behind them.  They count as sent from now on."""
        while self.segments:
            segment = self.segments[0]
            self.frozen = max(self.frozen, segment.high)
            entries, place = take(segment, self.offset, max_entries, max_bytes)
            if entries:
                return entries, place
            if place.offset > self.offset:  # only damaged lines
                self.ack(place)
            elif not self._drop_first():
                return [], None
        return [], None

    def _drop_first(self) -> bool:
        """Forget a segment that is read to its end.  The one that is being written is dropped too: the next starts afresh."""
        segment = self.segments.pop(0)
        self.left = sum(s.entries for s in self.segments)
        self.offset = 0
        segment.remove()
        return True

    def ack(self, place: Place) -> None:
        """The server has all entries before the place."""
        segment = self.segments[0]
        assert segment.low == place.segment
        self.offset = place.offset
        segment.entries -= place.entries
        self.left -= place.entries
        if place.offset >= segment.size:
            self._drop_first()
        elif segment.path is not None:
            try:
                if self._ack_fd < 0:
                    assert self.folder is not None
                    self._ack_fd = os.open(os.path.join(self.folder, "acked"), os.O_WRONLY | os.O_CREAT, 0o600)
                os.lseek(self._ack_fd, 0, os.SEEK_SET)
                os.write(self._ack_fd, ACK % (segment.low, place.offset))
            except OSError:
                pass  # then it is sent again after a crash: duplicates

    # ---- bounds ----
    def is_over(self) -> bool:
        disk = memory = 0
        for segment in self.segments:
            if segment.path is None:
                memory += segment.size
            else:
                disk += segment.size
        return disk > self.disk_bytes or memory > self.memory_bytes

    def shrink(self, merge: Callable[[List[Entry]], List[Entry]]) -> bool:
        """Replace one or two segments that were in no request by their merged entries.  False: nothing gets smaller."""
        free = [s for s in self.segments if s.low > self.frozen and s.level < FINAL]
        if not free:
            return False
        level = min(s.level for s in free)
        at = next(i for i, s in enumerate(self.segments) if s.low > self.frozen and s.level == level)
        chosen = [self.segments[at]]
        if at + 1 < len(self.segments) and self.segments[at + 1].level == level and self.segments[at + 1].path is not None and chosen[0].path is not None:
            chosen.append(self.segments[at + 1])
        before = sum(s.size for s in chosen)
        entries = merge([e for s in chosen for e in take(s, 0, s.size, s.size, mixed=True)[0]])
        merged = Segment(chosen[0].low, chosen[-1].high, None)
        merged.append(b"".join(map(frame, entries)))
        if merged.size > 0.9 * before:
            for segment in chosen:
                segment.level = FINAL
            return True
        merged.entries, merged.level = len(entries), level + 1
        if chosen[0].path is not None:
            try:
                self._store(merged, chosen)
            except OSError as error:
                self.failure = error
                return False
        self.left += len(entries) - sum(s.entries for s in chosen)
        self.segments[at:at + len(chosen)] = [merged]
        return True

    def _store(self, merged: Segment, replaced: List[Segment]) -> None:
        """Put merged on disk in one step: whoever reads the folder finds either it or what it replaces."""
        assert self.folder is not None
        name = "%06d.seg" % merged.low if merged.low == merged.high else "%06d-%06d.seg" % (merged.low, merged.high)
        path = os.path.join(self.folder, name)
        with open(path + ".tmp", "wb") as f:
            f.write(merged.memory)
            f.flush()
            os.fsync(f.fileno())
        for segment in replaced:
            segment.close()
        os.replace(path + ".tmp", path)
        for segment in replaced:
            if segment.path != path:
                segment.remove()
        merged.path, merged.memory = path, bytearray()

    def drop_newest(self) -> int:
        """The last resort where nothing can be added any more: forget the newest segment that was in no request."""
        if not self.segments or self.segments[-1].low <= self.frozen:
            return 0
        segment = self.segments.pop()
        segment.remove()
        self.left -= segment.entries
        return segment.entries
