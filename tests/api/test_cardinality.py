"""How many projects, runs, series, attempts, tags and keys there may be: beyond it 422, with nothing stored."""
import unittest

from tally_server import ApiTest, TallyServer, run_tally

RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}


class Cardinality(ApiTest):
    def limited(self, *limits):
        server = TallyServer(*(o for limit in limits for o in ("--limit", limit)))
        self.addCleanup(server.close)
        return server.start()

    def assert_limit(self, answer, limit, pointer=None):
        problem = self.assert_problem(answer, 422, "limit-reached", pointer=pointer, says="limit " + limit)
        self.assertIn("nothing was stored", problem["detail"])

    def test_runs_of_a_project(self):
        server = self.limited("runs_per_project=3")
        self.assertEqual(server.log_batches("a", RECORD).status, 200)
        self.assertEqual(server.put("/api/v1/runs/b", {}).status, 201)
        self.assertEqual(server.log_batches("c", RECORD).status, 200)
        self.assert_limit(server.log_batches("d", RECORD), "runs_per_project")
        self.assert_limit(server.put("/api/v1/runs/d", {}), "runs_per_project")
        self.assert_limit(server.put("/api/v1/runs/d", {"project": "default"}), "runs_per_project", "/project")
        self.assertEqual(server.get("/api/v1/runs/d").status, 404)
        self.assertEqual(server.get("/api/v1/runs").json()["total"], 3)
        # what is there goes on; another project has room; moving asks for room too
        self.assertEqual(server.log_batches("a", dict(RECORD, step=1)).status, 200)
        self.assertEqual(server.put("/api/v1/runs/b", {"tags": ["x"]}).status, 200)
        self.assertEqual(server.patch("/api/v1/runs/b", {"project": "default", "notes": "stays"}).status, 200)
        self.assertEqual(server.put("/api/v1/runs/d", {"project": "other"}).status, 201)
        self.assert_limit(server.patch("/api/v1/runs/d", {"project": "default", "notes": "moved"}), "runs_per_project", "/project")
        run = server.get("/api/v1/runs/d").json()
        self.assertEqual((run["project"], run["notes"], run["revision"]), ("other", None, 1))
        self.assertEqual(server.delete("/api/v1/runs/a").status, 204)
        self.assertEqual(server.patch("/api/v1/runs/d", {"project": "default"}).status, 200)
        self.assert_limit(server.log_batches("e", RECORD), "runs_per_project")

    def test_runs_that_come_in_one_group(self):
        import threading
        server = self.limited("runs_per_project=10")
        statuses = []

        def log(i):
            statuses.append(server.log_batches("r%d" % i, RECORD).status)
        threads = [threading.Thread(target=log, args=(i,)) for i in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(statuses), [200] * 10 + [422] * 30)
        self.assertEqual(server.get("/api/v1/runs").json()["total"], 10)

    def test_projects(self):
        server = self.limited("projects=2")
        self.assertEqual(server.put("/api/v1/runs/a", {"project": "p"}).status, 201)
        self.assertEqual(server.post("/api/v1/runs/b/batches", RECORD, query={"project": "q"}).status, 200)
        self.assert_limit(server.put("/api/v1/runs/c", {"project": "r"}), "projects", "/project")
        self.assert_limit(server.post("/api/v1/runs/c/batches", RECORD, query={"project": "r"}), "projects")
        self.assert_limit(server.patch("/api/v1/runs/a", {"project": "r"}), "projects", "/project")
        self.assertEqual([p["name"] for p in server.get("/api/v1/projects").json()["projects"]], ["p", "q"])
        self.assertEqual(server.put("/api/v1/runs/c", {"project": "q"}).status, 201)
        # a project without a run makes room
        self.assertEqual(server.patch("/api/v1/runs/a", {"project": "q"}).status, 200)
        self.assertEqual(server.put("/api/v1/runs/d", {"project": "r"}).status, 201)
        self.assertEqual([(p["name"], p["runs"]) for p in server.get("/api/v1/projects").json()["projects"]], [("q", 3), ("r", 1)])
        self.assert_limit(server.put("/api/v1/runs/e", {"project": "p"}), "projects")

    def test_series_of_a_run(self):
        server = self.limited("series_per_run=3")
        self.assertEqual(server.log_batches("r", dict(RECORD, sums={"loss": [1, 2]})).status, 200)
        before = server.get("/api/v1/runs/r").json()
        many = dict(RECORD, step=1, sums={"loss": [1, 2], "a": [1, 1], "b/c": [1, 1]})
        self.assert_limit(server.log_batches("r", [dict(RECORD, step=7), many]), "series_per_run", "/1/sums/b~1c")
        self.assert_limit(server.log_batches("r", many), "series_per_run", "/sums/b~1c")
        self.assertEqual(server.get("/api/v1/runs/r").json(), before, "nothing was stored")
        self.assertEqual(server.log_batches("r", dict(RECORD, step=1, values={"lr": 1})).status, 200)
        self.assert_limit(server.log_batches("r", dict(RECORD, stage="u")), "series_per_run")
        self.assertEqual(server.log_batches("r", dict(RECORD, step=2, values={"lr": 1}, sums={"loss": [3, 3]})).status, 200)
        self.assert_limit(server.log_batches("new", dict(RECORD, values={"x%d" % i: 1 for i in range(3)})), "series_per_run")
        self.assertEqual(server.get("/api/v1/runs/new").status, 404)
        server.stop()
        server.start()
        self.assert_limit(server.log_batches("r", dict(RECORD, stage="u")), "series_per_run")
        self.assertEqual(len(server.get("/api/v1/runs/r").json()["series"]), 3)

    def test_attempts_of_a_run(self):
        server = self.limited("attempts_per_run=2")
        for i in (1, 2):
            self.assertEqual(server.log_batches("r", dict(RECORD, step=i, attempt="a%d" % i)).status, 200)
        self.assert_limit(server.log_batches("r", [dict(RECORD, step=8), dict(RECORD, step=9, attempt="a3")]), "attempts_per_run", "/1/attempt")
        self.assert_limit(server.post("/api/v1/runs/r/rewind", {"epoch": 0, "step": 0, "attempt": "a3"}), "attempts_per_run", "/attempt")
        self.assertEqual(server.get("/api/v1/runs/r").json()["series"][0]["batches"], 2)
        self.assertEqual(server.log_batches("r", dict(RECORD, step=3, attempt="a2")).status, 200)
        self.assertEqual(server.post("/api/v1/runs/r/rewind", {"epoch": 0, "step": 3, "attempt": "a2"}).json()["removed"], 3)  # not of train: the epoch

    def test_tags_and_keys_of_a_document(self):
        server = self.limited("tags_per_run=3", "config_keys=4")
        self.assertEqual(server.put("/api/v1/runs/r", {"tags": ["a", "b"], "config": {"lr": 1, "net": {"depth": 2}, "list": [{}, 1]}}).status, 201)
        before = server.get("/api/v1/runs/r").json()
        self.assert_limit(server.put("/api/v1/runs/r", {"tags": ["c", "d"], "notes": "x"}), "tags_per_run", "/tags")
        self.assert_limit(server.put("/api/v1/runs/r", {"config": {"net": {"width": 3}}, "notes": "x"}), "config_keys", "/config")
        self.assert_limit(server.patch("/api/v1/runs/r", {"config": {"list": [{"deep": {"er": 1}}]}}), "config_keys", "/config")
        self.assert_limit(server.put("/api/v1/runs/s", {"config": {"k%d" % i: i for i in range(5)}}), "config_keys", "/config")
        self.assertEqual(server.get("/api/v1/runs/s").status, 404)
        after = server.get("/api/v1/runs/r").json()
        before.pop("updated_at"), after.pop("updated_at")
        self.assertEqual(after, before)
        self.assertEqual(server.put("/api/v1/runs/r", {"tags": ["b", "c"], "config": {"net": None, "a": 1, "b": 2}}).status, 200)
        self.assertEqual(server.patch("/api/v1/runs/r", {"tags": ["x", "y", "z"]}).status, 200, "replaced, not added")

    def test_an_import_takes_what_another_server_took(self):
        with TallyServer() as server:
            self.assertEqual(server.put("/api/v1/runs/r", {"tags": ["t%d" % i for i in range(1000)]}).status, 201)
            self.assert_limit(server.put("/api/v1/runs/r", {"tags": ["another"]}), "tags_per_run")
            path = server.folder + "/all.ndjson"
            self.assertEqual(run_tally("export", "--db", server.db, path)[0], 0)
            code, out, err = run_tally("import", "--db", server.folder + "/other.db", path)
            self.assertEqual(code, 0, out + err)


if __name__ == "__main__":
    unittest.main()
