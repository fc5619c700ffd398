"""Everything at once: posts of every kind, questions, backups, rewinds, deletes, tokens, patches, comparisons, pages, exports.
Built with SAN=thread the server says where two threads met; built in any way, the ledger and `tally check` agree at the end.

RACES_SECONDS says how long.
"""
import glob
import gzip
import json
import os
import random
import sys
import threading
import time
import unittest

from faults import EPOCHS, FaultTest, Ledger, rng_of, run_tally
from tally_server import TALLY_BIN

SECONDS = float(os.environ.get("RACES_SECONDS", 8))
RANKS = 3
RUNS = ["many%d" % i for i in range(4)]
METRICS = ("accuracy", "accuracy.macro,f1.none", "loss,loss:last", "mcc", "auroc", "ece", "exact_match", "mse")


def is_built_with_tsan():
    with open(TALLY_BIN, "rb") as f:
        return b"__tsan_init" in f.read()


def random_record(rng):
    """A record of any kind; in a stage of its own, since a series has one shape."""
    kind = rng.randrange(6)
    r = {"stage": "s%d" % kind, "epoch": rng.randrange(4), "step": rng.randrange(300), "rank": rng.randrange(4)}
    n = 1 + r["step"] % 5  # content follows from the key: the same again is a duplicate
    if kind == 0:
        r.update(correct=n, total=9)
    elif kind == 1:
        r.update(confusion=[[n, 1, 0], [2, 3, 1], [0, 0, n]])
    elif kind == 2:
        r.update(num_classes=50, cells=[[n, 1, 2], [3, 4, n]])
    elif kind == 3:
        r.update(task="multilabel", tp=[n, 1], fp=[1, 0], fn=[0, 2], tn=[10 - n, 8])
    elif kind == 4:
        r.update(exact=[n, 9])
    else:
        r.update(sums={"loss": [n * 1.5, 9], "a/loss": [n, 3, 0.5, 2]}, values={"lr": 0.1})
    return r


class Client(threading.Thread):
    """Does one kind of thing over and over until the end."""

    def __init__(self, test, name, work, pause=0.0):
        super().__init__(name=name)
        self.test, self.work, self.pause = test, work, pause
        self.rng, self.times, self.failure = random.Random(test.rng.random()), 0, None

    def run(self):
        try:
            while time.monotonic() < self.test.end:
                self.work(self.rng)
                self.times += 1
                time.sleep(self.pause)
        except BaseException as e:  # told by the main thread
            self.failure = e


class Races(FaultTest):
    def allow(self, answer, *statuses):
        self.assertIn(answer.status, statuses, answer)
        return answer

    # ---- what the clients do ----
    def ledger_work(self, rank):
        ledger, step = Ledger("ledger"), [0]

        def work(rng):
            n = rng.choice((1, 1, 10))
            keys = [(rng.randrange(EPOCHS), step[0] + i, rank) for i in range(n)]
            step[0] += n
            self.assertIs(ledger.send(self.s, keys), True)
        return ledger, work

    def post(self, rng):
        records = [random_record(rng) for _ in range(rng.choice((1, 1, 5, 200)))]
        body, headers = json.dumps(records), {}
        if rng.random() < 0.3:
            body, headers = "\n".join(map(json.dumps, records)), {"Content-Type": "application/x-ndjson"}
        body = body.encode()
        if rng.random() < 0.3:
            body, headers = gzip.compress(body, 1), dict(headers, **{"Content-Encoding": "gzip"})
        # a run that was deleted or cut meanwhile changes nothing for others
        self.allow(self.s.post("/api/v1/runs/%s/batches" % rng.choice(RUNS), body, headers=headers), 200, 409)

    def ask(self, rng):
        run, stage = rng.choice(RUNS + ["ledger"]), "s%d" % rng.randrange(6)
        path, query = rng.choice((
            ("epochs", {"metric": rng.choice(METRICS)}), ("epochs", {"metric": "accuracy", "rank": 1}),
            ("steps", {"metric": rng.choice(METRICS), "points": rng.choice((3, 50, 1000))}), ("steps", {"metric": "accuracy", "window": 5}),
            ("classes", {}), ("confusion", {}), ("diagnosis", {}), ("batches", {"limit": 100}), ("calibration", {}), ("curves", {})))
        headers = rng.choice(({}, {"Accept-Encoding": "gzip"}, {"If-None-Match": "*"}))
        self.allow(self.s.get("/api/v1/runs/%s/%s" % (run, path), headers=headers, stage=stage, **query), 200, 304, 404, 422)

    def lists(self, rng):
        target = rng.choice(("/api/v1/runs?q=many&sort=-updated_at&columns=s0/accuracy@last,s5/loss@min,config.lr", "/api/v1/projects", "/metrics",
                             "/api/v1/compare?runs=%s&stage=s0&metric=accuracy&x=epoch" % ",".join(RUNS), "/healthz", "/readyz", "/api/v1/limits",
                             "/api/v1/compare?runs=%s&stage=s1&metric=accuracy&x=step&points=20" % ",".join(RUNS[:2]), "/", "/api/v1/openapi.yaml"))
        answer = self.allow(self.s.request("GET", target, headers=rng.choice(({}, {"Accept-Encoding": "gzip"}))), 200, 404, 422)
        if target == "/":
            for part in answer.text.split('"'):
                if part.startswith("/assets/"):
                    self.allow(self.s.get(part, headers={"Accept-Encoding": "gzip"}), 200)

    def patch(self, rng):
        run = rng.choice(RUNS)
        self.allow(self.s.patch("/api/v1/runs/" + run, rng.choice((
            {}, {"status": rng.choice(("running", "finished"))}, {"tags": ["a", "b"]}, {"notes": "n"}, {"config": {"lr": rng.random()}}))), 200, 404)
        self.allow(self.s.put("/api/v1/runs/" + run, {"config": {"k%d" % rng.randrange(20): 1}, "stages": {"s1": {"class_names": ["a", "b", "c"]}}}),
                   200, 201, 404)  # made, and deleted before its answer was written

    def rewind(self, rng):
        self.rewinds = getattr(self, "rewinds", 0) + 1
        body = {"epoch": rng.randrange(4), "step": rng.randrange(300), "attempt": "a%d" % self.rewinds, "stage": "s%d" % rng.randrange(6)}
        self.allow(self.s.post("/api/v1/runs/%s/rewind" % rng.choice(RUNS), body), 200, 404)

    def delete(self, rng):
        self.allow(self.s.delete("/api/v1/runs/" + rng.choice(RUNS)), 204, 404)

    def backup(self, _):
        answer = self.allow(self.s.post("/api/v1/backup", None), 201)
        path = os.path.join(self.s.folder, answer.json()["file"])
        code, out, err = run_tally("check", "--db", path, timeout=300)
        self.assertEqual(code, 0, out + err)
        for file in glob.glob(path + "*"):
            os.unlink(file)

    def export(self, _):
        path = os.path.join(self.s.folder, "export")
        code, out, err = run_tally("export", "--db", self.s.db, path, timeout=300)
        self.assertEqual(code, 0, out + err)
        os.unlink(path)

    def tokens(self, rng):
        text = self.s.create_token(rng.choice(("read", "write", "admin")), "--name", "races")
        answer = self.s.get("/api/v1/runs", token=text)
        self.allow(answer, 200, 401)  # noticed within a second or two
        answer = self.allow(self.s.post("/api/v1/login", {"token": text}, token=False), 204, 401)
        if answer.status == 204:
            cookie = answer.headers["set-cookie"].split(";")[0]
            self.allow(self.s.get("/api/v1/runs", headers={"Cookie": cookie}, token=False), 200, 401)
            self.allow(self.s.delete("/api/v1/login", headers={"Cookie": cookie}, token=False), 204)
        _, listed, _ = run_tally("token", "list", "--db", self.s.db)
        for line in listed.splitlines():
            if "races" in line:
                run_tally("token", "revoke", "--db", self.s.db, line.split()[0])

    # ---- all together ----
    def test_everything_at_once_loses_nothing_and_no_two_threads_meet(self):
        self.rng, self.s = rng_of("races"), self.server()
        log = os.path.join(self.s.folder, "sanitizer")
        self.s.env = {"TSAN_OPTIONS": "log_path=%s:halt_on_error=0" % log, "ASAN_OPTIONS": "log_path=" + log}
        self.s.options = ["--allow-host", "tally.example"]  # tokens are needed then
        self.s.token = self.s.create_token("admin")
        self.s.start()
        self.end = time.monotonic() + SECONDS
        ledgers, clients = [], []
        for rank in range(RANKS):
            ledger, work = self.ledger_work(rank)
            ledgers.append(ledger)
            clients.append(Client(self, "ledger", work))
        for name, work, n, pause in (("post", self.post, 3, 0), ("ask", self.ask, 3, 0), ("lists", self.lists, 1, 0.01), ("patch", self.patch, 1, 0.01),
                                     ("rewind", self.rewind, 1, 0.05), ("delete", self.delete, 1, 0.5), ("backup", self.backup, 1, 2),
                                     ("export", self.export, 1, 2), ("tokens", self.tokens, 1, 0.1)):
            clients += [Client(self, name, work, pause) for _ in range(n)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        for c in clients:
            if c.failure:
                raise c.failure
        joined = Ledger("ledger")
        joined.requests = [r for ledger in ledgers for r in ledger.requests]
        records = joined.check(self.s)
        code = self.s.stop()
        reports = []
        for path in sorted(glob.glob(log + ".*")):
            with open(path, encoding="utf-8", errors="replace") as f:
                reports += [r for r in f.read().split("==================") if "Sanitizer" in r]
        self.s.check()
        said = {}
        for c in clients:
            said[c.name] = said.get(c.name, 0) + c.times
        print("races: %.0f s, %d records in the ledger, %s: %d reports of sanitizers%s" % (SECONDS, records, ", ".join(
            "%s %d" % item for item in sorted(said.items())), len(reports), "" if is_built_with_tsan() else " (built without the thread sanitizer)"), file=sys.stderr)
        self.assertEqual(reports, [], "\n".join(reports)[:8000])
        self.assertEqual(code, 0, self.s.log_text()[-4000:])
        self.assertTrue(all(said.values()), said)


if __name__ == "__main__":
    unittest.main()
