"""Backups: what is refused, where they go, and what `tally backup` does without a server."""
import os
import stat
import tempfile
import unittest

from tally_server import ApiTest, TallyServer, run_tally


def read(path):
    with open(path, "rb") as f:
        return f.read()


class BackupCall(ApiTest):
    def test_the_server_names_the_file_beside_the_database(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        answer = self.server.post("/api/v1/backup", None)
        self.assertEqual(answer.status, 201, answer)
        path = answer.json()["file"]
        self.assertRegex(path, r"^%s\.\d{8}T\d{6}\.\d{3}Z\.backup$" % self.server.db.replace(".", r"\."))
        self.assertEqual(os.path.getsize(path), answer.json()["bytes"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        code, out, err = run_tally("check", "--db", path)
        self.assertEqual(code, 0, out + err)
        self.assertIn("1 batches", out)

    def test_no_path_and_no_body_is_taken(self):
        self.assert_problem(self.server.post("/api/v1/backup", {"file": "/tmp/x.db"}), 422, "invalid-value")
        self.assert_problem(self.server.request("POST", "/api/v1/backup", query={"file": "x"}), 422, "unknown-field", pointer="?file")
        self.assert_problem(self.server.get("/api/v1/backup"), 405, "method-not-allowed")

    def test_a_foreign_page_cannot_ask_for_one(self):
        self.assert_problem(self.server.post("/api/v1/backup", None, headers={"Origin": "http://evil.example"}), 403, "origin-not-allowed")


class BackupFolder(unittest.TestCase):
    def test_backup_dir_and_the_scope_that_is_needed(self):
        with tempfile.TemporaryDirectory() as folder:
            server = TallyServer("--backup-dir", folder, "--allow-host", "tally.example")
            write, admin = server.create_token("write"), server.create_token("admin")
            with server:
                self.assertEqual(server.post("/api/v1/backup", None).status, 401)
                self.assertEqual(server.post("/api/v1/backup", None, token=write).status, 403)
                answer = server.post("/api/v1/backup", None, token=admin)
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual([os.path.join(folder, n) for n in os.listdir(folder)], [answer.json()["file"]])
                os.unlink(answer.json()["file"])

    def test_a_folder_that_is_not_there_is_a_failure_without_traces(self):
        server = TallyServer("--backup-dir", "/nonexistent/folder")
        with server:
            answer = server.post("/api/v1/backup", None)
            self.assertEqual((answer.status, answer.json()["type"]), (503, "urn:tally:problem:storage-failed"), answer)
            self.assertEqual(server.get("/readyz").status, 200, "the database is well")


class BackupCommand(unittest.TestCase):
    def test_without_a_server_it_changes_nothing_and_never_overwrites(self):
        server = TallyServer()
        with server:
            server.log_batches("r", [{"stage": "t", "epoch": 0, "step": i, "correct": 1, "total": 2} for i in range(50)])
            server.kill()  # a WAL is left behind
            before = read(server.db), read(server.db + "-wal")
            target = os.path.join(server.folder, "copy.db")
            code, out, err = run_tally("backup", "--db", server.db, target)
            self.assertEqual((code, err), (0, ""), out)
            self.assertEqual(before, (read(server.db), read(server.db + "-wal")))
            code, out, err = run_tally("check", "--db", target)
            self.assertEqual((code, "50 batches" in out), (0, True), out + err)
            content = read(target)
            code, out, err = run_tally("backup", "--db", server.db, target)
            self.assertEqual(code, 1)
            self.assertIn("left alone", err)
            self.assertEqual(read(target), content)
            self.assertFalse([n for n in os.listdir(server.folder) if "partial" in n])
            link = os.path.join(server.folder, "link.db")
            os.symlink("/nonexistent/file", link)
            self.assertEqual(run_tally("backup", "--db", server.db, link)[0], 1)

    def test_what_is_not_a_database_of_tally_is_not_copied(self):
        with tempfile.TemporaryDirectory() as folder:
            target, other = os.path.join(folder, "copy.db"), os.path.join(folder, "other")
            with open(other, "wb") as f:
                f.write(b"not a database" * 100)
            for db, ends in ((other, 3), (os.path.join(folder, "absent.db"), 1)):
                code, out, err = run_tally("backup", "--db", db, target)
                self.assertEqual((code, out), (ends, ""), err)
                self.assertTrue(err.startswith("tally: "), err)
                self.assertFalse(os.path.exists(target))
            self.assertEqual(os.listdir(folder), ["other"])
            self.assertEqual(run_tally("backup")[0], 2)
            self.assertEqual(run_tally("backup", "a", "b")[0], 2)


if __name__ == "__main__":
    unittest.main()
