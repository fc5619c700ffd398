"""What every answer says to a browser, and what it never says; what a spreadsheet gets; what the log holds after all that."""
import csv
import io
import json
import os
import re

from tally_server import ApiTest, TallyServer
from test_route_walk import REQUESTS

RECORD = {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [1, 1]]}
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\r=1", "=HYPERLINK(\"http://evil.example\",\"x\")", "\uff1d1+1")


class AnswerHeaders(ApiTest):
    options = ("--allow-host", "tally.example", "--limit", "auth_failures_per_min=0")

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer(*cls.options)
        cls.server.token = cls.server.create_token("admin")
        cls.server.start()
        assert cls.server.log_batches("r", RECORD).status == 200
        cls.page_file = re.search(r'"/?(assets/[^"]+)"', cls.server.get("/").text).group(1)

    def assert_strict(self, answer, where):
        headers = answer.headers
        self.assertEqual(len(headers), len(answer.header_list), "no header comes twice: %s" % (answer.header_list,))
        self.assertEqual(headers.get("x-content-type-options"), "nosniff", where)
        self.assertEqual(headers.get("cross-origin-resource-policy"), "same-origin", where)
        self.assertEqual(headers.get("referrer-policy"), "no-referrer", where)
        policy = headers.get("content-security-policy", "")
        self.assertTrue(policy.startswith("default-src 'none'"), where)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotRegex(policy, r"unsafe|\*|https?:")
        self.assertFalse([h for h in headers if h.startswith("access-control-")], where)
        self.assertEqual(headers["server"], "tally", "no version")

    def test_every_route_good_and_bad(self):
        for (method, path), (extra, _) in sorted(REQUESTS.items()):
            if method == "DELETE" and "{run}" in path:
                continue
            sent = path.replace("{run}", "r").replace("/assets/{tail}", "/" + self.page_file)
            if isinstance(extra, str):
                sent += extra.format(run="r")
            body = extra if isinstance(extra, dict) else None
            for how in ({}, {"token": False}, {"headers": {"Origin": "http://127.0.0.1:%d" % self.server.port, "Host": "127.0.0.1:%d" % self.server.port}}, {"headers": {"Origin": "https://evil.example"}},
                        {"headers": {"Host": "evil.example"}}):
                answer = self.server.request(method, sent, body=body, **how)
                self.assert_strict(answer, (method, sent, how, answer))
                if sent.startswith(("/api/", "/metrics", "/healthz", "/readyz")) or answer.status >= 400:
                    self.assertEqual(answer.headers["cache-control"], "no-store", (method, sent, how))
            for wrong in ("OPTIONS", "TRACE", "PROPFIND", "POST" if method == "GET" and "runs" not in path else "OPTIONS"):
                answer = self.server.request(wrong, sent, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": method})
                self.assertGreaterEqual(answer.status, 400)
                self.assert_strict(answer, (wrong, sent))

    def test_writes_of_other_pages_are_refused(self):
        for site, want in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200), ("nonsense", 403)):
            for method, path, body in (("POST", "/api/v1/runs/r/batches", RECORD), ("PATCH", "/api/v1/runs/r", {})):
                self.assertEqual(self.server.request(method, path, body=body, headers={"Sec-Fetch-Site": site}).status, want, (site, method))
            self.assertEqual(self.server.get("/api/v1/runs", headers={"Sec-Fetch-Site": site}).status, 200, site)
        self.assertEqual(self.server.request("POST", "/api/v1/login", headers={"Sec-Fetch-Site": "cross-site"}).status, 403, "nobody is signed in from elsewhere")

    def test_no_cell_starts_a_formula(self):
        for i, text in enumerate(FORMULAS):
            run = self.new_run("csv")
            self.assertEqual(self.server.put(self.path(run), {"project": "sheets", "name": text, "notes": text, "config": {"k": text, text: "x"}, "tags": [text],
                                                              "stages": {"t": {"class_names": [text, "plain%d" % i]}}}).status, 201)
            self.log_ok(run, RECORD)
            for answer in (self.server.get("/api/v1/runs", project="sheets", columns="config.k,config." + text, format="csv"), self.server.get(self.path(run, "classes"), format="csv"),
                           self.server.get(self.path(run, "confusion"), format="csv"), self.server.get(self.path(run, "epochs"), format="csv", metric="accuracy")):
                if answer.status == 422:  # no such column can be named
                    continue
                self.assertEqual(answer.status, 200, answer)
                self.assertTrue(answer.headers["content-type"].startswith("text/csv"))
                for row in csv.reader(io.StringIO(answer.text, newline="")):
                    for cell in row:
                        self.assertNotIn(cell[:1], tuple("=+-@\t\r\n\uff1d"), answer.text)
                if "classes" not in answer.text:
                    self.assertNotIn("," + text, answer.text)

    def test_the_log_holds_neither_bodies_nor_tokens(self):
        marks = ["b0dy-mark", "query-mark", "header-mark", "cookie-mark", "path-mark", "wr0ng-token"]
        record = json.dumps(dict(RECORD, step=5))
        other = TallyServer("--allow-host", "tally.example", "--limit", "auth_failures_per_min=3")
        other.token = other.create_token("admin")
        with other:
            marks.append(other.token)
            for path in ("/api/v1/runs/path-mark%0a%1b[31m/batches", "/path-mark", "/assets/path-mark%0d%0a", "/api/v1/runs?q=query-mark%0a%22%7d", "/api/v1/runs/r/batches?token=" + other.token):
                for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                    other.request(method, path, body=record.replace('"t"', '"b0dy-mark\\n"'), headers={"X-Mark": "header-mark", "Cookie": "tally_session=cookie-mark"})
            for _ in range(10):
                other.request("GET", "/api/v1/runs", token="wr0ng-token-" + "x" * 30)
                other.request("POST", "/api/v1/login", body={"token": "wr0ng-token-" + "y" * 30}, token=False)
            other.raw(b"GET /path-mark\x1b[31m HTTP/1.1\r\nHost: header-mark\r\n\r\n", timeout=1)
            other.raw(os.urandom(500), timeout=1)
            other.raw(b"POST /api/v1/runs/r/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nb0dy-mark", timeout=1)
            self.assertEqual(other.stop(), 0)
            text = other.log_text()
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertTrue(lines)
        for line in lines:
            self.assertEqual(set(line), {"time", "level", "event", "detail"})
        self.assertRegex(text, r"^[\x20-\x7e\n]*$")
        for mark in marks:
            self.assertNotIn(mark, text)
