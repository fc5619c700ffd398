"""Slow clients beside honest ones: headers and bodies a byte at a time, connections that say nothing, answers that nobody reads.
The honest ones must not feel them, and each slow one is cut a second after its deadline at the latest.

SLOW is their number.  From 1,000 on the limits are the server's own (10 s for a header, 30 s for a request), and it is waited until
those that read no answers are cut too (a minute and a half); below, the limits are short.
"""
import heapq
import http.client
import json
import multiprocessing
import os
import random
import resource
import select
import socket
import sys
import time
import unittest

from faults import FaultTest, size_of

SLOW = size_of("SLOW", 300)
IS_LONG = SLOW >= 1000
HEADER_S, REQUEST_S = (10, 30) if IS_LONG else (2, 4)
DRIP_S = 1.0 if IS_LONG else 0.3
SEND_S, SEND_RATE = 60, 16 * 1024  # of an answer: the server's own
FILL_S = 15  # until so many sockets are full
UNREAD = 200  # answers asked for and not read: more than the sockets of both sides hold
LATE_S = 1.0
HONEST, HONEST_PAUSE_S = 4, 0.01
HONEST_P99_S = 0.05 if IS_LONG else 0.2  # the short form runs beside other things

RECORD = b'{"stage":"train","epoch":0,"step":0,"correct":1,"total":2}'
HEAD = b"POST /api/v1/runs/slow/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def honest(port, seconds, rank, out):
    """Post and ask as a training job does; the latencies, in seconds."""
    took, step, failures = [], 0, 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        if step % 4 == 3:
            connection.request("GET", "/api/v1/runs/honest/epochs?stage=train&metric=accuracy&mean_of_steps=false")
        else:
            body = json.dumps({"stage": "train", "epoch": 0, "step": step, "rank": rank, "correct": 27, "total": 32})
            connection.request("POST", "/api/v1/runs/honest/batches", body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        took.append(time.monotonic() - start)
        failures += answer.status != 200
        step += 1
        time.sleep(HONEST_PAUSE_S)
    connection.close()
    out.put((took, failures))


class Crowd:
    """Honest clients, each a process of its own."""

    def __init__(self, port, seconds, first_rank):
        spawn = multiprocessing.get_context("spawn")  # a fork would hold the slow connections open too
        self.out = spawn.Queue()
        self.all = [spawn.Process(target=honest, args=(port, seconds, first_rank + i, self.out)) for i in range(HONEST)]
        for p in self.all:
            p.start()

    def result(self):
        took, failures = [], 0
        for _ in self.all:
            more, failed = self.out.get(timeout=600)
            took += more
            failures += failed
        for p in self.all:
            p.join()
        took.sort()
        return took, failures


def percentile(took, p):
    return took[min(len(took) - 1, int(len(took) * p))]


class Slow:
    """One slow connection."""

    def __init__(self, port, kind):
        self.kind, self.cut_s, self.sent = kind, None, 0
        self.socket = socket.socket()
        if kind == "unread":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.opened = time.monotonic()
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        if kind == "unread":
            self.bytes, self.limit_s = b"", SEND_S + FILL_S
            self.say(b"GET /api/v1/openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n" * UNREAD)
        elif kind == "silent":
            self.bytes, self.limit_s = b"", HEADER_S
        elif kind == "header":
            self.bytes, self.limit_s = b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\n", HEADER_S
        elif kind == "late header":  # the request line is there at once
            self.bytes, self.limit_s = b"X-Long: " + b"a" * 4000, HEADER_S
            self.say(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        elif kind == "body":
            self.bytes, self.limit_s = RECORD * 100, REQUEST_S
            self.say(HEAD + b"Content-Length: 100000\r\n\r\n")
        elif kind == "chunks":
            self.bytes, self.limit_s = b"1\r\n{\r\n" + b"1\r\n \r\n" * 1000, REQUEST_S
            self.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")

    def say(self, data):
        try:
            self.socket.send(data)
        except OSError:
            pass  # it is cut; reading says so

    def drip(self):
        self.say(self.bytes[self.sent:self.sent + 1])
        self.sent += 1


class SlowClients(FaultTest):
    KINDS = ("header", "header", "late header", "silent", "body", "body", "chunks", "unread")

    def open_all(self, port, rng):
        out = {}
        for i in range(SLOW):
            slow = Slow(port, self.KINDS[i % len(self.KINDS)])
            out[slow.socket.fileno()] = slow
        return out

    def drive(self, all_slow, rng, seconds):
        """Drip until all are cut that shall be, at most so long."""
        poll, end = select.epoll(), time.monotonic() + seconds
        due = [(time.monotonic() + rng.random() * DRIP_S, fd) for fd, s in all_slow.items() if s.bytes]
        heapq.heapify(due)
        for fd, s in all_slow.items():  # nobody reads an answer that is not to be read: only its end is looked for
            poll.register(fd, select.EPOLLHUP | select.EPOLLRDHUP if s.kind == "unread" else select.EPOLLIN | select.EPOLLRDHUP)
        waiting = {fd for fd, s in all_slow.items() if IS_LONG or s.kind != "unread"}
        while waiting and time.monotonic() < end:
            for fd, _ in poll.poll(min(0.05, max(0.0, due[0][0] - time.monotonic())) if due else 0.05):
                if self.is_over(all_slow[fd]):
                    all_slow[fd].cut_s = time.monotonic() - all_slow[fd].opened
                    poll.unregister(fd)
                    waiting.discard(fd)
            now = time.monotonic()
            while due and due[0][0] <= now:
                _, fd = heapq.heappop(due)
                if all_slow[fd].cut_s is None:
                    all_slow[fd].drip()
                    heapq.heappush(due, (now + DRIP_S, fd))
        poll.close()
        return waiting

    @staticmethod
    def is_over(slow):
        if slow.kind == "unread":
            return True
        try:
            return slow.socket.recv(65536) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def test_slow_clients_are_cut_and_honest_ones_do_not_feel_them(self):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        need = SLOW + 200
        if files[0] < need:  # root may raise the hard limit too
            resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(files[1], need)))
        rng, answer_bytes = random.Random(SLOW), 0
        server = self.server()
        server.options = ["--limit", "header_deadline_s=%d" % HEADER_S, "--limit", "request_deadline_s=%d" % REQUEST_S]
        seconds = REQUEST_S + 2
        with server:
            answer_bytes = len(server.get("/api/v1/openapi.yaml").body)
            alone, _ = Crowd(server.port, 2, 0).result()
            all_slow = self.open_all(server.port, rng)
            crowd = Crowd(server.port, seconds, HONEST)
            uncut = self.drive(all_slow, rng, SEND_S + answer_bytes / SEND_RATE + 30 if IS_LONG else seconds + 5)
            took, failures = crowd.result()
            rss = rss_mib(server.process.pid)
            for slow in all_slow.values():
                slow.socket.close()
            self.assertEqual(server.get("/healthz").status, 200)
        late = [s.cut_s - s.limit_s - (answer_bytes / SEND_RATE if s.kind == "unread" else 0) for s in all_slow.values() if s.cut_s is not None]
        print("slow: %d connections, %d cut, the latest %.2f s after its deadline; honest p99 %.1f ms (alone %.1f ms), max %.0f ms of %d requests; RSS %d MiB"
              % (SLOW, len(late), max(late), percentile(took, 0.99) * 1e3, percentile(alone, 0.99) * 1e3, took[-1] * 1e3, len(took), rss), file=sys.stderr)
        self.assertEqual(failures, 0)
        self.assertEqual(len(uncut), 0, "never cut: %s" % sorted({all_slow[fd].kind for fd in uncut}))
        for s in all_slow.values():
            if s.cut_s is not None and s.kind != "unread":
                self.assertLess(s.cut_s, s.limit_s + LATE_S, s.kind)
                self.assertGreater(s.cut_s, s.limit_s - 0.1, s.kind)
            elif s.cut_s is not None:  # its socket takes a few answers first
                self.assertLess(s.cut_s, s.limit_s + answer_bytes / SEND_RATE + LATE_S)
        # a machine that is busy with other things is slow for everybody
        self.assertLess(percentile(took, 0.99), HONEST_P99_S if IS_LONG else max(HONEST_P99_S, 3 * percentile(alone, 0.99)))


def rss_mib(pid):
    with open("/proc/%d/statm" % pid, encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2 ** 20


if __name__ == "__main__":
    unittest.main()
