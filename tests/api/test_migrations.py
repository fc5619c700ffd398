"""A database of an earlier version is brought up to date when it is opened, and nothing of it is lost; one of a later
version, or of another program, is left as it is."""
import hashlib
import os
import shutil
import sqlite3
import tempfile
import unittest

from tally_server import TallyServer, run_tally
from upgrade import answers_of, ask, dump, lacks, restore, schema_files, version_of, versions

LATEST = max(schema_files())
RECORD = {"stage": "train", "epoch": 1, "step": 77, "correct": 3, "total": 4}

TOKEN = "a token of an earlier version, of all projects"


def schema_file(number):
    with open(schema_files()[number], encoding="utf-8") as f:
        return f.read()


def make(path, version):
    """A database as that version left it: three projects, one of them without a run; a deleted run; two runs of one time."""
    db = sqlite3.connect(path)
    for number in range(1, version + 1):
        db.executescript(schema_file(number))
    with db:
        db.executemany("INSERT INTO project (project, name, created_at) VALUES (?, ?, 1)", [(1, "p"), (2, "q"), (3, "empty")])
        for run, name, project, created_at, hidden in ((1, "a", 1, 10, 0), (2, "c", 2, 20, 0), (3, "b", 1, 20, 0), (4, "gone", 3, 30, 1), (5, "d", 1, 5, 0)):
            db.execute("INSERT INTO run (run, id, project, status, created_at, updated_at, ended_at, seen_at, revision, hidden) VALUES (?, ?, ?, 1, ?, ?, ?, ?, 1, ?)",
                       (run, name, project, created_at, created_at, created_at, created_at, hidden))
        db.execute("INSERT INTO token (name, scope, sha256, created_at, expires_at) VALUES ('ci', 'write', ?, 1, 0)", (hashlib.sha256(TOKEN.encode()).digest(),))
    db.execute("PRAGMA user_version = %d" % version)
    db.close()
    os.chmod(path, 0o600)


class Migrations(unittest.TestCase):
    def test_runs_of_each_earlier_version_are_counted_and_listed(self):
        for version in range(1, LATEST):
            with self.subTest(version=version), tempfile.TemporaryDirectory(prefix="tally-test-") as folder:
                path = os.path.join(folder, "tally.db")
                make(path, version)
                with TallyServer(folder=folder) as server:
                    answer = server.get("/api/v1/runs").json()
                    self.assertEqual([r["id"] for r in answer["runs"]], ["b", "c", "a", "d"])
                    self.assertEqual(answer["total"], 4)
                    self.assertEqual(server.get("/api/v1/runs", project="p").json()["total"], 3)
                    self.assertEqual(server.get("/api/v1/projects").json()["projects"], [{"name": "p", "runs": 3}, {"name": "q", "runs": 1}])
                    self.assertEqual(server.put("/api/v1/runs/e", {"project": "q"}).status, 201)
                    self.assertEqual(server.delete("/api/v1/runs/a").status, 204)
                    self.assertEqual(server.get("/api/v1/projects").json()["projects"], [{"name": "p", "runs": 2}, {"name": "q", "runs": 2}])
                    self.assertEqual(server.stop(), 0)
                    code, out, err = run_tally("check", "--db", path)
                    self.assertEqual((code, err), (0, ""), out)
                    self.assertEqual(version_of(path), LATEST)
                    server.options, server.token = ["--allow-host", "tally.example"], TOKEN
                    server.start()
                    self.assertEqual(server.get("/api/v1/projects").json()["projects"], [{"name": "p", "runs": 2}, {"name": "q", "runs": 2}])
                    self.assertEqual(server.patch("/api/v1/runs/b", {"project": "q"}).status, 200)

    def test_a_database_of_each_released_schema_gives_the_answers_it_gave_then(self):
        self.assertGreaterEqual(len(versions()), 3)
        for version in versions():
            with self.subTest(version=version), tempfile.TemporaryDirectory(prefix="tally-test-") as folder:
                path = os.path.join(folder, "tally.db")
                restore(version, path)
                code, out, err = run_tally("check", "--db", path)
                self.assertEqual((code, err), (0, ""), out)
                self.assertEqual(version_of(path), LATEST)
                tokens = run_tally("token", "list", "--db", path)[1].splitlines()[1:]
                self.assertEqual([t.split()[1] for t in tokens], ["admin", "read"])
                with TallyServer(folder=folder) as server:
                    self.assertEqual([lacks(want, got, question) for (question, want), got in zip(answers_of(version).items(), ask(server).values())
                                      if lacks(want, got, question)], [])
                    for run in ("job", "gone"):  # it is written to as one of today's
                        answer = server.log_batches(run, [RECORD, {**RECORD, "step": 80}])
                        self.assertEqual(answer.json(), {"accepted": 2, "duplicates": 0, "stale": 0})
                    self.assertEqual(server.post("/api/v1/runs/job/rewind", {"epoch": 1, "step": 70, "attempt": "three"}).json()["removed"] > 0, True)
                    self.assertEqual(server.delete("/api/v1/runs/other").status, 204)

    def test_what_only_reads_works_on_an_earlier_schema_or_says_what_to_do(self):
        for version in versions():
            with self.subTest(version=version), tempfile.TemporaryDirectory(prefix="tally-test-") as folder:
                path, copy, export, upgraded = (os.path.join(folder, n) for n in ("tally.db", "copy.db", "export", "upgraded"))
                restore(version, path)
                before = dump(path)
                self.assertEqual(run_tally("backup", "--db", path, copy)[0], 0)
                self.assertEqual((dump(copy), dump(path), version_of(copy)), (before, before, version), "a copy of it as it is")
                code, _, err = run_tally("export", "--db", path, export)
                self.assertTrue(code == 0 or "earlier version" in err, err)
                self.assertEqual(dump(path), before)
                run_tally("check", "--db", copy)
                self.assertEqual(run_tally("export", "--db", copy, upgraded)[0], 0)
                if code == 0:
                    with open(export, "rb") as a, open(upgraded, "rb") as b:
                        self.assertEqual(a.read(), b.read())

    # ---- what is not ours ----

    COMMANDS = (["serve", "--listen", "127.0.0.1:0"], ["check"], ["backup", "{folder}/copy"], ["export", "{folder}/copy"], ["import", "{folder}/../input"],
                ["token", "create"], ["token", "list"], ["token", "revoke", "1"])

    def all_refuse(self, spoil, says, kept):
        """spoil(path) makes the file another's: every command ends with 3 and leaves all files, but those that are not to be kept, as they are."""
        with tempfile.TemporaryDirectory(prefix="tally-test-") as outside:
            source, folder = os.path.join(outside, "source"), os.path.join(outside, "folder")
            os.mkdir(source)
            with open(os.path.join(outside, "input"), "w", encoding="utf-8") as f:
                f.write('{"tally":"export","version":1}\n{"end":{"runs":0,"records":0}}\n')
            restore(max(versions()), os.path.join(source, "tally.db"))
            code, out, err = run_tally("check", "--db", os.path.join(source, "tally.db"))
            self.assertEqual(code, 0, out + err)
            os.unlink(os.path.join(source, "tally.db.lock"))
            spoil(os.path.join(source, "tally.db"))
            for command in self.COMMANDS:
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(source, folder)
                before = contents(folder)
                code, out, err = run_tally(*[a.replace("{folder}", folder) for a in command], "--db", os.path.join(folder, "tally.db"))
                self.assertEqual((code, out if command[0] != "token" else ""), (3, ""), (command, err))
                self.assertIn(says, err)
                self.assertIn("it is left alone", err)
                after = contents(folder)
                self.assertEqual({n: after.get(n) for n in before if n in kept}, {n: before[n] for n in before if n in kept}, command)
                self.assertLessEqual({n for n in after if n not in before}, {"tally.db-shm", "tally.db.lock"} if "-wal" in "".join(before) else set(), command)

    def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(self):
        def later(path):
            db = sqlite3.connect(path)
            db.execute("PRAGMA user_version = %d" % (LATEST + 1))
            db.close()
        self.all_refuse(later, "later version of tally (schema %d, this one knows %d)" % (LATEST + 1, LATEST), {"tally.db"})

    def test_so_is_one_whose_log_says_so(self):
        def later_in_the_log(path):
            db = sqlite3.connect(path)
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA user_version = %d" % (LATEST + 1))
            for end in ("", "-wal"):  # as a crash leaves them
                shutil.copy(path + end, path + ".crash" + end)
            db.close()
            for end in ("", "-wal"):
                os.replace(path + ".crash" + end, path + end)
        self.all_refuse(later_in_the_log, "later version of tally (schema %d" % (LATEST + 1), {"tally.db", "tally.db-wal"})

    def test_a_database_of_another_program_is_refused_and_left_as_it_is(self):
        def foreign(path, number=0x12345678):
            db = sqlite3.connect(path)
            db.execute("PRAGMA application_id = %d" % number)
            db.close()
        self.all_refuse(foreign, "not one of tally", {"tally.db"})
        self.all_refuse(lambda path: foreign(path, 0), "not one of tally", {"tally.db"})

    def test_its_journal_is_not_played_back_either(self):
        def foreign_with_a_journal(path):
            db = sqlite3.connect(path)
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA application_id = 7")
            db.close()
            with open(path + "-journal", "wb") as f:
                f.write(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
        self.all_refuse(foreign_with_a_journal, "not one of tally", {"tally.db", "tally.db-journal"})

    def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(self):
        def text(path):
            with open(path, "w", encoding="utf-8") as f:
                f.write("a letter to somebody\n" * 20)
        self.all_refuse(text, "not a database", {"tally.db"})


def contents(folder):
    """Every file: its bytes and when it was written."""
    out = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with open(path, "rb") as f:
            out[name] = (f.read(), os.stat(path).st_mtime_ns)
    return out


if __name__ == "__main__":
    unittest.main()
