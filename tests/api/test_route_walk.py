"""Every route with every kind of caller: each gets the one answer that it must, and whoever is refused has changed nothing.

The routes come from the table in server/routes.c and from the API document; one that is new to either fails here until it
is given a request.
"""
import os
import re
import sqlite3
import time

import openapi
from tally_server import ApiTest, TallyServer, run_tally
from test_docs import routes

RECORD = {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]], "scores": {"thresholds": 2, "pos": [[1, 0], [1, 1]], "neg": [[2, 0], [0, 1]]},
          "calibration": {"bins": 1, "count": [3, 0], "confidence": [2, 0], "correct": [2, 0]}}
RANK = {"open": 0, "public": 0, "read": 1, "write": 2, "admin": 3}
SCOPES = ("read", "write", "admin")

# What is sent to each, and what who may gets.  A body that would change something if it were taken.
REQUESTS = {
    ("GET", "/api/v1/runs"): (None, 200),
    ("GET", "/api/v1/runs/{run}"): (None, 200),
    ("PUT", "/api/v1/runs/{run}"): ({"notes": "changed"}, 200),
    ("PATCH", "/api/v1/runs/{run}"): ({"notes": "changed"}, 200),
    ("DELETE", "/api/v1/runs/{run}"): (None, 204),
    ("POST", "/api/v1/runs/{run}/batches"): (dict(RECORD, step=1), 200),
    ("GET", "/api/v1/runs/{run}/batches"): (None, 200),
    ("POST", "/api/v1/runs/{run}/rewind"): ({"epoch": 0, "step": 0, "attempt": "second"}, 200),
    ("GET", "/api/v1/runs/{run}/epochs"): (None, 200),
    ("GET", "/api/v1/runs/{run}/steps"): (None, 200),
    ("GET", "/api/v1/runs/{run}/classes"): (None, 200),
    ("GET", "/api/v1/runs/{run}/confusion"): (None, 200),
    ("GET", "/api/v1/runs/{run}/curves"): (None, 200),
    ("GET", "/api/v1/runs/{run}/calibration"): (None, 200),
    ("GET", "/api/v1/runs/{run}/diagnosis"): (None, 200),
    ("GET", "/api/v1/compare"): ("?runs={run}", 200),
    ("GET", "/api/v1/projects"): (None, 200),
    ("GET", "/api/v1/metrics"): (None, 200),
    ("GET", "/api/v1/limits"): (None, 200),
    ("GET", "/api/v1/openapi.yaml"): (None, 200),
    ("POST", "/api/v1/login"): (None, None),
    ("DELETE", "/api/v1/login"): (None, 204),
    ("POST", "/api/v1/backup"): (None, 201),
    ("GET", "/healthz"): (None, 200),
    ("GET", "/readyz"): (None, 200),
    ("GET", "/metrics"): (None, 200),
    ("GET", "/"): (None, 200),
    ("GET", "/assets/{tail}"): (None, 200),
}


class RouteWalk(ApiTest):
    options = ("--allow-host", "tally.example", "--limit", "auth_failures_per_min=0")

    @classmethod
    def setUpClass(cls):
        server = cls.server = TallyServer(*cls.options)
        cls.tokens = {scope: server.create_token(scope) for scope in SCOPES}
        cls.cats = {scope: server.create_token(scope, "--project", "cats") for scope in SCOPES}
        cls.dogs = {scope: server.create_token(scope, "--project", "dogs") for scope in SCOPES}
        cls.expired = {scope: server.create_token(scope, "--expires", "1s") for scope in SCOPES}
        cls.revoked = {scope: server.create_token(scope, "--name", "to go") for scope in SCOPES}
        _, listed, _ = run_tally("token", "list", "--db", server.db)
        for number in re.findall(r"(?m)^\s*(\d+)\b.*to go$", listed):
            assert run_tally("token", "revoke", "--db", server.db, number)[0] == 0
        server.token = cls.tokens["admin"]
        time.sleep(1.1)
        server.start()
        assert server.post("/api/v1/runs/cat-1/batches", RECORD, query={"project": "cats"}).status == 200
        cls.page_file = re.search(r'"/?(assets/[^"]+)"', server.get("/").text).group(1)
        cls.documented = openapi.operations()

    def walk(self):
        """(method, path as sent, body, needed scope, reach, expected status) of each operation, HEAD too."""
        for (method, path), (extra, status) in sorted(REQUESTS.items()):
            operation = self.documented[method, path]
            sent = path.replace("{run}", "cat-1").replace("/assets/{tail}", "/" + self.page_file)
            body = extra if isinstance(extra, dict) else None
            if isinstance(extra, str):
                sent += extra.format(run="cat-1")
            yield method, sent, body, operation["scope"], operation["reach"], status
            if method == "GET":
                yield "HEAD", sent, None, operation["scope"], operation["reach"], status

    def held(self):
        """Everything that is stored, but for the tokens: row by row, from the database itself."""
        db = sqlite3.connect("file:%s?mode=ro" % self.server.db, uri=True)
        try:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
            self.assertLessEqual({"run", "batch", "rollup", "series", "project"}, set(tables))
            return {table: db.execute('SELECT * FROM "%s"' % table).fetchall() for table in tables if table != "token"}, sorted(os.listdir(self.server.folder))
        finally:
            db.close()

    def refused(self, method, path, body, want, code=None, **how):
        answer = self.server.request(method, path, body=body, **how)
        if method == "HEAD":
            self.assertEqual((answer.status, answer.body), (want, b""), (method, path, how))
        else:
            self.assert_problem(answer, want, code)
        if want == 401:
            self.assertTrue(answer.headers.get("www-authenticate", "").startswith("Bearer"), (method, path, answer.headers))
        return answer

    def test_no_route_is_forgotten(self):
        known = {key for key in routes() if key[0] != "HEAD"}
        self.assertEqual(set(REQUESTS), known, "server/routes.c and REQUESTS")
        self.assertEqual(set(REQUESTS), set(self.documented), "schema/openapi.yaml and REQUESTS")
        for key, (scope, _, reach) in routes().items():
            self.assertEqual((self.documented[key]["scope"], self.documented[key]["reach"]), (scope, reach), key)
            self.assertTrue(scope in ("open", "public") or key[0] == "GET" or RANK[scope] >= 2, "%s %s changes something" % key)

    def test_none_wrong_expired_and_revoked_tokens_open_nothing(self):
        before = self.held()
        good = self.tokens["admin"]
        bad = [False, "nonsense", good[:-1], good + "0", good.upper(), *self.expired.values(), *self.revoked.values()]
        for token in bad:
            for method, path, body, scope, _, status in self.walk():
                if RANK[scope]:
                    self.refused(method, path, body, 401, "unauthorized", token=token)
                elif (method, path) == ("POST", "/api/v1/login"):
                    self.refused(method, path, body, 401, "unauthorized", token=token)
                else:
                    self.assertEqual(self.server.request(method, path, token=token).status, status, (method, path))
        self.assertEqual(self.held(), before)

    def test_a_weaker_token_opens_what_its_scope_names(self):
        before = self.held()
        for has in SCOPES:
            for method, path, body, needs, _, status in self.walk():
                if RANK[has] < RANK[needs]:
                    self.refused(method, path, body, 403, "forbidden", token=self.tokens[has])
                elif RANK[needs] == 1:
                    self.assertEqual(self.server.request(method, path, token=self.tokens[has]).status, status, (has, method, path))
        self.assertEqual(self.held(), before)

    def test_a_token_of_another_project_finds_nothing(self):
        before = self.held()
        for scope in SCOPES:
            for method, path, body, needs, reach, status in self.walk():
                if RANK[scope] < max(1, RANK[needs]) or RANK[needs] == 0:
                    continue
                if reach == "server":
                    self.refused(method, path, body, 403, "forbidden", token=self.dogs[scope])
                elif "cat-1" not in path:
                    answer = self.server.request(method, path, body=body, token=self.dogs[scope])
                    self.assertEqual(answer.status, status, (method, path))
                    self.assertNotIn(b"cat-1", answer.body)
                elif method == "PUT" or path.endswith("/batches") and method == "POST":
                    self.refused(method, path, body, 403, "forbidden", token=self.dogs[scope])
                else:
                    self.refused(method, path, body, 404, "unknown-run", token=self.dogs[scope])
        self.assertEqual(self.held(), before)

    def test_a_cookie_never_writes(self):
        for tokens in (self.tokens, self.cats):
            for has in SCOPES:
                answer = self.server.request("POST", "/api/v1/login", token=tokens[has])
                self.assertEqual(answer.status, 204, answer)
                cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
                before = self.held()
                for method, path, body, needs, reach, status in self.walk():
                    if RANK[needs] >= 2:
                        self.refused(method, path, body, 401, "unauthorized", token=False, headers=cookie)
                    elif RANK[needs] == 1 and reach == "server" and tokens is self.cats:
                        self.refused(method, path, body, 403, "forbidden", token=False, headers=cookie)
                    elif RANK[needs] == 1:
                        self.assertEqual(self.server.request(method, path, token=False, headers=cookie).status, status, (method, path))
                self.assertEqual(self.held(), before)

    def test_a_token_comes_once_and_in_its_header_alone(self):
        before = self.held()
        good = self.tokens["admin"]
        for method, path, body, needs, _, status in self.walk():
            twice = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\nAuthorization: Bearer %s\r\n" % (method, path, good, good)
            answer = self.server.raw(twice.encode() + (b"Content-Length: 0\r\n\r\n" if body is not None else b"\r\n"))
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), (method, path, answer[:200]))
            for headers in ({"Authorization": "Basic " + good}, {"Authorization": good}, {"Authorization": "Bearer  %s %s" % (good, good)}, {"X-Authorization": "Bearer " + good},
                            {"Proxy-Authorization": "Bearer " + good}, {"X-Api-Key": good}, {"Cookie": "tally_session=" + good}, {"Cookie": "token=" + good}):
                if RANK[needs]:
                    self.refused(method, path, body, 401, "unauthorized", token=False, headers=headers)
            for name in ("token", "access_token", "authorization", "api_key"):
                sent = path + ("&" if "?" in path else "?") + name + "=" + good
                if RANK[needs]:
                    self.refused(method, sent, body, 401, "unauthorized", token=False)
                elif path != "/":
                    self.refused(method, sent, body, 422, "unknown-field", token=False)
        self.assertEqual(self.held(), before)

    def test_who_may_is_let_in(self):
        """Last, in the order of the alphabet: it changes what is there."""
        for method, path, body, needs, reach, status in sorted(self.walk(), key=lambda row: row[0] == "DELETE"):
            if status is None:
                continue
            for token in (self.tokens["admin"],) if method == "DELETE" or reach == "server" else (self.tokens["admin"], self.cats["admin"]):
                answer = self.server.request(method, path, body=body, token=token)
                self.assertEqual(answer.status, status, (method, path, answer))
        self.assertEqual(self.server.get("/api/v1/runs").json()["total"], 0)
