"""What the operator sees: figures for a monitoring system, readiness with its reason, and the log."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from tally_server import ROOT, ApiTest, TallyServer, run_tally, wait_until

# The parser is Debian's python3-prometheus-client, which another Python than the system's does not see.
PARSE = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([{"name": f.name, "type": f.type, "unit": f.unit, "help": f.documentation,
                   "samples": [[s.name, s.labels, s.value] for s in f.samples]}
                  for f in text_string_to_metric_families(sys.stdin.read())]))
"""


def parse(text):
    """What a real parser of OpenMetrics makes of it: family -> its description and samples."""
    errors = []
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([python, "-c", PARSE], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0:
            return {family["name"]: family for family in json.loads(done.stdout)}
        errors.append(done.stderr.decode()[-2000:])
    raise AssertionError("not OpenMetrics, or python3-prometheus-client is not installed:\n" + "\n".join(errors))


def value(families, sample, **labels):
    """The value of the one sample of this name that has these labels; None: there is none."""
    found = [v for family in families.values() for name, own, v in family["samples"]
             if name == sample and all(own.get(k) == w for k, w in labels.items())]
    assert len(found) <= 1, (sample, labels, found)
    return found[0] if found else None


class Figures(ApiTest):
    def figures(self):
        return parse(self.server.get("/metrics").text)

    def test_a_real_parser_takes_all_of_it(self):
        self.log_ok(self.new_run(), {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.server.get("/nowhere")
        families = self.figures()
        self.assertGreaterEqual(len(families), 30)
        for name, family in families.items():
            self.assertNotIn(family["type"], ("unknown", ""), name)
            self.assertTrue(family["help"], name)
            for unit in ("seconds", "bytes"):
                if name.endswith("_" + unit):
                    self.assertEqual(family["unit"], unit, name)
            self.assertTrue(family["samples"], name)

    def test_every_figure_is_documented(self):
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as f:
            text = f.read()
        with open(os.path.join(ROOT, "server", "api_server_metrics.c"), encoding="utf-8") as f:
            source = f.read()
        names = set(re.findall(r'"((?:tally|process)_[a-z_]+)"', source))
        self.assertGreaterEqual(len(names), 30)
        for name in sorted({n for n in names if not n.endswith("_total")} | set(self.figures())):
            self.assertTrue("`%s`" % name in text, "docs/operations.md: " + name)

    def test_answers_and_their_durations_are_counted_by_route(self):
        run, route = self.new_run(), "/api/v1/runs/{run}/batches"
        before = self.figures()
        for step in range(3):
            self.log_ok(run, {"stage": "t", "epoch": 0, "step": step, "correct": 1, "total": 2})
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}, accepted=0, duplicates=1)
        self.assertEqual(self.server.log_batches(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 2, "total": 2}).status, 409)
        after = self.figures()

        def grown(sample, **labels):
            return value(after, sample, **labels) - (value(before, sample, **labels) or 0)
        self.assertEqual(grown("tally_requests_total", method="POST", route=route, status="200"), 4)
        self.assertEqual(grown("tally_requests_total", method="POST", route=route, status="409"), 1)
        self.assertEqual(grown("tally_records_total"), 3)
        self.assertEqual(grown("tally_records_duplicate_total"), 1)
        self.assertEqual(grown("tally_jobs_refused_total"), 1)
        self.assertEqual(grown("tally_request_duration_seconds_count", method="POST", route=route), 5)
        self.assertEqual(grown("tally_request_duration_seconds_bucket", method="POST", route=route, le="10.0"), 5)
        self.assertGreater(grown("tally_request_duration_seconds_sum", method="POST", route=route), 0)
        self.assertGreaterEqual(grown("tally_commit_duration_seconds_count"), 4)
        self.assertGreater(grown("tally_commit_duration_seconds_sum"), 0)

    def test_sizes_and_the_process_are_those_of_the_system(self):
        self.log_ok(self.new_run(), {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        pid, families = self.server.process.pid, self.figures()
        self.assertEqual(value(families, "tally_database_bytes"), os.path.getsize(self.server.db))
        self.assertGreaterEqual(value(families, "tally_wal_bytes"), 0)
        fs = os.statvfs(self.server.folder)
        self.assertLess(abs(value(families, "tally_disk_free_bytes") - fs.f_bavail * fs.f_frsize), 1 << 30)
        with open("/proc/%d/statm" % pid, encoding="ascii") as f:
            resident = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        self.assertLess(abs(value(families, "process_resident_memory_bytes") - resident), 64 << 20)
        self.assertLess(abs(value(families, "process_open_fds") - len(os.listdir("/proc/%d/fd" % pid))), 8)
        self.assertLess(abs(value(families, "process_start_time_seconds") - os.stat("/proc/%d" % pid).st_mtime), 10)
        self.assertGreater(value(families, "process_cpu_seconds_total"), 0)
        self.assertGreaterEqual(value(families, "tally_connections"), 1)
        for flag in ("tally_store_read_only", "tally_store_full", "tally_store_gone"):
            self.assertEqual(value(families, flag), 0, flag)
        self.assertIsNone(value(families, "tally_last_error_timestamp_seconds"))

    def test_backups_are_counted(self):
        before, made = self.figures(), time.time()
        self.assertEqual(self.server.post("/api/v1/backup", None).status, 201)
        after = self.figures()
        self.assertEqual(value(after, "tally_backups_total"), value(before, "tally_backups_total") + 1)
        self.assertLess(abs(value(after, "tally_backup_last_timestamp_seconds") - made), 10)


class Ready(unittest.TestCase):
    def refuse(self, server, code, says):
        answer = server.get("/readyz")
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.headers["content-type"].split(";")[0], "application/problem+json")
        self.assertEqual(answer.json()["type"], "urn:tally:problem:" + code)
        self.assertIn(says, answer.json()["detail"])

    def test_a_ready_server_says_so(self):
        with TallyServer() as server:
            self.assertEqual(server.get("/readyz").json(), {"status": "ready"})

    def test_a_database_that_was_removed_is_noticed_and_can_be_saved(self):
        with TallyServer() as server:
            for step in range(50):
                self.assertEqual(server.log_batches("r", {"stage": "t", "epoch": 0, "step": step, "correct": 1, "total": 2}).status, 200)
            os.unlink(server.db)
            self.refuse(server, "storage-failed", "removed or replaced")
            self.assertEqual(value(parse(server.get("/metrics").text), "tally_store_gone"), 1)
            answer = server.post("/api/v1/backup", None)
            self.assertEqual(answer.status, 201, answer)
            saved = answer.json()["file"]
            self.assertEqual(run_tally("check", "--db", saved)[0], 0)
            self.assertEqual(server.stop(), 0)
            for end in ("-wal", "-shm"):
                if os.path.exists(server.db + end):
                    os.unlink(server.db + end)
            shutil.move(saved, server.db)
            server.start()
            self.assertEqual(server.get("/readyz").status, 200)
            self.assertEqual(server.get("/api/v1/runs/r/epochs").json()["epochs"][0]["samples"], 100)

    def test_a_server_that_drains_says_that_it_is_stopping(self):
        with TallyServer() as server:
            kept = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            slow = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            with kept, slow:
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b"200 OK", kept.recv(65536))
                # a request whose body is not all there yet holds the drain open
                slow.sendall(b"POST /api/v1/runs/r/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{")
                wait_until(lambda: value(parse(server.get("/metrics").text), "tally_requests_open") >= 2, what="the slow request")
                server.signal(signal.SIGTERM)
                wait_until(lambda: "stopping" in server.log_text(), what="the drain")
                kept.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = kept.recv(65536)
                self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
                self.assertIn(b"application/problem+json", answer)
                self.assertIn(b"urn:tally:problem:stopping", answer)
            self.assertEqual(server.wait(), 0)


class Log(unittest.TestCase):
    def lines(self, server):
        out = []
        for line in server.log_text().splitlines():
            event = json.loads(line)
            self.assertEqual(list(event), ["time", "level", "event", "detail"], line)
            self.assertLess(abs(event["time"] / 1000 - time.time()), 600)
            self.assertIn(event["level"], ("info", "warn", "error"))
            self.assertRegex(event["event"], r"^[a-z]+(-[a-z]+)*$")
            self.assertIsInstance(event["detail"], str)
            out.append(event)
        return out

    def test_each_event_in_the_source_has_a_name_of_its_own_shape(self):
        folder, names = os.path.join(ROOT, "server"), set()
        for name in sorted(os.listdir(folder)):
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    for argument in re.findall(r'log_event\(\s*LOG_\w+,\s*([^,]*),', f.read()):
                        names.update(re.findall(r'"([^"]*)"', argument))
        self.assertGreaterEqual(len(names), 8)
        for name in names:
            self.assertRegex(name, r"^[a-z]+(-[a-z]+)*$")
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as f:
            text = f.read()
        for name in names:
            self.assertTrue("`%s`" % name in text, "docs/operations.md does not know the event " + name)

    def test_one_json_object_a_line(self):
        with TallyServer("--insecure-no-auth", listen="0.0.0.0:0") as server:
            server.log_batches("r", {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
            server.get("/api/v1/runs/%22%0a%00")
            self.assertEqual(server.stop(), 0)
            events = [e["event"] for e in self.lines(server)]
            self.assertEqual(events, ["no-auth", "stopping"])

    def test_probes_of_a_failed_store_are_no_events(self):
        with TallyServer() as server:
            server.log_batches("r", {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
            before = len(self.lines(server))
            kept = server.db + ".kept"
            os.rename(server.db, kept)
            for _ in range(5):
                self.assertEqual(server.get("/readyz").status, 503)
            os.rename(kept, server.db)
            self.assertEqual(server.get("/readyz").status, 200)
            self.assertEqual(len(self.lines(server)), before)


if __name__ == "__main__":
    unittest.main()
