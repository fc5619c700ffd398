"""Delivery: whatever happens to the server or the job, totals are exact and nothing is counted twice."""
import http.server
import json
import logging
import os
import socket
import threading
import time
import unittest

from client import NOWHERE, ClientTest, TallyServer, wait_until
from tally import _courier


class Delivery(ClientTest):
    def test_a_server_that_is_killed_in_mid_epoch_and_comes_back(self):
        with TallyServer() as server:
            listen = "127.0.0.1:%d" % server.port
            run = self.init(url=server.url)
            for step in range(300):
                run.log("train", 0, step, correct=1, total=2, sums={"loss": (0.5, 2)})
                if step == 100:
                    wait_until(lambda: server.get(self.path(run.id)).json().get("series"), what="the first records")
                    server.kill()
            time.sleep(0.4)
            server.listen = listen
            server.start()
            self.assertTrue(run.finish())
            got = server.get(self.path(run.id, "epochs"), stage="train", metric="accuracy,loss").json()["epochs"][0]
            self.assertEqual((got["batches"], got["samples"], got["metrics"]["accuracy"]["value"], got["metrics"]["loss"]["value"]), (300, 600, 0.5, 0.25))

    def test_away_for_the_whole_run_and_then_sync(self):
        job = """
            import tally
            run = tally.init("client", "away", id="{0}", config={{"a": 1}}, exit_seconds=0.3)
            run.stage("train", class_names=["x", "y"])
            for step in range(50):
                run.log("train", 0, step, confusion=[[1, 0], [1, 2]])
        """
        run = self.new_run("away")
        _, err = self.run_job(job.format(run), TALLY_URL=NOWHERE)
        self.assertRegex(err, r"tally: 5\d records of run \S+ have not reached .*tally-client sync " + self.spool)
        out = self.sync(self.spool, "--url", self.server.url)
        self.assertIn("50 accepted, 0 duplicates", out)
        document = self.document(run)
        self.assertEqual((document["project"], document["status"], document["config"]["a"]), ("client", "finished", 1))
        self.assertEqual(document["series"][0]["class_names"], ["x", "y"])
        self.assertEqual(self.epoch(run)["samples"], 200)
        self.assertEqual(self.sessions(), [])
        self.assertIn("nothing to send", self.sync(self.spool))

    def test_a_spool_that_is_sent_twice_changes_nothing(self):
        run = self.init(url=NOWHERE, exit_seconds=0.1)
        for step in range(10):
            run.log("train", 0, step, correct=1, total=2)
        run.finish()
        folder, = self.sessions()
        copy = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f:
                copy[name] = f.read()
        self.assertIn("10 accepted", self.sync(folder, "--url", self.server.url))
        os.makedirs(folder)
        for name, data in copy.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        self.assertIn("0 accepted, 10 duplicates", self.sync(folder, "--url", self.server.url))
        self.assertEqual(self.epoch(run)["samples"], 20)

    def test_a_torn_line_and_a_damaged_one_are_passed_over(self):
        run = self.init(url=NOWHERE, exit_seconds=0.1)
        for step in range(10):
            run.log("train", 0, step, correct=1, total=2)
        run.finish()
        folder, = self.sessions()
        segment, = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".seg")]
        with open(segment, "r+b") as f:
            data = f.read().replace(b'"step":4', b'"step":5')  # its sum no longer agrees
            f.seek(0)
            f.write(data[:-20])
            f.truncate()
        self.assertIn("9 accepted", self.sync(self.spool, "--url", self.server.url))  # the torn one is the end of the run
        self.assertEqual(self.epoch(run)["batches"], 9)

    def test_a_killed_rank_that_resumes_counts_nothing_twice(self):
        job = """
            import os, signal, sys, tally
            first, cut = int(sys.argv[1]), sys.argv[2] == "resume"
            run = tally.init("client", id="{0}", rank=int(sys.argv[3]), world_size=2, resume=(0, first) if cut else None, exit_seconds=20)
            for step in range(first, 60):
                run.log("train", 0, step, tp=[1, 1], fp=[1, 0], fn=[0, 1])
                if step == 40 and not cut:
                    if sys.argv[3] == "0":
                        run.flush()
                    run._sender.drain()
                    os.kill(os.getpid(), signal.SIGKILL)
            run.finish()
        """
        run = self.new_run("killed")
        job = job.format(run)
        for attempt, (first, how) in enumerate(((0, "start"), (20, "resume"))):
            common = {"TORCHELASTIC_RUN_ID": run, "TORCHELASTIC_RESTART_COUNT": attempt}
            jobs = [self.start_job(job, first, how, 0, **common),
                    self.start_job(job, first, how, 1, **{**common, **({"TALLY_URL": NOWHERE} if how == "start" else {})})]
            for process in jobs:
                _, err = process.communicate(timeout=40)
                self.assertEqual(process.returncode, 0 if attempt else -9, err.decode())
        # rank 1's first session went nowhere: it was to another address, so only sync sends it, and late
        self.assertEqual(self.epoch(run)["batches"], 60 + 40)
        out = self.sync(self.spool, "--url", self.server.url)
        self.assertIn("20 accepted, 0 duplicates, 21 stale", out)
        entry = self.epoch(run)
        self.assertEqual((entry["batches"], entry["samples"], entry["steps"], entry["ranks"]), (120, 360, 60, 2))

    def test_an_attempt_that_the_server_never_saw_is_stale_all_the_same(self):
        """The server was away for all of the first attempt; its spool is found at the resume."""
        job = """
            import os, signal, sys, tally
            first = int(sys.argv[1])
            run = tally.init("client", id="{0}", resume=(0, first) if first else None)
            for step in range(first, 30):
                run.log("train", 0, step, correct=first and 2, total=2)
            if not first:
                run._sender.drain()
                os.kill(os.getpid(), signal.SIGKILL)
            run.finish()
        """
        with TallyServer() as server:
            run, address = self.new_run("unseen"), server.url
            listen = "127.0.0.1:%d" % server.port
            server.stop()
            self.run_job(job.format(run), 0, expect=-9, TALLY_URL=address)
            server.listen = listen
            server.start()
            self.run_job(job.format(run), 10, TALLY_URL=address)
            entry = server.get(self.path(run, "epochs"), stage="train", metric="accuracy").json()["epochs"][0]
            self.assertEqual((entry["batches"], entry["samples"]), (30, 60))
            self.assertAlmostEqual(entry["metrics"]["accuracy"]["value"], 40 / 60)
            self.assertEqual(self.sessions(), [])

    def test_a_refused_record_is_put_aside_with_its_problem_and_one_warning(self):
        run = self.init()
        with self.assertLogs("tally", logging.WARNING) as logs:
            for step in range(200):
                run.log("train", 0, step, correct=3 if step in (50, 120, 121) else 1, total=2)
            self.assertTrue(run.finish())
        self.assertEqual(len(logs.output), 1, logs.output)
        self.assertEqual(self.epoch(run)["batches"], 197)
        with open(os.path.join(self.spool, run.id, "rejected-0.ndjson"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual([line["body"]["step"] for line in lines], [50, 120, 121])
        self.assertEqual(lines[0]["problem"]["type"], "urn:tally:problem:invalid-value")
        self.assertEqual(self.sessions(), [])

    def test_the_same_batch_twice_is_one_and_another_content_is_refused(self):
        run = self.init()
        for correct in (1, 1, 0):
            run.log("train", 0, 0, correct=correct, total=2)
        with self.assertLogs("tally", logging.WARNING) as logs:
            run.finish()
        self.assertIn("409", logs.output[0])
        self.assertEqual((self.epoch(run)["batches"], self.epoch(run)["samples"]), (1, 2))

    def test_a_hundred_thousand_calls(self):
        run = self.init()
        start = time.perf_counter()
        for step in range(100000):
            run.log("train", step // 10000, step, correct=1, total=2)
        logged = time.perf_counter() - start
        self.assertTrue(run.flush(30))
        print("100,000 calls in %.2f s, delivered after %.2f s" % (logged, time.perf_counter() - start))
        run.finish()
        epochs = self.ask(run.id, "epochs", stage="train", metric="accuracy", mean_of_steps="false")["epochs"]
        self.assertEqual(sum(entry["samples"] for entry in epochs), 200000)
        self.assertEqual([entry["samples"] for entry in epochs], [20000] * 10)


class Waiting(ClientTest):
    def test_backoff_doubles_with_jitter_and_honours_retry_after(self):
        for failures in range(1, 40):
            wait = _courier.backoff(failures, None, False)
            self.assertTrue(0.125 <= wait <= 30, wait)
        self.assertGreaterEqual(_courier.backoff(30, None, False), 15)
        self.assertGreaterEqual(_courier.backoff(1, 7.0, True), 7)
        self.assertLessEqual(_courier.backoff(1, 1e9, False), 300)
        self.assertLessEqual(_courier.backoff(30, None, True), 1)

    def test_answers_that_say_later_are_tried_again_and_no_other(self):
        answers = [(429, {}), (502, {}), (503, {"Retry-After": "1"}), (504, {})]
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers = answers.pop(0) if answers else (200, {})
                seen.append((time.monotonic(), status, self.command, self.headers.get("Content-Encoding"), len(body)))
                self.send_response(status)
                for name, value in {"Content-Length": "2", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")
            do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stand_in:
            thread = threading.Thread(target=stand_in.serve_forever)
            thread.start()
            run = self.init(url="http://127.0.0.1:%d" % stand_in.server_port, exit_seconds=15)
            for step in range(100):
                run.log("train", 0, step, correct=1, total=2)
            self.assertTrue(run.finish())
            stand_in.shutdown()
            thread.join()
        self.assertEqual([s[1:3] for s in seen], [(429, "PUT"), (502, "PUT"), (503, "PUT"), (504, "PUT"), (200, "PUT"), (200, "POST"), (200, "PATCH")])
        self.assertGreaterEqual(seen[3][0] - seen[2][0], 1.0)
        self.assertEqual(seen[5][3], "gzip")
        self.assertLess(seen[5][4], 2000)

    def test_the_end_waits_no_longer_than_it_may(self):
        run = self.init(url=NOWHERE, exit_seconds=0.4)
        run.log("train", 0, 0, correct=1, total=1)
        start = time.monotonic()
        self.assertFalse(run.finish())
        self.assertLess(time.monotonic() - start, 3)


class Hanging(ClientTest):
    """A server that takes connections and never answers."""

    def setUp(self):
        super().setUp()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.url = "http://127.0.0.1:%d" % listener.getsockname()[1]

    def test_what_was_logged_half_a_second_before_kill_9_is_on_disk(self):
        job = """
            import os, signal, sys, time, tally
            run = tally.init("client", id="{0}")
            for step in range(80):
                run.log("train", 0, step, correct=1, total=2)
                time.sleep(0.01)
            assert run._sender.courier.busy, "the request should still wait for its answer"
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        found = []
        for _ in range(3):  # a machine that is busy with other things may hold a thread up for longer
            run = self.new_run("hanging")
            _, err = self.run_job(job.format(run), expect=-9, TALLY_URL=self.url)
            self.assertNotIn("Error", err)
            self.sync(self.spool, "--url", self.server.url)
            found.append(self.epoch(run)["batches"])
            if found[-1] == 80:
                return
        self.fail("of 80 batches there were only %s on disk" % found)

    def test_the_end_is_bounded_and_everything_is_kept(self):
        run = self.init(url=self.url, exit_seconds=0.2)
        for step in range(100):
            run.log("train", 0, step, correct=1, total=2)
        wait_until(lambda: run._sender.courier.busy, what="a request")
        start = time.monotonic()
        self.assertFalse(run.finish())
        self.assertLess(time.monotonic() - start, 5)
        self.assertIn("100 accepted", self.sync(self.spool, "--url", self.server.url))  # nothing holds the session any more


class Tokens(ClientTest):
    def test_a_token_is_sent_and_without_it_everything_is_kept(self):
        server = TallyServer("--allow-host", "tally.example")
        server.token = server.create_token("write")
        with server:
            run = self.init(url=server.url)
            with self.assertLogs("tally", logging.WARNING) as logs:
                run.log("train", 0, 0, correct=1, total=1)
                self.assertFalse(run.finish())
            self.assertIn("401", logs.output[0])
            self.assertIn("401", self.sync(self.spool, expect=1))
            self.assertIn("1 accepted", self.sync(self.spool, "--token", server.token))
            second = self.init(url=server.url, token=server.token, id=run.id)
            second.log("train", 0, 1, correct=0, total=1)
            self.assertTrue(second.finish())
            self.assertEqual(server.get(self.path(run.id, "epochs"), stage="train").json()["epochs"][0]["samples"], 2)
            for folder, _, files in os.walk(self.spool):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as f:
                        self.assertNotIn(server.token.encode(), f.read())


if __name__ == "__main__":
    unittest.main()
