"""Hostile requests over raw sockets, each with the one answer that it gets, and what happens to the request behind it.

What smuggling is made of (two lengths, codings, NUL, folded lines) is in test_framing.py; here is the rest.
"""
import unittest

from tally_server import ApiTest
from test_framing import BODY, SECOND, chunked, post, statuses


def get(path, *headers, method=b"GET", version=b"HTTP/1.1", host=b"Host: localhost"):
    return b"\r\n".join([method + b" " + path + b" " + version, host, *headers]) + b"\r\n\r\n"


LAST = SECOND[:-2] + b"Connection: close\r\n\r\n"


class Hostile(ApiTest):
    def table(self, rows):
        for label, data, want in rows:
            with self.subTest(label):
                answer = self.server.raw(data + LAST, timeout=2)
                self.assertEqual(statuses(answer), want, answer[:600])
                for part in answer.split(b"HTTP/1.1 ")[1:]:
                    self.assertFalse(part.startswith((b"500", b"502")), part[:300])
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_arguments(self):
        runs = b"/api/v1/runs?"
        self.table([
            ("2,000 arguments", get(runs + b"&".join(b"a%d=1" % i for i in range(2000))), [414]),
            ("2,000 short ones", get(runs + b"&".join([b"a"] * 2000)), [422, 200]),
            ("65 arguments", get(runs + b"&".join(b"a%d=1" % i for i in range(65))), [422, 200]),
            ("one again", get(runs + b"q=a&q=b"), [422, 200]),
            ("one again, escaped", get(runs + b"q=a&%71=b"), [422, 200]),
            ("an escaped NUL", get(runs + b"q=%00"), [422, 200]),
            ("not UTF-8", get(runs + b"q=%ff%fe"), [422, 200]),
            ("an overlong slash", get(runs + b"q=%c0%af"), [422, 200]),
            ("a surrogate", get(runs + b"q=%ed%a0%80"), [422, 200]),
            ("half an escape", get(runs + b"q=%4"), [422, 200]),
        ])

    def test_paths(self):
        self.table([
            ("up from the assets", get(b"/assets/../../etc/passwd"), [404, 200]),
            ("escaped dots", get(b"/assets/%2e%2e/%2e%2e/etc/passwd"), [404, 200]),
            ("escaped slashes", get(b"/assets/..%2f..%2fetc%2fpasswd"), [404, 200]),
            ("escaped twice", get(b"/assets/%252e%252e/etc/passwd"), [404, 200]),
            ("the other slash", get(b"/assets/..\\..\\etc\\passwd"), [404, 200]),
            ("up from a run", get(b"/api/v1/runs/../../healthz"), [404, 200]),
            ("a run called ..", post("x", line=b"POST /api/v1/runs/../batches HTTP/1.1"), [422, 200]),
            ("two slashes", get(b"//api/v1/runs"), [404, 200]),
            ("an escaped NUL", get(b"/api/v1/runs/a%00b"), [400]),
            ("no hexadecimal", get(b"/api/v1/runs/%zz"), [400]),
            ("half an escape", get(b"/api/v1/runs/%4"), [400]),
            ("eight bits", get(b"/api/v1/runs/\xff\xfe"), [400]),
            ("a fragment", get(b"/healthz#x"), [400]),
            ("no slash", get(b"healthz"), [400]),
            ("a star", get(b"*"), [400]),
            ("another server's", get(b"http://evil.example/healthz"), [400]),
            ("a blank", get(b"/health z"), [400]),
            ("two blanks", get(b" /healthz"), [400]),
            ("a NUL", get(b"/healthz\x00"), [400]),
        ])

    def test_methods_and_versions(self):
        self.table([
            ("CONNECT", get(b"evil.example:443", method=b"CONNECT"), [405, 200]),
            ("OPTIONS *", get(b"*", method=b"OPTIONS"), [405, 200]),
            ("an endless one", get(b"/healthz", method=b"A" * 5000), [501, 200]),
            ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
            ("an upgrade is not taken", get(b"/healthz", b"Connection: Upgrade", b"Upgrade: h2c"), [200, 200]),
            ("HTTP/1.0 ends the connection", get(b"/healthz", version=b"HTTP/1.0"), [200]),
            ("lines that end with LF", get(b"/healthz").replace(b"\r\n", b"\n"), [400]),
            ("lines that end with CR", get(b"/healthz").replace(b"\r\n", b"\r"), [400]),
        ])

    def test_headers(self):
        runs = b"/api/v1/runs"
        self.table([
            ("two tokens", get(runs, b"Authorization: Bearer a", b"Authorization: Bearer b"), [400]),
            ("two types", post("x", b"Content-Type: text/plain"), [400]),
            ("two encodings", post("x", b"Content-Encoding: gzip", b"Content-Encoding: gzip"), [400]),
            ("two origins", get(runs, b"Origin: http://localhost", b"Origin: http://evil.example"), [400]),
            ("900 cookies", get(runs, *[b"Cookie: a=b"] * 900), [431]),
            ("an escape sequence", get(runs, b"X: \x1b[31m"), [400]),
            ("a byte that no name has", get(runs, b"X\x7f: a"), [400]),
            ("a host of two", get(runs, host=b"Host: localhost, evil.example"), [403, 200]),
            ("a host with a user", get(runs, host=b"Host: localhost@evil.example"), [403, 200]),
            ("no name of a host", get(runs, host=b"Host:"), [403, 200]),
            ("a range is not understood", get(b"/healthz", b"Range: bytes=0-18446744073709551615"), [200, 200]),
        ])

    def test_expect(self):
        run = self.new_run()
        self.table([
            ("as it should be", post(run, b"Expect: 100-continue"), [100, 200, 200]),
            ("something else is ignored", post(run, b"Expect: 200-maybe"), [200, 200]),
            ("without a body to wait for", get(b"/healthz", b"Expect: 100-continue"), [100, 200, 200]),
        ])
        # who waits for the 100 gets it, and who may not send is told so before it sends
        head = post(run, b"Expect: 100-continue", body=b"", length=False, line=b"POST /api/v1/runs/%s/batches HTTP/1.1" % run.encode())
        waiting = head[:-2] + b"Content-Length: %d\r\n\r\n" % len(BODY)
        self.assertEqual(statuses(self.server.raw([waiting, 0.3, BODY], timeout=0.5)), [100, 200])
        huge = head[:-2] + b"Content-Length: 17000000\r\n\r\n"
        self.assertEqual(statuses(self.server.raw(huge, timeout=1)), [413])

    def test_lengths_and_codings(self):
        def length(text):
            return post(self.new_run(), b"Content-Length: " + text, length=False)

        def coding(text, **more):
            return post(self.new_run(), b"Transfer-Encoding: " + text, body=chunked(), length=False, **more)
        self.table([
            ("above the limit", length(b"17000000"), [413]),
            ("2^63", length(b"9223372036854775808"), [413]),
            ("blanks within", length(b"5 5"), [400, 400]),      # one answer, whose header the library repeats in its
            ("nothing", length(b""), [400, 400]),               # body; the connection ends with it
            ("2^64 and this", length(b"%d" % (2 ** 64 + len(BODY))), [413, 413]),
            ("quoted", coding(b'"chunked"'), [400]),
            ("a comma behind", coding(b"chunked,"), [400]),
            ("a vertical tab", coding(b"\x0bchunked"), [400]),
            ("in HTTP/1.0", coding(b"chunked", line=b"POST /api/v1/runs/x/batches HTTP/1.0"), [400]),
            ("chunk size with blanks", post("x", b"Transfer-Encoding: chunked", body=b" 5 \r\nhello\r\n0\r\n\r\n", length=False), [400]),
        ])

    def test_what_looks_like_a_request_in_a_body_is_a_body(self):
        answer = self.server.raw(get(b"/healthz", b"Content-Length: %d" % len(SECOND)) + SECOND + LAST, timeout=2)
        self.assertEqual(statuses(answer), [200, 200])
        trailer = post(self.new_run(), b"Transfer-Encoding: chunked", length=False,
                       body=b"%x\r\n%s\r\n0\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\n" % (len(BODY), BODY))
        self.assertEqual(statuses(self.server.raw(trailer + LAST, timeout=2)), [200], "the connection ends after chunks")

    def test_a_hundred_requests_in_one_packet_are_answered_in_order(self):
        run = self.new_run()
        answer = self.server.raw((post(run) + get(b"/nowhere")) * 50 + get(b"/healthz", b"Connection: close"), timeout=5)
        self.assertEqual(statuses(answer), [200, 404] * 50 + [200])
        self.assertEqual(answer.count(b'"duplicates":1'), 49)


if __name__ == "__main__":
    unittest.main()
