"""A database of an earlier version is brought up to date when it is opened, and nothing of it is lost."""
import glob
import hashlib
import os
import sqlite3
import tempfile
import unittest

from tally_server import ROOT, TallyServer, run_tally

TOKEN = "a token of an earlier version, of all projects"


def schema_file(number):
    (path,) = glob.glob(os.path.join(ROOT, "schema", "sqlite", "%03d_*.sql" % number))
    with open(path, encoding="utf-8") as f:
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
        latest = len(glob.glob(os.path.join(ROOT, "schema", "sqlite", "*.sql")))
        for version in range(1, latest):
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
                    db = sqlite3.connect(path)
                    self.assertEqual(db.execute("PRAGMA user_version").fetchone()[0], latest)
                    db.close()
                    server.options, server.token = ["--allow-host", "tally.example"], TOKEN
                    server.start()
                    self.assertEqual(server.get("/api/v1/projects").json()["projects"], [{"name": "p", "runs": 2}, {"name": "q", "runs": 2}])
                    self.assertEqual(server.patch("/api/v1/runs/b", {"project": "q"}).status, 200)


if __name__ == "__main__":
    unittest.main()
