"""A real tally server for black-box tests: started on a free port with a database of its own, ended by its pid.

Standard library only, Python 3.9+.  TALLY_BIN names the program (default build/release/tally in the repository).
"""
import gzip
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TALLY_BIN = os.path.abspath(os.environ.get("TALLY_BIN", os.path.join(ROOT, "build", "release", "tally")))
GOLDEN = os.path.join(ROOT, "tests", "golden")
START_SECONDS = 20
STOP_SECONDS = 30
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer")


class Response:
    """Status, headers (lower case), body; json() parses strictly enough to notice NaN."""

    def __init__(self, status, headers, body):
        self.status = status
        self.header_list = [(k.lower(), v) for k, v in headers]
        self.headers = dict(self.header_list)
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        def refuse(name):
            raise ValueError("not JSON: " + name)
        return json.loads(self.text, parse_constant=refuse)

    def lines(self):
        """The records of an NDJSON body."""
        return [json.loads(line) for line in self.text.split("\n") if line]

    def __repr__(self):
        return "<%d %s>" % (self.status, self.body[:600].decode("utf-8", "replace"))


def environment(extra=None):
    """The environment without TALLY_* options of the person who runs the tests."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TALLY_")}
    env.update(extra or {})
    return env


def run_tally(*args, env=None, timeout=START_SECONDS, program=TALLY_BIN):
    """Run the program to its end: (exit code, stdout, stderr)."""
    done = subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(env),
                          timeout=timeout, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def wait_until(condition, seconds=15, what="it"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("%s did not happen in %d s" % (what, seconds))
        time.sleep(0.02)


class TallyServer:
    """One server process.  Its folder is removed by close()."""

    def __init__(self, *options, listen="127.0.0.1:0", env=None, folder=None, program=TALLY_BIN):
        self.program = program
        self.options = list(options)
        self.listen = listen
        self.env = env
        self.folder = folder or tempfile.mkdtemp(prefix="tally-test-")
        self.db = os.path.join(self.folder, "tally.db")
        self.token = None
        self.port = 0
        self.process = None
        self.output = []
        self.local = threading.local()
        self.connections = []
        self.log = os.path.join(self.folder, "log")

    # ---- life cycle ----
    def start(self):
        arguments = [self.program, "serve", "--db", self.db, "--listen", self.listen, *self.options]
        self.hang_up()
        self.port = 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, env=environment(self.env))
        ready = threading.Event()
        threading.Thread(target=self._read_stdout, args=(self.process.stdout, ready), daemon=True).start()
        if not ready.wait(START_SECONDS) or not self.port:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("the server did not start:\n" + "".join(self.output) + self.log_text())
        return self

    def _read_stdout(self, pipe, ready):
        for raw in pipe:
            line = raw.decode("utf-8", "replace")
            self.output.append(line)
            found = re.match(r"listening on https?://(?:\[[^\]]*\]|[^:/]+):(\d+)/", line)
            if found:
                self.port = int(found.group(1))
                ready.set()
        ready.set()
        pipe.close()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def hang_up(self):
        """Close the kept-alive connections of all threads."""
        for connection in self.connections:
            connection.close()
        self.connections = []
        self.local = threading.local()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_SECONDS):
        return self.process.wait(timeout)

    def stop(self):
        """SIGTERM, and the exit code.  Anything but 0 is for the caller to judge."""
        if self.process.poll() is None:
            self.signal()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def kill(self):
        """kill -9: what a power cut looks like from inside."""
        self.process.kill()
        self.process.wait()

    def is_alive(self):
        return self.process.poll() is None

    def check(self):
        """The server is stopped: every stored sum is that of its batches."""
        if os.path.exists(self.db):
            code, out, err = run_tally("check", "--db", self.db, timeout=120)
            if code != 0:
                raise AssertionError("tally check: %s%s" % (out[-4000:], err))

    def close(self):
        """Stop, check that it ended well and left a sound database, remove its folder."""
        code = self.stop() if self.process and self.process.poll() is None else self.process and self.process.returncode
        self.hang_up()
        text = self.log_text()
        try:
            self.check()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        shutil.rmtree(self.folder, ignore_errors=True)
        if code not in (0, None, -signal.SIGKILL):
            raise AssertionError("the server ended with %s:\n%s" % (code, text[-4000:]))
        if SANITIZER.search(text):
            raise AssertionError("a sanitizer complained:\n" + text[-8000:])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    # ---- requests ----
    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, query=None, token=True):
        """One request on this thread's connection.  A dict or list becomes JSON; token=False sends none."""
        headers = dict(headers or {})
        if query:
            path += "?" + urllib.parse.urlencode(query, safe=",@:/")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.token and token is True:
            headers.setdefault("Authorization", "Bearer " + self.token)
        elif isinstance(token, str):
            headers.setdefault("Authorization", "Bearer " + token)
        for attempt in (0, 1):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = self.local.connection = self.connect()
                self.connections.append(connection)
            try:
                connection.request(method, path, body=body, headers=headers)
                answer = connection.getresponse()
                return Response(answer.status, answer.getheaders(), answer.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                self.local.connection = None
                if fresh or attempt:  # only an idle connection that the server had closed is tried again
                    raise
            except Exception:
                connection.close()
                self.local.connection = None
                raise

    def get(self, path, headers=None, token=True, **query):
        return self.request("GET", path, headers=headers, token=token, query={k: v for k, v in query.items() if v is not None})

    def post(self, path, body, headers=None, **more):
        return self.request("POST", path, body=body, headers=headers, **more)

    def put(self, path, body, **more):
        return self.request("PUT", path, body=body, **more)

    def patch(self, path, body, **more):
        return self.request("PATCH", path, body=body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def log_batches(self, run, records, **more):
        return self.post("/api/v1/runs/%s/batches" % run, records, **more)

    def raw(self, data, timeout=10, close_write=False):
        """Send bytes on a connection of their own and read until the server closes it or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            try:
                for part in [data] if isinstance(data, bytes) else data:
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        s.sendall(part)
                if close_write:
                    s.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            out = b""
            try:
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        break
                    out += piece
            except (socket.timeout, ConnectionResetError):
                pass
            return out

    def create_token(self, scope, *more):
        """The text of a new token, made by the command line while the server may be running."""
        code, out, err = run_tally("token", "create", "--db", self.db, "--scope", scope, *more)
        if code != 0:
            raise RuntimeError("token create: %s%s" % (out, err))
        return out.split()[-1]


NAMES = itertools.count()


class ApiTest(unittest.TestCase):
    """A test class with one server for all its tests; each test takes run ids of its own."""

    maxDiff = 4000
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer(*cls.options).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def tearDown(self):
        self.assertTrue(self.server.is_alive(), "the server died: " + self.server.log_text()[-4000:])

    def new_run(self, label="run"):
        return "%s-%d-%d" % (label, os.getpid(), next(NAMES))

    def path(self, run, tail=""):
        return "/api/v1/runs/" + run + ("/" + tail if tail else "")

    def log_ok(self, run, records, accepted=None, duplicates=0, stale=0, **more):
        """Post records that must be taken."""
        answer = self.server.log_batches(run, records, **more)
        self.assertEqual(answer.status, 200, answer)
        if accepted is None:
            accepted = len(records) if isinstance(records, list) else 1
        self.assertEqual(answer.json(), {"accepted": accepted, "duplicates": duplicates, "stale": stale})

    def ask(self, run, what, **query):
        answer = self.server.get(self.path(run, what), **query)
        self.assertEqual(answer.status, 200, (what, query, answer))
        return answer.json()

    def epoch_value(self, run, metric, epoch=0, **query):
        entries = self.ask(run, "epochs", metric=metric, epoch=epoch, **query)["epochs"]
        return entries[0]["metrics"][metric]["value"]

    def assert_problem(self, answer, status, code=None, pointer=None, says=None):
        """RFC 9457, the shape of every error."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers.get("content-type", "").split(";")[0], "application/problem+json", answer)
        problem = answer.json()
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["type"].startswith("urn:tally:problem:"), problem)
        self.assertTrue(problem["title"] and problem["detail"], problem)
        self.assertLessEqual(set(problem), {"type", "title", "status", "detail", "errors", "instance"}, problem)
        if code is not None:
            self.assertEqual(problem["type"], "urn:tally:problem:" + code, problem)
        pointers = [e["pointer"] for e in problem.get("errors", [])]
        for entry in problem.get("errors", []):
            self.assertTrue(entry["detail"], problem)
        if pointer is not None:  # the place itself, or one inside it
            self.assertTrue([p for p in pointers if p == pointer or p.startswith(pointer + "/")], "%s is not named: %s" % (pointer, problem))
        if says is not None:
            self.assertIn(says, json.dumps(problem, ensure_ascii=False), problem)
        return problem

    def assert_close(self, got, want, tolerance=1e-9, where=""):
        """The golden rule: |a - b| <= tol * max(1, |want|); None where undefined; lists by element."""
        if isinstance(want, list):
            self.assertIsInstance(got, list, where)
            self.assertEqual(len(got), len(want), where)
            for i, (g, w) in enumerate(zip(got, want)):
                self.assert_close(g, w, tolerance, "%s[%d]" % (where, i))
        elif want is None or got is None:
            self.assertEqual(got, want, where)
        else:
            self.assertLessEqual(abs(got - want), tolerance * max(1.0, abs(want)), "%s: got %r, want %r" % (where, got, want))

    def answers(self, run, stage, metrics):
        """Everything that can be asked of a stage, without what names the run: for comparing two runs."""
        out, numbers = {}, ",".join(m for m in metrics.split(",") if not m.endswith(".none"))
        for what, query in (("epochs", {"metric": metrics}), ("steps", {"metric": numbers, "points": 10000}),
                            ("steps", {"metric": numbers, "points": 3})):
            answer = self.ask(run, what, stage=stage, **query)
            answer.pop("run")
            answer.pop("revision")
            out[what + str(query.get("points", ""))] = answer
        return out


def gz(body):
    return gzip.compress(body if isinstance(body, bytes) else json.dumps(body).encode())


def seed_of(name):
    """A seed for random tests: TALLY_SEED repeats a run; it is printed so that a failure can be repeated."""
    seed = int(os.environ.get("TALLY_SEED", time.time_ns() % 1000000007))
    print("%s: TALLY_SEED=%d" % (name, seed), file=sys.stderr)
    return seed
