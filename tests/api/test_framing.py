"""What smuggles requests is refused; slow and endless ones are cut; the server never dies of bytes."""
import json
import os
import random
import socket
import time
import unittest

from tally_server import ApiTest, seed_of

BODY = json.dumps({"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}).encode()
SECOND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(run, *headers, body=BODY, length=True, host=b"Host: localhost", line=None):
    lines = [line or b"POST /api/v1/runs/%s/batches HTTP/1.1" % run.encode()]
    if host is not None:
        lines.append(host)
    lines.append(b"Content-Type: application/json")
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines + list(headers)) + b"\r\n\r\n" + body


def chunked(body=BODY):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def statuses(answer):
    return [int(part.split(b" ")[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


class Framing(ApiTest):
    def refused(self, data, label, allowed=(400,), **more):
        """Refused, nothing stored, and the second request on the connection is not answered."""
        answer = self.server.raw(data + SECOND, timeout=3, **more)
        codes = statuses(answer)
        self.assertLessEqual(set(codes), set(allowed), (label, answer))
        self.assertTrue(self.server.is_alive(), label)
        self.assertEqual(self.server.get("/healthz").status, 200, label)

    def test_good_requests_of_every_shape(self):
        for label, make in (("plain", post), ("chunked", lambda r: post(r, b"Transfer-Encoding: chunked", body=chunked(), length=False)),
                            ("chunked in capitals", lambda r: post(r, b"TRANSFER-ENCODING: Chunked", body=chunked(), length=False)),
                            ("many headers", lambda r: post(r, *[b"X-%d: %d" % (i, i) for i in range(50)])),
                            ("connection close", lambda r: post(r, b"Connection: close")), ("expect", lambda r: post(r, b"Expect: 100-continue"))):
            run = self.new_run()
            answer = self.server.raw(make(run) + SECOND, timeout=1)
            self.assertIn(200, statuses(answer), (label, answer))
            self.assertEqual(self.server.get(self.path(run)).status, 200, label)

    def test_two_requests_in_one_packet(self):
        run = self.new_run()
        answer = self.server.raw(post(run) + post(run) + SECOND, timeout=1)
        self.assertEqual(statuses(answer), [200, 200, 200])
        self.assertIn(b'"accepted":1', answer)
        self.assertIn(b'"duplicates":1', answer)

    def test_an_expectation_without_a_body_is_answered_whatever_comes_behind_it(self):
        for path, code in ((b"/healthz", 200), (b"/api/v1/runs", 200), (b"/nothing", 404)):
            odd = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n"
            self.assertEqual(statuses(self.server.raw(odd, timeout=1)), [100, code], path)
            self.assertEqual(statuses(self.server.raw(odd + odd + SECOND, timeout=1)), [100, code, 100, code, 200], path)

    def test_smuggling(self):
        table = {
            "length and chunked": lambda r: post(r, b"Transfer-Encoding: chunked", body=chunked()),
            "two lengths": lambda r: post(r, b"Content-Length: 3"),
            "two equal lengths": lambda r: post(r, b"Content-Length: %d" % len(BODY)),
            "two hosts": lambda r: post(r, b"Host: localhost"),
            "no host": lambda r: post(r, host=None),
            "coding gzip": lambda r: post(r, b"Transfer-Encoding: gzip", body=chunked(), length=False),
            "coding gzip, chunked": lambda r: post(r, b"Transfer-Encoding: gzip, chunked", body=chunked(), length=False),
            "coding identity": lambda r: post(r, b"Transfer-Encoding: identity"),
            "coding xchunked": lambda r: post(r, b"Transfer-Encoding: xchunked", body=chunked(), length=False),
            "two codings": lambda r: post(r, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=chunked(), length=False),
            "blank before the colon": lambda r: post(r, b"Content-Length : %d" % len(BODY), length=False),
            "blank before the coding's colon": lambda r: post(r, b"Transfer-Encoding : chunked", body=chunked(), length=False),
            "blank in a name": lambda r: post(r, b"X Y: 1"),
            "a folded header": lambda r: post(r, b"X-Long: 1\r\n 2"),
            "a folded coding": lambda r: post(r, b"Transfer-Encoding:\r\n chunked", body=chunked(), length=False),
            "a blank first line": lambda r: post(r, host=b" Host: localhost"),
            "NUL in a value": lambda r: post(r, b"X: a\x00b"),
            "NUL in a name": lambda r: post(r, b"X\x00Y: b"),
            "NUL in the host": lambda r: post(r, host=b"Host: localhost\x00.evil"),
            "NUL in the length": lambda r: post(r, b"Content-Length: %d\x001" % len(BODY), length=False),
            "NUL in the path": lambda r: post(r, line=b"POST /api/v1/runs/%s\x00/batches HTTP/1.1" % r.encode()),
            "a bare CR in a value": lambda r: post(r, b"X: a\rb"),
            "a bare LF after a header": lambda r: post(r, b"X: a\nContent-Length: 5"),
            "lengths with a sign": lambda r: post(r, b"Content-Length: +%d" % len(BODY), length=False),
            "negative length": lambda r: post(r, b"Content-Length: -1", length=False),
            "hexadecimal length": lambda r: post(r, b"Content-Length: 0x10", length=False),
            "a list of lengths": lambda r: post(r, b"Content-Length: 5, 5", length=False),
            "huge length": lambda r: post(r, b"Content-Length: 99999999999999999999999", length=False),
            "no colon": lambda r: post(r, b"Nonsense"),
            "an empty name": lambda r: post(r, b": x"),
            "HTTP/2.0": lambda r: post(r, line=b"POST /api/v1/runs/%s/batches HTTP/2.0" % r.encode()),
            "HTTP/1.1x": lambda r: post(r, line=b"POST /api/v1/runs/%s/batches HTTP/1.1x" % r.encode()),
            "no version": lambda r: post(r, line=b"POST /api/v1/runs/%s/batches" % r.encode()),
            "a bad chunk size": lambda r: post(r, b"Transfer-Encoding: chunked", body=b"zz\r\n" + BODY, length=False),
            "a negative chunk size": lambda r: post(r, b"Transfer-Encoding: chunked", body=b"-1\r\n" + BODY, length=False),
            "a chunk that overruns": lambda r: post(r, b"Transfer-Encoding: chunked", body=b"5\r\n" + BODY + b"\r\n0\r\n\r\n", length=False),
            "a chunk size of 2^64": lambda r: post(r, b"Transfer-Encoding: chunked", body=b"10000000000000000\r\n" + BODY, length=False),
        }
        for label, make in table.items():
            with self.subTest(label):
                run = self.new_run()
                self.refused(make(run), label, allowed=(400, 413, 501, 505))
                self.assertEqual(self.server.get(self.path(run)).status, 404, label)

    def test_methods(self):
        for method, want in ((b"BREW", 501), (b"get", 501), (b"PROPFIND", 501), (b"OPTIONS", 405), (b"TRACE", 405)):
            answer = self.server.raw(method + b" /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", timeout=3)
            self.assertEqual(statuses(answer), [want], (method, answer))

    def test_too_long(self):
        answer = self.server.raw(b"GET /api/v1/runs?q=" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", timeout=3)
        self.assertIn(statuses(answer), ([414], [431], [400]), answer[:200])
        answer = self.server.raw(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40000 + b"\r\n\r\n", timeout=3)
        self.assertIn(statuses(answer), ([431], [400], []), answer[:200])
        answer = self.server.raw(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20000 + b"\r\n", timeout=3)
        self.assertIn(statuses(answer), ([431], [400], []), answer[:200])

    def test_an_absolute_target_names_a_host_too(self):
        answer = self.server.raw(b"GET http://evil.example/api/v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", timeout=3)
        self.assertNotEqual(statuses(answer), [200], answer)

    def test_garbage(self):
        rng = random.Random(seed_of("garbage"))
        run = self.new_run()
        for i in range(150):
            data = bytearray(post(run, b"Transfer-Encoding: chunked", body=chunked(), length=False) if i % 2 else post(run))
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(len(data))
                data[at:at + rng.randint(0, 3)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 3)))
            self.server.raw(bytes(data), timeout=0.3, close_write=True)
        for data in (b"", b"\r\n" * 100, os.urandom(5000), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)):
            self.server.raw(data, timeout=0.3, close_write=True)
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_client_that_leaves_in_the_middle(self):
        run = self.new_run()
        whole = post(run)
        for cut in (5, 40, len(whole) - len(BODY), len(whole) - 1):
            self.server.raw(whole[:cut], timeout=0.2)
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.sendall(whole)
        self.assertEqual(self.server.get("/healthz").status, 200)


class Deadlines(ApiTest):
    options = ("--limit", "header_deadline_s=1", "--limit", "request_deadline_s=2")

    def seconds_until_cut(self, first, drip):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=0.25) as s:
            start = time.monotonic()
            s.sendall(first)
            while time.monotonic() - start < 12:
                try:
                    s.sendall(drip)
                    if s.recv(1000) == b"":
                        break
                except socket.timeout:
                    continue
                except OSError:
                    break
            return time.monotonic() - start

    def test_a_slow_header_is_cut(self):
        self.assertLess(self.seconds_until_cut(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"), 6)

    def test_a_slow_body_is_cut(self):
        run = self.new_run()
        self.assertLess(self.seconds_until_cut(post(run)[:-len(BODY)] + BODY[:3], b" "), 8)
        self.assertEqual(self.server.get(self.path(run)).status, 404)


if __name__ == "__main__":
    unittest.main()
