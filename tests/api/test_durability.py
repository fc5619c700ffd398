"""What was acknowledged is there, exactly once: under load, after SIGTERM, after kill -9."""
import http.client
import json
import random
import signal
import threading
import time
import unittest

from tally_server import ApiTest, TallyServer, seed_of

CONNECTION_LOST = (http.client.HTTPException, ConnectionError, OSError)


class Load:
    """Threads that post batches, each with keys of its own, and remember what was acknowledged."""

    def __init__(self, server, run, threads, seed, first_step=0):
        self.server, self.run = server, run
        self.acknowledged, self.maybe, self.refused = [], [], []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(rank, random.Random(seed + rank), first_step)) for rank in range(threads)]
        for t in self.threads:
            t.start()

    def work(self, rank, rng, step):
        while not self.stopping.is_set():
            n = rng.choice([1, 1, 1, 5, 40])
            keys = [(step + i, rank) for i in range(n)]
            records = [{"stage": "train", "epoch": 0, "step": s, "rank": r, "correct": s % 7, "total": 7, "sums": {"loss": [s, 7]}} for s, r in keys]
            step += n
            try:
                answer = self.server.log_batches(self.run, records)
            except CONNECTION_LOST:
                with self.lock:
                    self.maybe.append(keys)
                return
            with self.lock:
                if answer.status == 200 and answer.json()["accepted"] == n:
                    self.acknowledged.append(keys)
                else:
                    self.refused.append((keys, answer))
                    return

    def join(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)


class Durability(unittest.TestCase):
    def stored(self, server, run):
        """(step, rank) of every stored batch, by the export."""
        out, path = [], "/api/v1/runs/%s/batches" % run
        while path:
            answer = server.request("GET", path)
            if answer.status == 404:
                return []
            self.assertEqual(answer.status, 200, answer)
            for r in answer.lines():
                self.assertEqual((r["correct"], r["total"], r["sums"]["loss"][:2]), (r["step"] % 7, 7, [r["step"], 7]))
                out.append((r["step"], r.get("rank", 0)))
            link = answer.headers.get("link")
            path = link and "/api" + link.split(">")[0].split("/api", 1)[1]
        return out

    def check(self, server, run, load_list):
        """Acknowledged: there.  Unknown fate: whole requests, there or not.  Refused: not there.  Sums: those of the rows."""
        stored = self.stored(server, run)
        here = set(stored)
        self.assertEqual(len(stored), len(here), "a batch is stored twice")
        known = set()
        for load in load_list:
            for keys in load.acknowledged:
                self.assertLessEqual(set(keys), here, "an acknowledged batch is lost")
                known.update(keys)
            for keys in load.maybe:
                self.assertIn(len(set(keys) & here), (0, len(keys)), "half a request is stored")
                known.update(keys)
            for keys, answer in load.refused:
                self.assertFalse(set(keys) & here, "a refused request is stored: %r" % answer)
        self.assertLessEqual(here, known)
        if not stored:
            return 0
        entry = server.get("/api/v1/runs/%s/epochs" % run, metric="accuracy,loss:sum").json()["epochs"][0]
        self.assertEqual((entry["batches"], entry["samples"], entry["steps"], entry["ranks"]),
                         (len(stored), 7 * len(stored), len({s for s, _ in stored}), len({r for _, r in stored})))
        self.assertAlmostEqual(entry["metrics"]["accuracy"]["value"], sum(s % 7 for s, _ in stored) / (7 * len(stored)), 12)
        self.assertEqual(entry["metrics"]["loss:sum"]["value"], sum(s for s, _ in stored))
        return len(stored)

    def test_sigterm_during_a_load_keeps_what_was_acknowledged(self):
        seed = seed_of("drain")
        server = TallyServer()
        with server:
            for cycle in range(3):
                run = "drain%d" % cycle
                load = Load(server, run, 6, seed + 100 * cycle)
                time.sleep(0.4)
                server.signal(signal.SIGTERM)
                code = server.wait()
                load.join()
                self.assertEqual(code, 0, server.log_text()[-2000:])
                for _, answer in load.refused:
                    self.assertEqual(answer.status, 503, answer)
                    self.assertTrue(answer.headers.get("retry-after"), answer.headers)
                server.start()
                self.assertGreater(self.check(server, run, [load]), 0)

    def test_sigterm_does_not_wait_for_a_request_that_never_ends(self):
        server = TallyServer()
        with server:
            held = [server.connect() for _ in range(3)]
            for c, part in zip(held, (b"POST /api/v1/runs/r/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n{",
                                      b"GET /api/v1/runs HTTP/1.1\r\nHost: loc", b"")):
                c.connect()
                c.sock.sendall(part)
            time.sleep(0.2)
            start = time.monotonic()
            server.signal(signal.SIGTERM)
            code = server.wait(60)
            for c in held:
                c.close()
            self.assertEqual(code, 0, server.log_text()[-2000:])
            self.assertLess(time.monotonic() - start, 10)

    def test_kill_9_loses_no_acknowledged_batch(self):
        seed = seed_of("crash")
        rng, total = random.Random(seed), 0
        server = TallyServer()
        with server:
            loads = []
            for cycle in range(10):
                load = Load(server, "crash", 5, seed + 100 * cycle, first_step=cycle * 1000000)
                time.sleep(0.05 + rng.random() * 0.4)
                server.kill()
                load.join()
                loads.append(load)
                server.check()
                server.start()
                total = self.check(server, "crash", loads)
            self.assertGreater(total, 100)
            again = [[{"stage": "train", "epoch": 0, "step": s, "rank": r, "correct": s % 7, "total": 7, "sums": {"loss": [s, 7]}} for s, r in keys]
                     for load in loads for keys in load.acknowledged[-3:]]
            for records in again:
                self.assertEqual(server.log_batches("crash", records).json(), {"accepted": 0, "duplicates": len(records), "stale": 0})

    def test_ranks_posting_at_once_add_up(self):
        server = TallyServer()
        with server:
            def rank(r):
                for s in range(60):
                    body = {"stage": "train", "epoch": s // 20, "step": s, "rank": r, "confusion": [[s, 1], [r, 2]], "sums": {"loss": [0.1 * s, 3]}}
                    for _ in range(2):
                        answer = server.log_batches("ddp", body)
                        assert answer.status == 200, answer
            threads = [threading.Thread(target=rank, args=(r,)) for r in range(8)]
            for t in threads:
                t.start()
            reads = [server.get("/api/v1/runs/ddp/epochs", metric="accuracy.macro") for _ in range(30)]
            for t in threads:
                t.join()
            self.assertTrue(all(r.status in (200, 404) for r in reads))
            entries = server.get("/api/v1/runs/ddp/epochs", metric="accuracy,loss:sum").json()["epochs"]
            self.assertEqual([(e["batches"], e["steps"], e["ranks"]) for e in entries], [(160, 20, 8)] * 3)
            cells = server.get("/api/v1/runs/ddp/confusion", epoch=1).json()["cells"]
            self.assertEqual(cells, [[0, 0, 8 * sum(range(20, 40))], [0, 1, 160], [1, 0, 20 * sum(range(8))], [1, 1, 320]])
            self.assertEqual(server.get("/api/v1/runs/ddp").json()["series"][0]["batches"], 480)

    def test_clients_that_disagree_about_one_key(self):
        """Of several contents for one key exactly one wins; those who sent it are told so, the others get 409."""
        server = TallyServer()
        with server:
            for round_ in range(15):
                answers = {}

                def send(i, step=round_):
                    body = [{"stage": "t", "epoch": 0, "step": step, "correct": i % 3, "total": 3}, {"stage": "t", "epoch": 1, "step": step, "rank": i, "correct": 1, "total": 1}]
                    answers[i] = server.log_batches("race", body)
                threads = [threading.Thread(target=send, args=(i,)) for i in range(6)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
                winners = [i for i, a in answers.items() if a.status == 200]
                self.assertEqual({i % 3 for i in winners}, {winners[0] % 3}, answers)
                self.assertEqual(len(winners), 2, answers)
                self.assertEqual({a.status for a in answers.values()}, {200, 409})
                self.assertEqual(sorted((answers[i].json()["accepted"], answers[i].json()["duplicates"]) for i in winners), [(1, 1), (2, 0)])
            rows = [json.loads(line) for line in server.get("/api/v1/runs/race/batches", epoch=1).text.splitlines()]
            self.assertEqual(len(rows), 30)

    def test_a_full_queue_asks_to_come_back(self):
        server = TallyServer("--limit", "queue_bytes=20000")
        with server:
            answers, lock = [], threading.Lock()

            def send(rank):
                for i in range(20):
                    answer = server.log_batches("busy", [{"stage": "t", "epoch": i, "step": s, "rank": rank, "correct": 1, "total": 2} for s in range(60)])
                    with lock:
                        answers.append((rank, i, answer))
            threads = [threading.Thread(target=send, args=(r,)) for r in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            for _, _, answer in answers:
                self.assertIn(answer.status, (200, 503), answer)
                if answer.status == 503:
                    self.assertEqual(answer.json()["type"], "urn:tally:problem:busy")
                    self.assertTrue(int(answer.headers["retry-after"]) >= 1)
            taken = sum(a.status == 200 for _, _, a in answers)
            self.assertGreater(taken, 0)
            self.assertEqual(sum(e["batches"] for e in server.get("/api/v1/runs/busy/epochs", metric="accuracy").json()["epochs"]), 60 * taken)


class LongConnections(ApiTest):
    def test_a_hundred_idle_connections_do_not_stop_the_next(self):
        held = [self.server.connect() for _ in range(100)]
        for c in held:
            c.connect()
        start = time.monotonic()
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertLess(time.monotonic() - start, 5)
        for c in held:
            c.close()


if __name__ == "__main__":
    unittest.main()
