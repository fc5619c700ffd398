"""Tokens, scopes, hosts, origins, the login cookie; every route of the API document is walked."""
import os
import re
import stat
import time
import unittest

import openapi
from tally_server import ApiTest, TallyServer, run_tally

RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}
RANK = {"open": 0, "public": 0, "read": 1, "write": 2, "admin": 3}


class Tokens(ApiTest):
    """On loopback, tokens are asked for once --allow-host says that a proxy may stand in front."""
    options = ("--allow-host", "tally.example", "--limit", "auth_failures_per_min=0")

    @classmethod
    def setUpClass(cls):
        server = cls.server = TallyServer(*cls.options)
        cls.tokens = {scope: server.create_token(scope) for scope in ("read", "write", "admin")}
        server.start()
        server.log_batches("r1", RECORD, token=cls.tokens["write"])
        cls.page_file = re.search(r'"/?(assets/[^"]+)"', server.request("GET", "/").text).group(1)

    def call(self, method, path, token=False, **headers):
        real = path.replace("{run}", "r1").replace("/assets/{tail}", "/" + self.page_file)
        body = {"PUT": {}, "PATCH": {}, "POST": RECORD}.get(method)
        if real.endswith("/rewind"):
            body = {"epoch": 9, "step": 0}
        if real.endswith("/login"):
            body = None
        return self.server.request(method, real, body=body, token=token, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def walk(self, **more):
        """Every operation but those that would take the ground from under the next: (method, path, needed scope)."""
        for (method, path), operation in sorted(openapi.operations().items()):
            self.assertIn(operation["scope"], RANK, (method, path))
            yield method, path, operation["scope"]

    def test_without_a_token_only_what_is_public_answers(self):
        for method, path, scope in self.walk():
            answer = self.call(method, path)
            if path == "/api/v1/login" and method == "POST":
                self.assert_problem(answer, 401, "unauthorized")
            elif RANK[scope]:
                self.assert_problem(answer, 401, "unauthorized")
                self.assertTrue(answer.headers.get("www-authenticate", "").startswith("Bearer"), (method, path, answer.headers))
            else:
                self.assertLess(answer.status, 300, (method, path, answer))

    def test_a_wrong_token_opens_nothing(self):
        good = self.tokens["admin"]
        for wrong in ("nonsense", good[:-1], good + "x", good[:-1] + ("a" if good[-1] != "a" else "b"), good.swapcase(), "x" * 5000):
            for method, path, scope in self.walk():
                if RANK[scope]:
                    self.assertIn(self.call(method, path, token=wrong).status, (401, 431, 400), (method, path))
        for header in ("Basic " + good, good, "Bearer", "Bearer ", "bearer" + good, "Bearer " + good + " x"):
            self.assert_problem(self.server.request("GET", "/api/v1/runs", headers={"Authorization": header}), 401)

    def test_each_scope_opens_what_it_names(self):
        for has in ("read", "write"):
            for method, path, needs in self.walk():
                if path == "/api/v1/login":
                    continue
                if RANK[has] < RANK[needs]:
                    self.assert_problem(self.call(method, path, token=self.tokens[has]), 403, "forbidden")
                elif method in ("GET", "HEAD"):
                    lacks = path.endswith(("/confusion", "/classes", "/curves", "/calibration", "/compare"))  # of totals; runs to compare
                    self.assertEqual(self.call(method, path, token=self.tokens[has]).status, 422 if lacks else 200, (has, method, path))
        for method, path, needs in self.walk():
            if path != "/api/v1/login" and method != "DELETE":
                self.assertNotIn(self.call(method, path, token=self.tokens["admin"]).status, (401, 403), (method, path))
        answer = self.server.request("DELETE", "/api/v1/runs/r1", token=self.tokens["admin"])
        self.assertEqual(answer.status, 204)
        self.server.log_batches("r1", RECORD, token=self.tokens["write"])

    def test_a_refused_write_stores_nothing(self):
        for token in (False, "nonsense", self.tokens["read"]):
            run = self.new_run()
            self.assertIn(self.server.log_batches(run, RECORD, token=token).status, (401, 403))
            self.assertEqual(self.server.request("GET", self.path(run), token=self.tokens["read"]).status, 404)

    def test_hosts(self):
        for host in ("localhost", "localhost:%d" % self.server.port, "127.0.0.1", "127.0.0.1:%d" % self.server.port, "[::1]", "[::1]:%d" % self.server.port, "tally.example", "TALLY.example"):
            self.assertEqual(self.server.request("GET", "/api/v1/runs", token=self.tokens["read"], headers={"Host": host}).status, 200, host)
        for host in ("evil.example", "localhost.evil.example", "tally.example.evil", "xtally.example", "127.0.0.1.evil", "127.0.0.2", "", "localhost:x", "localhost@evil", "evil/localhost"):
            answer = self.server.request("GET", "/api/v1/runs", token=self.tokens["read"], headers={"Host": host})
            self.assertIn(answer.status, (400, 403), host)
            if answer.status == 403:
                self.assert_problem(answer, 403, "host-not-allowed")
        self.assertEqual(self.server.request("GET", "/healthz", headers={"Host": "10.0.0.1"}).status, 200)
        self.assertEqual(self.server.request("GET", "/readyz", headers={"Host": "10.0.0.1"}).status, 200)
        self.assert_problem(self.server.request("GET", "/", headers={"Host": "evil.example"}), 403, "host-not-allowed")

    def test_origins(self):
        own = "http://127.0.0.1:%d" % self.server.port
        for method in ("GET", "POST"):
            path = "/api/v1/runs" if method == "GET" else "/api/v1/runs/r1/batches"
            body = None if method == "GET" else RECORD
            self.assertEqual(self.server.request(method, path, body=body, token=self.tokens["write"], headers={"Origin": own, "Host": own[7:]}).status, 200)
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://evil.example:%d" % self.server.port, "file://"):
                answer = self.server.request(method, path, body=body, token=self.tokens["write"], headers={"Origin": origin})
                self.assert_problem(answer, 403, "origin-not-allowed")
        answer = self.server.request("GET", "/api/v1/runs", token=self.tokens["read"])
        self.assertFalse([h for h in answer.headers if h.startswith("access-control-")])

    def test_the_cookie_reads_and_never_writes(self):
        answer = self.server.request("POST", "/api/v1/login", body={"token": self.tokens["write"]})
        self.assertEqual(answer.status, 204, answer)
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(part, cookie)
        self.assertNotIn(self.tokens["write"], cookie)
        sent = {"Cookie": "other=1; " + cookie.split(";")[0]}
        self.assertEqual(self.server.request("GET", "/api/v1/runs", headers=sent).status, 200)
        for method, path, scope in self.walk():
            if RANK[scope] >= 2:
                self.assertIn(self.call(method, path, **sent).status, (401, 403), (method, path))
        self.assertEqual(self.server.request("DELETE", "/api/v1/login", headers=sent).status, 204)
        self.assert_problem(self.server.request("GET", "/api/v1/runs", headers=sent), 401)
        again = self.server.request("POST", "/api/v1/login", token=self.tokens["read"])
        self.assertEqual(again.status, 204, again)
        for wrong in ("", "x", "x=" + "a" * 64, cookie.split(";")[0][:-2]):
            self.assert_problem(self.server.request("GET", "/api/v1/runs", headers={"Cookie": wrong}), 401)
        self.assert_problem(self.server.request("POST", "/api/v1/login", body={"token": "wrong"}), 401, "unauthorized")

    def test_a_revoked_token_is_refused_at_once(self):
        token = self.server.create_token("read")
        self.assertEqual(self.server.request("GET", "/api/v1/runs", token=token).status, 200)
        code, listed, _ = run_tally("token", "list", "--db", self.server.db)
        self.assertEqual(code, 0)
        self.assertNotIn(token, listed)
        number = max(int(n) for n in re.findall(r"(?m)^\s*(\d+)\b", listed))
        code, out, err = run_tally("token", "revoke", "--db", self.server.db, str(number))
        self.assertEqual(code, 0, out + err)
        deadline = time.monotonic() + 10
        while self.server.request("GET", "/api/v1/runs", token=token).status == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assert_problem(self.server.request("GET", "/api/v1/runs", token=token), 401)
        self.assertNotEqual(run_tally("token", "revoke", "--db", self.server.db, "999999")[0], 0)


class CommandLine(unittest.TestCase):
    def test_other_addresses_need_a_token_or_the_spelt_out_option(self):
        with TallyServer() as server:
            db = server.db
            server.stop()
            for address in ("0.0.0.0:0", "[::]:0"):
                code, out, err = run_tally("serve", "--db", db, "--listen", address)
                self.assertNotEqual(code, 0, out)
                self.assertIn("token", err + out)
            server.listen, server.options = "0.0.0.0:0", ["--insecure-no-auth"]
            server.start()
            self.assertEqual(server.get("/api/v1/runs").status, 200)
            self.assertEqual(server.stop(), 0)
            token = server.create_token("read")
            server.options = []
            server.start()
            self.assertEqual(server.get("/api/v1/runs").status, 401)
            self.assertEqual(server.get("/api/v1/runs", token=token).status, 200)

    def test_a_token_text_may_come_from_a_file(self):
        with TallyServer() as server:
            path = os.path.join(server.folder, "secret")
            with open(path, "w", encoding="ascii") as f:
                f.write("s3cret-of-at-least-thirty-two-characters\n")
            for expected in (0, 0):
                code, out, err = run_tally("token", "create", "--db", server.db, "--scope", "write", "--token-file", path, "--if-missing")
                self.assertEqual(code, expected, out + err)
            server.stop()
            server.options = ["--allow-host", "x.example"]
            server.start()
            self.assertEqual(server.get("/api/v1/runs", token="s3cret-of-at-least-thirty-two-characters").status, 200)
            self.assertEqual(server.get("/api/v1/runs").status, 401)

    def test_the_database_is_private_and_locked(self):
        with TallyServer() as server:
            self.assertEqual(stat.S_IMODE(os.stat(server.db).st_mode), 0o600)
            code, out, err = run_tally("serve", "--db", server.db, "--listen", "127.0.0.1:0")
            self.assertNotEqual(code, 0, out)
            self.assertTrue(err + out)
            self.assertEqual(server.get("/healthz").status, 200)

    def test_tokens_are_not_stored(self):
        with TallyServer() as server:
            token = server.create_token("admin")
            server.stop()
            for name in os.listdir(server.folder):
                with open(os.path.join(server.folder, name), "rb") as f:
                    self.assertNotIn(token.encode(), f.read(), name)

    def test_options_are_checked(self):
        for arguments in (["serve", "--nonsense"], ["serve", "--limit", "body_bytes"], ["serve", "--limit", "nothing=1"], ["serve", "--limit", "points=-1"], ["serve", "--listen", "nowhere"],
                          ["serve", "--durability", "some"], ["nonsense"], ["token", "create", "--scope", "all"], ["serve", "--db", "/nonexistent/x/tally.db"]):
            code, out, err = run_tally(*arguments)
            self.assertNotEqual(code, 0, arguments)
            self.assertTrue(err, arguments)
        for arguments in (["help"], ["version"], ["--help"], ["--version"]):
            code, out, err = run_tally(*arguments)
            self.assertEqual((code, err), (0, ""), arguments)
            self.assertTrue(out)

    def test_options_come_from_the_environment_too(self):
        server = TallyServer("--limit", "classes=9", env={"TALLY_LIMIT": "points=77", "TALLY_DURABILITY": "normal"})
        with server:
            limits = server.get("/api/v1/limits").json()
            self.assertEqual((limits["points"], limits["classes"]), (77, 9))

    def test_a_file_that_is_no_database_is_left_alone(self):
        with TallyServer() as server:
            server.stop()
            path = os.path.join(server.folder, "notes.txt")
            with open(path, "w", encoding="ascii") as f:
                f.write("these are my notes\n" * 100)
            code, _, err = run_tally("serve", "--db", path, "--listen", "127.0.0.1:0")
            self.assertNotEqual(code, 0)
            self.assertTrue(err)
            with open(path, encoding="ascii") as f:
                self.assertEqual(f.read(), "these are my notes\n" * 100)


if __name__ == "__main__":
    unittest.main()
