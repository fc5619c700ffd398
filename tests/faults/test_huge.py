"""A hundred huge bodies at once, of every coding, and bombs among them: each is answered, and the server stays small.

Bodies of 16 MiB (the limit) as one JSON array, as NDJSON, packed, and packed ones that unpack to more than the limit.
HUGE is their number, HUGE_MIB their size.
"""
import collections
import gzip
import json
import os
import socket
import sys
import threading
import time
import unittest

from faults import FaultTest, size_of

HUGE = size_of("HUGE", 100)
HUGE_MIB = size_of("HUGE_MIB", 16)
RSS_MIB = 256
RECORDS = 9000
ANSWER_S = 300
SANITIZED = "address" in os.environ.get("TALLY_BIN", "")  # a sanitizer needs memory of its own


def records(size):
    """Records of about so many bytes together: per-class counts, written wide."""
    each = size // RECORDS
    classes = max(1, (each - 120) // 24)
    counts = ["%7d" % 1] * classes
    out = []
    for step in range(RECORDS):
        out.append('{"stage":"train","epoch":0,"step":%d,"tp":[%s],"fp":[%s],"fn":[%s]}' % (
            step, ",".join(["%7d" % (step + 1)] + counts[1:]), ",".join(counts), ",".join(counts)))
    return out


class Bodies:
    def __init__(self):
        limit = HUGE_MIB << 20
        lines = records(limit - 64 * 1024)
        self.array, self.lines = ("[" + ",".join(lines) + "]").encode(), "\n".join(lines).encode()
        assert limit * 0.8 < len(self.array) <= limit, len(self.array)
        self.packed = gzip.compress(self.array, 1)
        bomb = gzip.compress(bytes(1 << 20), 9)
        self.bomb = bomb * (HUGE_MIB * 10)  # members one after the other
        self.deep = gzip.compress(b"[" * (limit - 10), 9)
        self.full = gzip.compress(b" " * (limit + 1), 9)
        self.over = self.array + b" " * (limit + 1 - len(self.array))
        self.broken = self.array[:-1] + b"}"

    def kinds(self):
        """(name, body, content type, headers, statuses that it may get)"""
        as_json, packed = "application/json", "Content-Encoding: gzip\r\n"
        return (("plain", self.array, as_json, "", {200, 503}), ("lines", self.lines, "application/x-ndjson", "", {200, 503}),
                ("gzip", self.packed, as_json, packed, {200, 503}), ("bomb", self.bomb, as_json, packed, {413, 503}),
                ("plain", self.array, as_json, "", {200, 503}), ("chunked", self.array, as_json, "chunked", {200, 503}),
                ("full gzip", self.full, as_json, packed, {413, 503}), ("too long", self.over, as_json, "", {413}),
                ("deep gzip", self.deep, as_json, packed, {400, 422, 503}), ("broken", self.broken, as_json, "", {400, 503}))


def post(port, run, body, content_type, headers, out, name, allowed):
    chunked = headers == "chunked"
    head = "POST /api/v1/runs/%s/batches HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n%s\r\n" % (
        run, content_type, "Transfer-Encoding: chunked\r\n" if chunked else "Content-Length: %d\r\n%s" % (len(body), headers))
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as s:
        answer = b""
        try:
            s.sendall(head.encode())
            view = memoryview(body)
            for at in range(0, len(body), 1 << 18):
                piece = view[at:at + (1 << 18)]
                s.sendall(b"%x\r\n" % len(piece) + bytes(piece) + b"\r\n" if chunked else piece)
            if chunked:
                s.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was answered before all was sent
        try:
            while True:
                more = s.recv(65536)
                if not more:
                    break
                answer += more
        except (ConnectionResetError, socket.timeout):
            pass
    status = int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else None
    out.append((name, status, status in allowed, answer[:300]))


def memory_mib(pid, key):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        for line in f:
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    raise KeyError(key)


class Huge(FaultTest):
    def test_a_hundred_huge_bodies_at_once_are_answered_within_bounded_memory(self):
        server, bodies, out = self.server(), Bodies(), []
        with server:
            kinds = bodies.kinds()
            before = memory_mib(server.process.pid, "VmRSS")
            start = time.monotonic()
            threads = []
            for i in range(HUGE):
                name, body, content_type, headers, allowed = kinds[i % len(kinds)]
                threads.append(threading.Thread(target=post, args=(server.port, "huge%d" % i, body, content_type, headers, out, name, allowed)))
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            took = time.monotonic() - start
            peak, after = memory_mib(server.process.pid, "VmHWM"), memory_mib(server.process.pid, "VmRSS")
            self.assertEqual(server.get("/healthz").status, 200)
            stored = sum(1 for name, status, _, _ in out if status == 200)
            self.assertEqual(server.get("/api/v1/runs", limit=1).json()["total"], stored)
        counted = collections.Counter((name, status) for name, status, _, _ in out)
        print("huge: %d bodies of %d MiB in %.1f s: %s; RSS before %.0f, at most %.0f, after %.0f MiB" % (
            HUGE, HUGE_MIB, took, ", ".join("%s %s: %d" % (n, s, c) for (n, s), c in sorted(counted.items(), key=str)), before, peak, after), file=sys.stderr)
        self.assertEqual([o for o in out if not o[2]], [])
        self.assertEqual(len(out), HUGE)
        self.assertGreater(stored, 0)
        if not SANITIZED:
            self.assertLess(peak, RSS_MIB)


if __name__ == "__main__":
    unittest.main()
