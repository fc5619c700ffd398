"""How entries stand in a file, and how they are read again after a crash.

Entries are one a line: kind, CRC-32 of kind and payload in hex, JSON.  Append only.  A line that is torn or damaged is skipped.
"""
from __future__ import annotations

import os
import re
import zlib
from typing import List, NamedTuple, Optional, Tuple

BATCH, PUT, PATCH, REWIND = b"b", b"u", b"p", b"w"
LINE = re.compile(rb"([bupw])([0-9a-f]{8}) (.*)", re.S)


class Entry(NamedTuple):
    kind: bytes
    payload: bytes  # JSON


class Place(NamedTuple):
    """Just behind an entry: how far sending has come."""
    segment: int  # its first number
    offset: int
    entries: int  # how many were taken since the place before


def frame(entry: Entry) -> bytes:
    return b"%b%08x %b\n" % (entry.kind, zlib.crc32(entry.kind + entry.payload), entry.payload)


def unframe(line: bytes) -> Optional[Entry]:
    found = LINE.match(line)
    if not found or int(found.group(2), 16) != zlib.crc32(found.group(1) + found.group(3)):
        return None
    return Entry(found.group(1), found.group(3))


class Segment:
    """A file, or bytes in memory."""

    def __init__(self, low: int, high: int, path: Optional[str]) -> None:
        self.low, self.high, self.path = low, high, path
        self.memory = bytearray()
        self.size = self.entries = self.level = 0
        self.fd = -1

    def append(self, data: bytes) -> None:
        """All of it or an OSError, after which the file is as it was."""
        if self.path is None:
            self.memory += data
        else:
            if self.fd < 0:
                self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                done = 0
                while done < len(data):
                    done += os.write(self.fd, data[done:])
            except OSError:
                os.ftruncate(self.fd, self.size)
                raise
        self.size += len(data)

    def read(self, offset: int, size: int) -> bytes:
        if self.path is None:
            return bytes(self.memory[offset:offset + size])
        with open(self.path, "rb") as f:
            f.seek(offset)
            return f.read(size)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def remove(self) -> None:
        self.close()
        if self.path is not None:
            remove_file(self.path)


def take(segment: Segment, offset: int, max_entries: int, max_bytes: int, mixed: bool = False) -> Tuple[List[Entry], Place]:
    """Entries from an offset on: batches, or one call; mixed takes them all."""
    size = max_bytes
    while True:
        data = segment.read(offset, size)
        if b"\n" in data or offset + len(data) >= segment.size:
            break
        size *= 2  # one line longer than max_bytes
    entries: List[Entry] = []
    used = n_lines = 0
    *lines, tail = data.split(b"\n")
    for line in lines:
        entry = unframe(line)
        if entry is not None:
            if entries and not mixed and (entry.kind != BATCH or entries[0].kind != BATCH):
                break
            if len(entries) >= max_entries:
                break
            entries.append(entry)
        used += len(line) + 1
        n_lines += 1
    else:
        if tail and offset + len(data) >= segment.size:
            used += len(tail)  # torn by a crash
    return entries, Place(segment.low, offset + used, n_lines)


def remove_file(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
