"""How much one caller may ask in a second, and how often an address may be wrong about a token."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from tally_server import ROOT, ApiTest, TallyServer, wait_until

RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}


def records(first, n):
    return [dict(RECORD, step=first + i) for i in range(n)]


class Rates(ApiTest):
    def limited(self, *limits, tokens=True):
        server = TallyServer(*(("--allow-host", "tally.example") if tokens else ()), *(o for limit in limits for o in ("--limit", limit)))
        self.addCleanup(server.close)
        if tokens:
            server.token = server.create_token("admin")
        return server.start()

    def until_refused(self, call, most=500):
        """The answers before the first 429, and that."""
        answers = []
        for _ in range(most):
            answer = call()
            if answer.status == 429:
                return answers, answer
            answers.append(answer)
        self.fail("never refused")

    def assert_wait(self, answer, limit):
        problem = self.assert_problem(answer, 429, "too-many-requests", says=limit)
        wait = int(answer.headers["retry-after"])
        self.assertGreaterEqual(wait, 1)
        self.assertNotIn("errors", problem)
        return wait

    def test_requests_of_one_token_are_limited_and_those_of_another_are_not(self):
        server = self.limited("requests_per_s=2")
        other = server.create_token("read")
        answers, refused = self.until_refused(lambda: server.get("/api/v1/runs"))
        self.assertGreaterEqual(len(answers), 20, "ten seconds' worth may come at once")
        self.assertLessEqual(len(answers), 24)
        wait = self.assert_wait(refused, "requests_per_s")
        self.assertIn("token 1", refused.json()["detail"])
        self.assertEqual(server.get("/api/v1/runs", token=other).status, 200)
        # the cookie stands for its token
        cookie = {"Cookie": server.request("POST", "/api/v1/login").headers["set-cookie"].split(";")[0]}
        self.assertEqual(server.get("/api/v1/runs", token=False, headers=cookie).status, 429)
        for path in ("/", "/healthz", "/readyz"):
            self.assertEqual(server.get(path).status, 200, path)
        time.sleep(wait)
        self.assertEqual(server.get("/api/v1/runs").status, 200, "after the wait that it was told")

    def test_a_refused_write_stores_nothing_and_leaves_the_connection(self):
        server = self.limited("requests_per_s=1")
        step = iter(range(10000))
        answers, refused = self.until_refused(lambda: server.log_batches("r", dict(RECORD, step=next(step))))
        self.assert_wait(refused, "requests_per_s")
        self.assertNotIn("connection", refused.headers)
        time.sleep(1.1)
        self.assertEqual(server.get("/api/v1/runs/r").json()["series"][0]["batches"], len(answers))

    def test_records_are_limited_however_they_come(self):
        server = self.limited("records_per_s=100")
        self.assertEqual(server.log_batches("r", records(0, 900)).status, 200)
        self.assertEqual(server.log_batches("r", records(900, 600)).status, 200, "a request is never divided")
        refused = server.log_batches("r", records(1500, 1))
        wait = self.assert_wait(refused, "records_per_s")
        self.assertLessEqual(wait, 7)
        self.assertEqual(server.get("/api/v1/runs/r").json()["series"][0]["batches"], 1500, "reads go on")
        time.sleep(wait)
        self.assertEqual(server.log_batches("r", records(1500, 1)).status, 200)

    def test_the_python_client_waits_and_loses_nothing(self):
        server = self.limited("records_per_s=100")
        self.assertEqual(server.log_batches("other", records(0, 1200)).status, 200, "two seconds more than there is")
        script = "import tally\nwith tally.init('rates', id='r', url=%r, token=%r) as run:\n    for i in range(100):\n        run.log('train', 0, i, correct=1, total=2)\n"
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "clients", "python"), HOME=folder)
            done = subprocess.run([sys.executable, "-c", script % (server.url, server.token)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=60, check=False, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(server.get("/api/v1/runs/r").json()["series"][0]["batches"], 100)
        self.assertGreater(time.monotonic() - started, 1)
        self.assertIn('status="429"', server.get("/metrics").text, "it was told to")

    def test_without_tokens_it_is_the_address_that_is_limited(self):
        server = self.limited("requests_per_s=1", tokens=False)
        _, refused = self.until_refused(lambda: server.get("/api/v1/runs"))
        self.assert_wait(refused, "requests_per_s")
        self.assertIn("this address", refused.json()["detail"])

    def test_no_limit_is_the_default(self):
        with TallyServer() as server:
            limits = server.get("/api/v1/limits").json()
            self.assertEqual((limits["requests_per_s"], limits["records_per_s"], limits["auth_failures_per_min"]), (0, 0, 300))
            for _ in range(500):
                self.assertEqual(server.get("/api/v1/metrics").status, 200)

    def test_wrong_tokens_are_limited_and_right_ones_are_not_locked_out(self):
        server = self.limited("auth_failures_per_min=20")
        answers, refused = self.until_refused(lambda: server.get("/api/v1/runs", token="x" * 40))
        self.assertEqual({a.status for a in answers}, {401})
        self.assertLessEqual(20, len(answers))
        self.assertLessEqual(len(answers), 22)
        self.assert_wait(refused, "auth_failures_per_min")
        self.assertEqual(server.request("POST", "/api/v1/login", body={"token": "y" * 40}, token=False).status, 429)
        self.assertEqual(server.get("/api/v1/runs").status, 200)
        late = server.create_token("read")  # a new one is known within two seconds, as ever
        wait_until(lambda: server.get("/api/v1/runs", token=late).status == 200, 5)
        self.assertEqual(server.get("/api/v1/runs", token=False).status, 401, "no token is no guess")
        lines = [json.loads(line) for line in server.log_text().splitlines()]
        self.assertEqual([line["event"] for line in lines if line["event"] == "auth-failures"], ["auth-failures"], "once, not once a guess")
        self.assertIn("127.0.0.1", lines[-1]["detail"])
        self.assertNotIn("xxxx", server.log_text())

    def test_another_address_is_not_locked_out(self):
        server = TallyServer("--limit", "auth_failures_per_min=5", listen="0.0.0.0:0")
        self.addCleanup(server.close)
        server.token = server.create_token("read")
        server.start()

        def from_address(address, token):
            import http.client
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10, source_address=(address, 0))
            try:
                connection.request("GET", "/api/v1/runs", headers={"Authorization": "Bearer " + token})
                return connection.getresponse().status
            finally:
                connection.close()
        while from_address("127.0.0.2", "z" * 40) != 429:
            pass
        self.assertEqual(from_address("127.0.0.3", "z" * 40), 401)
        self.assertEqual(from_address("127.0.0.3", server.token), 200)
        self.assertEqual(from_address("127.0.0.2", "z" * 40), 429)


if __name__ == "__main__":
    unittest.main()
