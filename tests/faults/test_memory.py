"""Out of memory: each allocation of each request fails once, in a server under the address sanitizer.

Whatever fails, the server lives, the answer is right or 503 out-of-memory, a request is stored as a whole or not at all,
and nothing that the server remembers is wrong afterwards: the same request works at once, and what is then asked of its
run has the same answers as of a twin that never met a failure.  At the end nothing is leaked and `tally check` agrees.
"""
import fcntl
import gzip
import http.client
import mmap
import os
import re
import shutil
import sqlite3
import struct
import sys
import unittest

from faults import HERE, FaultTest, quick_folder, require, rng_of
from memory_cases import OTHERS, READS, WRITES, RECORDS, at, batches, fill
from tally_server import SANITIZER, run_tally
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api"))
from test_docs import routes  # noqa: E402

PROGRAM = os.environ.get("TALLY_MEMORY", os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "address-undefined", "tests", "faults", "tally"))
ALLOCATIONS = os.environ.get("ALLOCATIONS", "2")  # how many of each request fail; "all": every one
ONLY = os.environ.get("ONLY", "")                 # the cases whose names hold this
NEVER, ENDLESS = 2 ** 64 - 1, 2 ** 63
F_OFD_SETLKW, GATE = 38, 1  # fcntl.h; store_sqlite.h
QUESTIONS = ("/epochs?stage=%s&metric=%s", "/steps?stage=%s&metric=%s&points=50")
METRICS = {"train": "accuracy,loss,a/loss,lr", "val": "accuracy.macro,cells:accuracy,binary:f1,labels:f1", "test": "per-class:accuracy,sparse:accuracy",
           "roc": "auroc,ece,exact_match", "reg": "r2", "all": "accuracy.macro,auroc,ece,exact_match,r2,loss"}


class Allocator:
    """The state shared with the allocator of one server."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(struct.pack("4Q", 0, NEVER, 0, 0))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def env(self):
        return {"MEMORY_STATE": self.path, "MEMORY_TRACE": os.environ.get("MEMORY_TRACE", "")}

    def arm(self, number, count=1):
        """From now on, the allocation of that number fails, and count - 1 after it."""
        struct.pack_into("4Q", self.map, 0, 0, NEVER, count, 0)
        struct.pack_into("Q", self.map, 8, number)

    def disarm(self):
        """How many there were since, and how many failed."""
        struct.pack_into("Q", self.map, 8, NEVER)
        return struct.unpack_from("Q", self.map, 0)[0], struct.unpack_from("Q", self.map, 24)[0]


def numbers(n, rng):
    """Those of n allocations that shall fail."""
    if ALLOCATIONS == "all" or n <= int(ALLOCATIONS):
        return list(range(n))
    return sorted(rng.sample(range(n), int(ALLOCATIONS)))


def without_names(answer, run):
    """An answer, without what differs between twins: the run's name and times, and how often it was changed."""
    body = answer.body
    text = (gzip.decompress(body) if answer.headers.get("content-encoding") == "gzip" else body).decode()
    text = text.replace(run, "RUN").replace(run.encode().hex(), "RUN")
    return re.sub(r'"revision":\d+', '"revision":0', re.sub(r"\b1\d{12}\b", "TIME", text))


def forget_statements(server):
    """Say that the schema has changed: every connection of the server reads it again, and prepares what it has."""
    with open(server.db + ".lock", "r+b") as lock:  # writing beside a server needs the gate (byte 1)
        fcntl.fcntl(lock, F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, GATE, 1, 0))
        db = sqlite3.connect(server.db, isolation_level=None)
        version, = db.execute("PRAGMA schema_version").fetchone()
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA schema_version = %d" % (version + 1))
        db.close()


def end_of(server):
    """The tail of its log, for a message."""
    return server.log_text()[-3000:]


class Memory(FaultTest):
    maxDiff = 4000

    def setUp(self):
        self.hits = self.refusals = self.closed = 0

    def start_server(self):
        """Under the allocator, with a token, so that each request is checked for it."""
        server = self.server(program=PROGRAM)
        self.memory = Allocator(os.path.join(server.folder, "memory"))
        server.env = self.memory.env()
        server.options = ["--allow-host", "memory.test"]
        code, out, err = run_tally("token", "create", "--db", server.db, "--scope", "admin", program=PROGRAM)
        require(code == 0, err)
        server.token = out.split()[-1]
        server.start()
        server.build = re.search(r"/assets/([^/]+)/", server.get("/").text).group(1)
        return server

    # ---- one request, one failure ----

    def ask(self, server, case, run, i, number, count):
        """Send it while that allocation fails.  None: it never came to pass."""
        self.memory.arm(number, count)
        try:
            answer = case.send(server, run, i)
        except (OSError, http.client.HTTPException):
            answer = None
        failed = self.memory.disarm()[1]
        require(server.is_alive(), "the server died: " + end_of(server))
        if failed == 0:
            require(answer is not None and answer.status in case.status, "without a failure: %r" % answer)
            return None
        self.hits += 1
        if answer is None:
            self.closed += 1
            return 0
        if answer.status not in case.status:
            require(answer.status == 503, repr(answer))
            self.refusals += 1
            problem = answer.json()
            require(problem["type"] == "urn:tally:problem:out-of-memory" and problem["status"] == 503, repr(answer))
            require(answer.headers.get("retry-after") == "1" and answer.headers["content-type"] == "application/problem+json", repr(answer.header_list))
        return answer

    def count(self, server, case, run, i):
        """How many allocations the request makes."""
        self.memory.arm(NEVER)
        answer = case.send(server, run, i)
        n = self.memory.disarm()[0]
        require(answer.status in case.status, "%s: %r" % (case.name, answer))
        return n

    def each_failure(self, server, case, run, prepare, judge, rng):
        """Count the allocations of a request, then fail them one by one; once more with all that follow; and once more
        where every statement has to be prepared anew."""
        total = i = 0
        for how, count in (("", 1), (" and all after it", ENDLESS), (" with statements out of date", 1)):
            forget = forget_statements if "statements" in how else lambda server: None
            for _ in range(2):  # the first of its kind makes more than the others
                i += 1
                prepare(i)
                forget(server)
                n = self.count(server, case, run, i)
                judge(i, None)
            for number in numbers(n + 1, rng):
                i += 1
                prepare(i)
                forget(server)
                try:
                    answer = self.ask(server, case, run, i, number, count)
                    judge(i, answer)
                except AssertionError as e:
                    raise AssertionError("%s: allocation %d of %d%s: %s\n%s" % (case.name, number, n, how, e, end_of(server))) from e
            total += n
        return total

    def run_cases(self, cases, go):
        server, n = self.start_server(), 0
        for i, case in enumerate(c for c in cases if ONLY in c.name):
            n += go(server, case, "run%d" % i)
        self.assertEqual(server.stop(), 0, end_of(server))
        self.assertEqual([name for name in os.listdir(server.folder) if "partial" in name], [], "half a backup")
        server.close()
        print("memory: %d allocations in %d requests; %d failed: %d times 503, %d times without an answer"
              % (n, len(cases), self.hits, self.refusals, self.closed), file=sys.stderr)

    # ---- what is stored ----

    def compare(self, server, victim, twin):
        def both(tail):
            a, b = (server.get("/api/v1/runs/" + run + tail) for run in (victim, twin))
            require((a.status, without_names(a, victim)) == (b.status, without_names(b, twin)),
                    "%s of the run and of its twin differ:\n%s\n%s" % (tail, a, b))
            return a

        run = both("")
        for stage in sorted({s["stage"] for s in run.json()["series"]}) if run.status == 200 else ():
            both("/batches?stage=" + stage)
            if stage in METRICS:
                for path in QUESTIONS:
                    both(path % (stage, METRICS[stage]))

    def write(self, server, case, victim, rng):
        twin = "w" + victim[1:]

        def prepare(i):
            if case.before:
                case.before(server, victim, i)
                case.before(server, twin, i)

        def judge(i, first):
            again = first
            if first is not None and (first == 0 or first.status not in case.status):
                again = case.send(server, victim, i)
                require(again.status in case.again, "sent again: %r" % again)
            other = case.send(server, twin, i)
            require(other.status in case.status, repr(other))
            if again is not None and "accepted" in again.text:
                a, b = again.json(), other.json()
                require(a["accepted"] + a["duplicates"] == b["accepted"] + b["duplicates"] and 0 in (a["accepted"], a["duplicates"] - b["duplicates"]),
                        "half of it was stored: %s" % a)
            for tail in ("", "-%d" % i) if "{i}" in case.path else ("",):
                self.compare(server, victim + tail, twin + tail)
        return self.each_failure(server, case, victim, prepare, judge, rng)

    def test_whatever_allocation_of_a_write_fails_it_is_stored_whole_or_not_at_all(self):
        rng = rng_of("memory of writes")
        self.run_cases(WRITES, lambda server, case, run: self.write(server, case, run, rng))

    # ---- what is asked ----

    def read(self, server, case, victim, rng, is_cold):
        """is_cold: a batch more before each, so that what the server remembers of the answer is out of date."""
        twin = "w" + victim[1:]
        fill(server, victim)
        fill(server, twin)
        if is_cold and "{run}" not in case.path:
            return 0
        is_steady = "metrics" not in case.path and "backup" not in case.path and case.method == "GET"

        def prepare(i):
            if case.before:
                case.before(server, victim, i)
            if is_cold:
                for run in (victim, twin):
                    batches(server, run, [at(RECORDS["totals"], 10 + i), at(RECORDS["means"], 10 + i), at(RECORDS["confusion"], 10 + i)])

        def judge(i, first):
            again, other = case.send(server, victim, i), case.send(server, twin, i)
            require(again.status in case.status and again.status == other.status, "asked again: %r" % again)
            if not is_steady:
                return
            require(without_names(again, victim) == without_names(other, twin), "the answers of the run and of its twin differ:\n%r\n%r" % (again, other))
            if first and first.status in case.status:
                require(without_names(first, victim) == without_names(again, victim), "another answer:\n%r\n%r" % (first, again))
        return self.each_failure(server, case, victim, prepare, judge, rng)

    def test_whatever_allocation_of_a_question_fails_the_answer_is_right_or_refused(self):
        rng = rng_of("memory of questions")
        self.run_cases(READS + OTHERS, lambda server, case, run: self.read(server, case, run, rng, False))

    def test_what_the_server_remembers_is_right_after_a_question_failed(self):
        rng = rng_of("memory of fresh questions")
        self.run_cases(READS, lambda server, case, run: self.read(server, case, run, rng, True))

    # ---- the start, and the commands ----

    def program(self, *args):
        """Run the program under the allocator: (exit code, stdout, stderr, whether an allocation failed)."""
        code, out, err = run_tally(*args, env=self.memory.env(), program=PROGRAM)
        n, failed = self.memory.disarm()
        require(not SANITIZER.search(err) and code in (0, 1), "exit %d: %s" % (code, err))
        require(code == 0 or "tally: " in err, "it does not say why: " + err)
        require(code == 0 or failed, "without a failure: " + err)
        self.hits += failed > 0
        self.refusals += code != 0
        return code, out if code == 0 else err, n

    def each_failure_of(self, what, rng, run):
        """run(): one run of a program that is armed already; returns how many allocations there were."""
        self.memory.arm(NEVER)
        n = run()
        for count in (1, ENDLESS):
            for number in numbers(n + 1, rng):
                self.memory.arm(number, count)
                try:
                    run()
                except AssertionError as e:
                    raise AssertionError("%s: allocation %d of %d%s: %s" % (what, number, n, "" if count == 1 else " and all after it", e)) from e
        return n

    def a_store(self, folder):
        """A database with a run, and its export."""
        db, out = os.path.join(folder, "tally.db"), os.path.join(folder, "export")
        server = self.server(folder=folder)
        server.start()
        fill(server, "r")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(run_tally("export", "--db", db, out)[0], 0)
        with open(out, encoding="utf-8") as f:
            return db, f.read()

    def test_a_start_without_memory_ends_with_a_message_and_harms_nothing(self):
        rng, folder = rng_of("memory of the start"), quick_folder()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        db, export = self.a_store(folder)
        self.memory = Allocator(os.path.join(folder, "memory"))

        def start(path, is_new):
            if is_new:
                for end in ("", "-wal", "-shm", ".lock", "-journal"):
                    if os.path.exists(path + end):
                        os.unlink(path + end)
            server = self.server(folder=os.path.dirname(path), program=PROGRAM)
            server.db, server.env, server.log = path, self.memory.env(), path + ".log"
            if os.path.exists(server.log):
                os.unlink(server.log)
            try:
                server.start()
            except RuntimeError:
                n, failed = self.memory.disarm()
                self.refusals += 1
                require(failed and server.process.returncode == 1 and "tally: " in server.log_text(), "exit %s: %s" % (server.process.returncode, server.log_text()))
            else:
                n, failed = self.memory.disarm()
                require(server.get("/api/v1/runs").json()["total"] == (0 if is_new else 2), "not what was stored")
                require(server.stop() == 0, server.log_text())
            self.hits += failed > 0
            require(not SANITIZER.search(server.log_text()), server.log_text())
            if os.path.exists(path) and os.path.getsize(path):
                code, out, err = run_tally("check", "--db", path)
                require(code == 0, out + err)
            return n
        n = self.each_failure_of("start", rng, lambda: start(db, False))
        m = self.each_failure_of("first start", rng, lambda: start(os.path.join(folder, "new.db"), True))
        self.assertEqual(run_tally("export", "--db", db, "-")[1], export)
        print("memory: %d and %d allocations of a start; %d failed: %d starts refused" % (n, m, self.hits, self.refusals), file=sys.stderr)

    def test_a_command_without_memory_does_all_or_nothing(self):
        rng, folder = rng_of("memory of commands"), quick_folder()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        db, export = self.a_store(folder)
        self.memory = Allocator(os.path.join(folder, "memory"))
        exported, other, copy = os.path.join(folder, "export"), os.path.join(folder, "other.db"), os.path.join(folder, "copy")
        others = {"copy", "other.db"}

        def clean():
            for name in os.listdir(folder):
                if name.split("-")[0].replace(".lock", "") in others:
                    os.unlink(os.path.join(folder, name))

        def content(path):
            return run_tally("export", "--db", path, "-")[1]

        def tokens():
            return len(run_tally("token", "list", "--db", db)[1].splitlines())

        def check():
            code, out, n = self.program("check", "--db", db)
            require(code != 0 or "all agree" in out, out)
            return n

        def backup():
            clean()
            code, _, n = self.program("backup", "--db", db, copy)
            require(os.path.exists(copy) == (code == 0), "a backup is there, or is not")
            require(code != 0 or content(copy) == export, "the backup is another")
            return n

        def export_runs():
            clean()
            code, _, n = self.program("export", "--db", db, copy)
            require(os.path.exists(copy) == (code == 0), "an export is there, or is not")
            if code == 0:
                with open(copy, encoding="utf-8") as f:
                    require(f.read() == export, "the export is another")
            return n

        def import_runs():
            clean()
            code, said, n = self.program("import", "--db", other, exported)
            if os.path.exists(other) and os.path.getsize(other):
                got = content(other)
                whole = got == export if code == 0 else all(line in export for line in got.splitlines()[:-1])
                require(whole or "is there in part" in said, "what was imported is another: %s\n%s" % (said, got))
                code, out, err = run_tally("check", "--db", other)
                require(code == 0, out + err)
            return n

        def create():
            before = tokens()
            code, out, n = self.program("token", "create", "--db", db, "--scope", "read")
            require(tokens() - before == (1 if code == 0 else 0), "a token was made, or was not: %s" % out)
            return n

        def listed():
            wanted = run_tally("token", "list", "--db", db)[1]
            code, out, n = self.program("token", "list", "--db", db)
            require(code != 0 or out == wanted, "another list: " + out)
            return n

        def revoke():
            run_tally("token", "create", "--db", db)
            number = run_tally("token", "list", "--db", db)[1].splitlines()[-1].split()[0]
            before = tokens()
            code, _, n = self.program("token", "revoke", number, "--db", db)
            require(before - tokens() == (1 if code == 0 else 0), "a token was revoked, or was not")
            return n
        total = 0
        for name, run in (("check", check), ("backup", backup), ("export", export_runs), ("import", import_runs), ("token create", create),
                          ("token list", listed), ("token revoke", revoke)):
            if ONLY in name:
                total += self.each_failure_of(name, rng, run)
            clean()
            self.assertEqual(set(os.listdir(folder)) - {"tally.db-wal", "tally.db-shm", "tally.db.lock"}, {"tally.db", "export", "memory", "log"}, name)
        self.assertEqual(content(db), export)
        print("memory: %d allocations of 7 commands; %d failed: %d commands refused" % (total, self.hits, self.refusals), file=sys.stderr)

    def test_every_route_is_among_the_cases(self):
        def pattern(path):
            return re.sub(r"\{(i|build)\}.*|\?.*|-\{i\}$", "", path.replace("{run}-{i}", "{run}"))
        asked = {(c.method, pattern(c.path)) for c in WRITES + READS + OTHERS}
        self.assertLessEqual({(m, p.replace("{tail}", "")) for m, p in routes()}, asked)


if __name__ == "__main__":
    unittest.main()
