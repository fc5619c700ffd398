"""POSTs that wait for the disk: briefly, long, and with nobody left to be answered.

The writer is held up as another process would: by the lock that whoever commits must hold (byte 1 of the lock file).
"""
import contextlib
import fcntl
import re
import socket
import struct
import threading
import time

from tally_server import ApiTest, wait_until

OFD_SETLK = 37
CONNECTIONS = 600  # more than are parked


class Waiting(ApiTest):
    @contextlib.contextmanager
    def disk_held(self):
        def lock(file, kind):
            fcntl.fcntl(file, OFD_SETLK, struct.pack("hhqqi4x", kind, 0, 1, 1, 0))
        with open(self.server.db + ".lock", "r+b") as file:
            def take():
                with contextlib.suppress(BlockingIOError):
                    lock(file, fcntl.F_WRLCK)
                    return True
                return False
            wait_until(take, what="the lock")
            try:
                yield
            finally:
                lock(file, fcntl.F_UNLCK)

    def open_requests(self):
        return int(re.search(r"^tally_requests_open (\d+)", self.server.get("/metrics").text, re.M).group(1))

    def post(self, run, step):
        body = b'{"stage":"train","epoch":0,"step":%d,"correct":1,"total":2}' % step
        s = socket.create_connection(("127.0.0.1", self.server.port))
        s.sendall(b"POST /api/v1/runs/%s/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n%s" % (run.encode(), len(body), body))
        return s

    def reset(self, s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def batches(self, run):
        return self.server.get("/api/v1/runs/%s" % run).json()["series"][0]["batches"]

    def test_each_is_answered_once_the_disk_is_there_again(self):
        for seconds in (0.02, 0.5):
            with self.subTest(seconds=seconds):
                run = "held-%d" % (1000 * seconds)
                with self.disk_held():
                    sockets = [self.post(run, i) for i in range(CONNECTIONS)]
                    time.sleep(seconds)
                    self.assertEqual(self.server.get("/healthz").status, 200)
                for s in sockets:
                    s.settimeout(10)
                    self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200 "))
                    s.close()
                self.assertEqual(self.batches(run), CONNECTIONS)

    def test_a_second_request_behind_one_that_waits_is_answered_after_it(self):
        with self.disk_held():
            s = self.post("behind", 0)
            for step in (1, 2):
                time.sleep(0.1)
                body = b'{"stage":"train","epoch":0,"step":%d,"correct":1,"total":2}' % step
                s.sendall(b"POST /api/v1/runs/behind/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        s.settimeout(10)
        answer = b""
        while answer.count(b'{"accepted":1') < 3:
            answer += s.recv(4096)
        s.close()
        self.assertEqual(answer.count(b"HTTP/1.1 200 "), 3)
        self.assertEqual(self.batches("behind"), 3)

    def test_what_nobody_waits_for_any_more_is_stored_and_forgotten(self):
        for seconds in (0, 0.01, 0.2):
            with self.subTest(seconds=seconds):
                run = "gone-%d" % (1000 * seconds)
                with self.disk_held():
                    sockets = [self.post(run, i) for i in range(CONNECTIONS)]
                    wait_until(lambda: self.open_requests() == CONNECTIONS + 1, what="the arrival of all")
                    time.sleep(seconds)
                    for s in sockets:
                        self.reset(s)
                    self.assertEqual(self.server.get("/healthz").status, 200)
                wait_until(lambda: self.open_requests() == 1, what="the end of all")
                self.assertEqual(self.batches(run), CONNECTIONS)

    def test_some_go_while_others_come(self):
        stop = threading.Event()

        def come_and_go(rank):
            step = 0
            while not stop.is_set():
                for s in [self.post("coming-%d" % rank, step + i) for i in range(20)]:
                    self.reset(s)
                step += 20

        threads = [threading.Thread(target=come_and_go, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        try:
            for i in range(200):
                s = self.post("staying", i)
                s.settimeout(10)
                self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200 "))
                s.close()
        finally:
            stop.set()
            for t in threads:
                t.join()
        wait_until(lambda: self.open_requests() == 1, what="the end of all")
        self.assertEqual(self.batches("staying"), 200)
