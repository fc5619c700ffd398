"""Delivery: whatever happens to the server or to the job, totals are exact and nothing is counted twice."""
import glob
import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from c_client import NOWHERE, ClientTest, TallyServer, job_environment, needs_python_client, wait_until


class Scripted:
    """A server that answers what a function says: answer(method, path, body) -> (status, headers)."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                status, headers = answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {"Content-Length": "2", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")

            do_PUT = do_POST = do_PATCH = do_any  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Delivery(ClientTest):
    def test_a_server_that_is_killed_in_mid_epoch_and_comes_back(self):
        with TallyServer() as server:
            listen, run = "127.0.0.1:%d" % server.port, self.new_run()
            job = self.start()
            job.open(url=server.url, id=run)
            job.log(totals="1,2", mean="loss:0.5:2", steps=100)
            wait_until(lambda: server.get(self.path(run)).json().get("series"), what="the first records")
            server.kill()
            job.log(step=100, totals="1,2", mean="loss:0.5:2", steps=200)
            time.sleep(0.4)
            server.listen = listen
            server.start()
            self.assertEqual(job.ask("close finished 20"), "0 0")
            job.end()
            got = self.epoch(run, metric="accuracy,loss", server=server)
            self.assertEqual((got["batches"], got["samples"], got["metrics"]["accuracy"]["value"], got["metrics"]["loss"]["value"]), (300, 600, 0.5, 0.25))
            self.assertEqual(self.sessions(), [])

    def test_a_killed_trainer_is_sent_by_the_next_process_of_its_rank(self):
        run = self.new_run("killed")
        with TallyServer() as server:
            listen, url = "127.0.0.1:%d" % server.port, server.url
            server.stop()
            for first in (0, 30):  # killed twice while the server is away
                job = self.start()
                job.open(url=url, id=run)
                job.log(step=first, totals="1,2", steps=30)
                self.wait_for_spool(job)
                job.tell("kill")
                job.end(expect=-signal.SIGKILL)
            other = self.start()  # another rank of the run: its session is its own
            other.open(url=url, id=run, rank=1, world_size=2)
            other.log(totals="1,2", steps=5)
            self.assertEqual(other.ask("close - 0"), "0 6")
            other.end()
            self.assertEqual(len(self.sessions()), 3)
            server.listen = listen
            server.start()
            job = self.start()
            job.open(url=url, id=run)
            job.log(step=50, totals="1,2", steps=20)  # ten of them again
            self.assertEqual(job.ask("close finished 10"), "0 0")
            job.end()
            entry = self.epoch(run, server=server)
            self.assertEqual((entry["batches"], entry["samples"]), (70, 140))
            left, = self.sessions()
            self.assertIn("/r1-", left)

    def test_a_torn_line_and_a_damaged_one_are_passed_over(self):
        with TallyServer() as server:
            listen, url, run = "127.0.0.1:%d" % server.port, server.url, self.new_run()
            server.stop()
            job = self.start()
            job.open(url=url, id=run)
            job.log(totals="1,2", steps=10)
            self.assertEqual(job.ask("close finished 0"), "0 12")
            job.end()
            segment, = self.segments()
            with open(segment, "r+b") as f:
                data = f.read().replace(b'"step":4', b'"step":5')  # its sum no longer agrees
                f.seek(0)
                f.write(data[:-20])
                f.truncate()
            server.listen = listen
            server.start()
            job = self.start()
            job.open(url=url, id=run)
            self.assertEqual(job.ask("close - 10"), "0 0")
            job.end()
            self.assertEqual(self.epoch(run, server=server)["batches"], 9)
            self.assertEqual(self.document(run, server)["status"], "running")  # the torn line was the end of the run

    def test_a_program_that_ends_without_closing_keeps_what_it_logged(self):
        run, job = self.new_run(), self.start()
        job.open(url=NOWHERE, id=run)
        job.log(totals="1,2", steps=10)
        job.tell("exit 3")
        self.assertIn("11 records have not reached http://127.0.0.1:9; they are kept, send them with: tally-client sync " + self.spool, job.end(expect=3))
        with open(self.segments()[0], "rb") as f:
            self.assertEqual(f.read().count(b"\n"), 11)

    def test_a_refused_record_is_put_aside_with_its_problem_and_one_warning(self):
        run, job = self.new_run(), self.start()
        job.open(id=run)
        for first, n, correct in ((0, 50, 1), (50, 1, 3), (51, 69, 1), (120, 2, 3), (122, 78, 1)):
            job.log(step=first, steps=n, totals="%d,2" % correct)
        self.assertEqual(job.ask("flush 10"), 0)
        stats = job.stats()
        self.assertEqual((stats["accepted"], stats["rejected"], stats["warnings"]), (197, 3, 1))
        self.assertEqual(job.ask("close finished 10"), "0 0")
        self.assertIn("422", job.end())
        self.assertEqual(self.epoch(run)["batches"], 197)
        with open(os.path.join(self.spool, run, "rejected-0.ndjson"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual([line["body"]["step"] for line in lines], [50, 120, 121])
        self.assertEqual((lines[0]["problem"]["type"], lines[0]["problem"]["status"], lines[0]["call"]), ("urn:tally:problem:invalid-value", 422, "POST batches"))
        self.assertEqual(self.sessions(), [])

    def test_the_same_batch_twice_is_one_and_another_content_is_refused(self):
        run, job = self.new_run(), self.start()
        job.open(id=run)
        for correct in (1, 1, 0):
            job.log(totals="%d,2" % correct)
        self.assertEqual(job.ask("close finished 10"), "0 0")
        self.assertIn("409", job.end())
        self.assertEqual((self.epoch(run)["batches"], self.epoch(run)["metrics"]["accuracy"]["value"]), (1, 0.5))

    def test_rewind_and_resume_count_nothing_twice(self):
        run, job = self.new_run(), self.start()
        job.open(id=run)
        job.log(totals="0,2", steps=30)
        self.assertEqual(job.ask("rewind 0 20"), 0)
        job.log(step=20, totals="2,2", steps=20)
        self.assertEqual(job.ask("flush 10"), 0)
        self.assertEqual(self.epoch(run)["metrics"]["accuracy"]["value"], 0.5)
        job.tell("kill")
        job.end(expect=-signal.SIGKILL)
        lost = self.start()  # an attempt that the server never hears of
        lost.open(id=run, url=NOWHERE)
        lost.log(step=30, totals="1,2", steps=10)
        lost.ask("close - 0")
        lost.end()
        job = self.start()
        job.open(id=run, resume="0 10")
        job.log(step=10, totals="2,2", steps=30)
        self.assertEqual(job.ask("close finished 10"), "0 0")
        job.end()
        entry = self.epoch(run)
        self.assertEqual((entry["batches"], entry["metrics"]["accuracy"]["value"]), (40, 0.75))

    def test_threads_log_at_once(self):
        """Under the thread sanitizer."""
        run, job = self.new_run(), self.start("job-tsan")
        job.open(id=run)
        self.assertEqual(job.ask("threads 500"), 0)
        self.assertEqual(job.ask("flush 20"), 0)
        self.assertEqual(job.log(totals="1,3"), 0)  # another content: refused
        self.assertEqual(job.ask("close finished 10"), "0 0")
        job.end()
        self.assertEqual((self.epoch(run)["batches"], self.epoch(run)["samples"]), (2000, 4000))

    def test_a_child_sends_what_it_logs_and_not_what_its_parent_logged(self):
        # not under a sanitizer: the allocator of GCC's does not survive a fork beside another thread
        run, job = self.new_run(), self.start("job")
        job.open(id=run)
        job.log(totals="1,2", steps=500)
        self.assertEqual(job.ask("fork stage=val totals=1,4 steps=20"), 0, job.stderr())
        self.assertEqual(job.ask("flush 10"), 0)
        self.assertEqual(self.document(run)["status"], "running")  # the child has not ended it
        stats = job.stats()
        self.assertEqual((stats["accepted"], stats["duplicates"]), (500, 0))
        self.assertEqual(job.ask("close finished 10"), "0 0")
        job.end()
        self.assertEqual((self.epoch(run)["batches"], self.epoch(run, "val")["samples"]), (500, 80))
        self.assertEqual(self.sessions(), [])

    def test_the_end_waits_no_longer_than_it_may(self):
        """Also where a server takes the connection and never answers."""
        import socket
        with socket.create_server(("127.0.0.1", 0)) as silent:
            job = self.start()
            job.open(url="http://127.0.0.1:%d" % silent.getsockname()[1])
            job.log(totals="1,1")
            time.sleep(0.4)
            start = time.monotonic()
            self.assertEqual(job.ask("close finished 0.3"), "0 3")
            self.assertLess(time.monotonic() - start, 2)
            job.end()

    def test_a_server_that_says_later_is_asked_later(self):
        """429 with Retry-After, then 503 without, then it takes all: every record once, nothing before its time."""
        asked = []

        def later(method, path, _):
            asked.append((time.monotonic(), method, path))
            return {1: 429, 2: 503}.get(len(asked), 200), {"Retry-After": "1"} if len(asked) == 1 else {}

        with Scripted(later) as server:
            job = self.start()
            job.open(url=server.url + "/base/", id="later", project="p")
            job.log(totals="1,1")
            self.assertEqual(job.ask("close finished 10"), "0 0")
            job.end()
        self.assertEqual([(method, path) for _, method, path in asked], [("PUT", "/base/api/v1/runs/later")] * 3 + [
            ("POST", "/base/api/v1/runs/later/batches?project=p"), ("PATCH", "/base/api/v1/runs/later")])
        self.assertGreaterEqual(asked[1][0] - asked[0][0], 0.99)

    def test_what_was_confirmed_before_a_kill_is_not_sent_again(self):
        """2,500 records in one segment: 2,000 are confirmed, then the server is away and the trainer is killed."""
        run, posts, is_open = self.new_run("acked"), [], threading.Event()

        def once(_, path, body):
            if not is_open.is_set() or ("/batches" in path and posts):
                return 503, {}
            if "/batches" in path:
                posts.append(body)
            return 200, {}

        with Scripted(once) as server:
            url, job = server.url, self.start()
            job.open(url=url, id=run)
            job.log(totals="1,2", steps=2500)
            self.wait_for_spool(job)
            is_open.set()
            job.ask("flush 0.5")
            wait_until(lambda: job.stats()["spooled"] == 500, what="the first portion")
            job.tell("kill")
            job.end(expect=-signal.SIGKILL)
        self.assertEqual(posts[0].count(b"\n"), 1999)
        with TallyServer(listen="127.0.0.1:" + url.rpartition(":")[2]) as server:
            job = self.start()
            job.open(url=url, id=run)
            self.assertEqual(job.ask("flush 10"), 0)
            stats = job.stats()
            self.assertEqual((stats["accepted"], stats["duplicates"]), (500, 0))
            self.assertEqual(job.ask("close - 10"), "0 0")
            job.end()
            self.assertEqual(self.epoch(run, server=server)["first_step"], 2000)


class Bounds(ClientTest):
    FORMS = {"totals": {"totals": "1,3"}, "classes": {"tp": "1,2,0", "fp": "0,1,2", "fn": "2,1,0"}, "matrix": {"confusion": "1,2,3,4,5,6,7,8,9", "samples": 50},
             "cells": {"confusion": ",".join(["0"] * 140 + ["1", "2", "0", "4"])}, "rows": {"tp": "0,1" + ",0" * 12, "fp": "1,0" + ",0" * 12, "fn": "0,1" + ",0" * 12},
             "means": {"totals": "1,3", "mean": ["loss:1.5:3", "nll:2:4:0.1:0.9"], "value": "lr:0.25"}}

    def test_a_full_spool_adds_neighbours_up_and_totals_stay_exact(self):
        """A server that is away, a spool of 64 KiB, six forms of 2 epochs of 400 steps."""
        with TallyServer() as server:
            listen, url, run, plain = "127.0.0.1:%d" % server.port, server.url, self.new_run("bounded"), self.new_run("plain")
            server.stop()
            job = self.start()
            job.open(url=url, id=run, spool_bytes=65536)
            direct = self.start()
            direct.open(id=plain)
            for epoch in range(2):
                for first in range(0, 400, 100):
                    for name, fields in self.FORMS.items():
                        for j in (job, direct):
                            self.assertEqual(j.log(epoch=epoch, step=first, steps=100, name=name, **fields), 0)
                job.log(epoch=epoch, step=5000, mean="odd:nan:1", steps=3)
                direct.log(epoch=epoch, step=5000, mean="odd:nan:1", steps=3)
                job.ask("config {\"epoch\":%d}" % epoch)
                self.wait_for_spool(job)
                wait_until(lambda: sum(map(os.path.getsize, self.segments())) <= 65536, what="the bound")
            stats = job.stats()
            self.assertGreater(stats["added_up"], 3000)
            self.assertEqual(stats["lost"], 0)
            server.listen = listen
            server.start()
            self.assertEqual(job.ask("flush 20"), 0)
            self.assertEqual(job.ask("close finished 10"), "0 0")
            self.assertEqual(direct.ask("close finished 10"), "0 0")
            self.assertIn("neighbouring batches of an epoch are added up", job.end())
            direct.end()
            self.assertEqual(self.document(run, server)["config"]["epoch"], 1)
            metrics = "totals:accuracy,classes:f1.macro,matrix:kappa@linear,cells:mcc,rows:f1.weighted,means:accuracy,loss,loss:sum,nll:min,nll:max,lr,lr:sum,odd"
            answers = []
            for s, r in ((server, run), (self.server, plain)):
                entries = [self.epoch(r, metric=metrics, epoch=e, server=s, mean_of_steps="false") for e in range(2)]
                answers.append([(e["samples"], {k: (m["value"], m.get("nonfinite")) for k, m in e["metrics"].items()}) for e in entries])
            self.assertEqual(*answers)

    def test_a_disk_that_refuses_keeps_everything_in_memory_within_bounds(self):
        blocked = os.path.join(self.spool, "file")
        with open(blocked, "w", encoding="ascii"):
            pass
        with TallyServer() as server:
            listen, url, run = "127.0.0.1:%d" % server.port, server.url, self.new_run()
            server.stop()
            job = self.start(TALLY_SPOOL_DIR=os.path.join(blocked, "spool"))
            job.open(url=url, id=run, queue_bytes=131072)
            for first in range(0, 3000, 600):
                job.log(step=first, totals="1,2", steps=600)
                self.wait_for_spool(job)
            self.assertGreater(job.stats()["added_up"], 0)
            server.listen = listen
            server.start()
            self.assertEqual(job.ask("close finished 10"), "0 0")
            self.assertIn("the spool cannot be written (Not a directory)", job.end())
            self.assertEqual((self.epoch(run, server=server)["samples"], self.epoch(run, server=server)["batches"] < 3000), (6000, True))

    def test_a_full_queue_adds_up_too(self):
        """Nothing drains it between two looks of the sender: 8 KiB are 30 records, 2,000 are logged."""
        run, job = self.new_run(), self.start()
        job.open(id=run, queue_bytes=8192)
        for epoch in range(2):
            self.assertEqual(job.log(epoch=epoch, confusion="1,2,3,4", mean="loss:1:2", steps=2000), 0)
        self.assertEqual(job.ask("flush 10"), 0)
        stats = job.stats()
        self.assertGreater(stats["added_up"], 0)
        self.assertEqual(stats["lost"], 0)
        job.ask("close finished 10")
        self.assertIn("records come faster than they can be written", job.end())
        for epoch in range(2):
            entry = self.epoch(run, metric="accuracy,loss", epoch=epoch)
            self.assertEqual((entry["samples"], entry["metrics"]["accuracy"]["value"], entry["metrics"]["loss"]["value"]), (20000, 0.5, 0.5))


class Tokens(ClientTest):
    def test_a_token_is_sent_and_without_it_everything_is_kept(self):
        server = TallyServer("--allow-host", "tally.example")
        server.token = server.create_token("write")
        with server:
            run = self.new_run()
            job = self.start()
            job.open(id=run, url=server.url)
            job.log(totals="1,1")
            self.assertEqual(job.ask("close finished 5"), "0 3")
            self.assertIn("the server refuses us: 401", job.end())
            job = self.start(TALLY_TOKEN=server.token)
            job.open(id=run, url=server.url)
            job.log(step=1, totals="0,1")
            self.assertEqual(job.ask("close finished 10"), "0 0")
            job.end()
            self.assertEqual(self.epoch(run, server=server)["samples"], 2)
            for path in glob.glob(os.path.join(self.spool, "**", "*"), recursive=True):
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        self.assertNotIn(server.token.encode(), f.read())


PYTHON_JOB = """
import os, signal, sys, time, tally
run = tally.init("client", id=sys.argv[1], env=False)
for step in range(50):
    run.log("train", 0, step, confusion=[[1, 0], [1, 2]], sums={"loss": (1.5, 4)})
time.sleep(0.6)
os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_python_client
class PythonClient(ClientTest):
    """One spool: each client sends what the other left."""

    def test_away_for_the_whole_run_and_then_sync(self):
        run, job = self.new_run("away"), self.start()
        job.open(url=NOWHERE, id=run, project="client", config='{"a":1}')
        self.assertEqual(job.ask("stage train 200 0 0 x|y"), 0)
        job.log(confusion="1,0,1,2", steps=50, mean="loss:1.5:4", value="lr:0.5")
        self.assertEqual(job.ask("close finished 0.1"), "0 53")
        self.assertIn("tally-client sync " + self.spool, job.end())
        self.assertIn("50 accepted, 0 duplicates", self.sync(self.spool, "--url", self.server.url))
        document = self.document(run)
        self.assertEqual((document["project"], document["status"], document["config"]["a"]), ("client", "finished", 1))
        entry = self.epoch(run, metric="accuracy,loss,lr")
        self.assertEqual((entry["samples"], [m["value"] for m in entry["metrics"].values()]), (200, [0.75, 0.375, 0.5]))
        self.assertEqual(self.sessions(), [])
        self.assertIn("nothing to send", self.sync(self.spool))

    def test_a_spool_of_added_up_segments_is_synced(self):
        run, job = self.new_run("merged"), self.start()
        job.open(url=NOWHERE, id=run, spool_bytes=32768)
        for first in range(0, 2000, 500):
            job.log(step=first, totals="1,2", mean="loss:1:2", steps=500)
            self.wait_for_spool(job)
        lines = 0
        for path in self.segments():
            with open(path, "rb") as f:
                lines += f.read().count(b"\n")
        self.assertTrue(0 < lines < 2000, lines)
        job.ask("close finished 0")
        job.end()
        self.assertIn(" 0 refused", self.sync(self.spool, "--url", self.server.url))
        entry = self.epoch(run, metric="accuracy,loss")
        self.assertEqual((entry["samples"], entry["metrics"]["loss"]["value"]), (4000, 0.5))

    def test_a_c_program_sends_what_a_killed_python_program_left(self):
        with TallyServer() as server:
            listen, url, run = "127.0.0.1:%d" % server.port, server.url, self.new_run("left")
            server.stop()
            done = subprocess.run([sys.executable, "-c", PYTHON_JOB, run], env=job_environment(TALLY_URL=url, TALLY_SPOOL_DIR=self.spool), timeout=30, check=False)
            self.assertEqual(done.returncode, -signal.SIGKILL)
            self.assertEqual(len(self.sessions()), 1)
            server.listen = listen
            server.start()
            job = self.start()
            job.open(url=url, id=run)
            job.log(step=50, confusion="1,0,1,2", mean="loss:1.5:4")
            self.assertEqual(job.ask("close finished 10"), "0 0")
            job.end()
            entry = self.epoch(run, metric="accuracy,loss", server=server)
            self.assertEqual((entry["batches"], entry["samples"], entry["metrics"]["loss"]["value"]), (51, 204, 0.375))
            self.assertEqual(self.sessions(), [])

    def test_both_come_to_the_same_run_and_attempt(self):
        """Of what launchers say: the run's id and the attempt in the meta.json of either."""
        python = "import sys, tally; run = tally.init(sys.argv[1], exit_seconds=0, env=False)"
        long, started = "x" * 50 + " y/" * 30, []
        for project, env in (("p", {"SLURM_JOB_ID": 812, "SLURM_STEP_ID": 0, "SLURM_PROCID": 3, "SLURM_NTASKS": 8, "SLURM_RESTART_COUNT": 2}),
                             (long, {"TORCHELASTIC_RUN_ID": long, "RANK": 1, "WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 2, "TORCHELASTIC_RESTART_COUNT": 1}),
                             ("p", {"TORCHELASTIC_RUN_ID": "none", "RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}),
                             ("p q", {"TALLY_RUN": "my run!", "OMPI_COMM_WORLD_RANK": 2, "OMPI_COMM_WORLD_SIZE": 3}),
                             ("p", {"RANK": 1, "WORLD_SIZE": 3, "_TALLY_LAUNCH": "1 p handed attempt-7"}),
                             ("p", {"LOCAL_RANK": 1, "NODE_RANK": 2, "LOCAL_WORLD_SIZE": 4, "PBS_JOBID": "7.host", "TALLY_ATTEMPT": "\u00e4 7"})):
            folder = os.path.join(self.spool, str(len(started)))
            env = {"TALLY_URL": NOWHERE, "TALLY_SPOOL_DIR": folder, **env}
            started.append((folder, project, env, subprocess.Popen([sys.executable, "-c", python, project], env=job_environment(**env),
                                                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
        for folder, project, env, process in started:
            self.assertEqual(process.wait(30), 0)
            theirs = self.take_meta(folder)
            job = self.start(**env)
            job.open(project=project)
            job.ask("close - 0")
            job.end()
            self.assertEqual(self.take_meta(folder), theirs, env)

    def take_meta(self, spool):
        folder, = (path for path in self.sessions() if path.startswith(spool + os.sep))
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as f:
            meta = json.load(f)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
        self.assertLess(abs(meta.pop("created") / 1000 - time.time()), 60)
        return meta


if __name__ == "__main__":
    unittest.main()
