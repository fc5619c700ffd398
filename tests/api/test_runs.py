"""Run documents, lists, projects: PUT, PATCH, DELETE, sort, columns, filter, pages."""
import time
import unittest

from tally_server import ApiTest


class Documents(ApiTest):
    def test_a_run_is_declared_and_read_back(self):
        run, before = self.new_run(), int(time.time() * 1000)
        body = {"project": "vision", "name": "first", "config": {"lr": 0.1, "net": {"depth": 3}}, "tags": ["b", "a", "b"], "notes": "n",
                "stages": {"test": {"class_names": ["cat", "dog"], "dataset_size": 384}}}
        answer = self.server.put(self.path(run), body)
        self.assertEqual(answer.status, 201, answer)
        got = self.server.get(self.path(run)).json()
        self.assertEqual({k: got[k] for k in ("id", "project", "name", "config", "notes", "status", "series", "ended_at")},
                         {"id": run, "project": "vision", "name": "first", "config": body["config"], "notes": "n", "status": "running", "series": [], "ended_at": None})
        self.assertEqual(sorted(got["tags"]), ["a", "b"])
        self.assertEqual(got["stages"]["test"]["class_names"], ["cat", "dog"])
        self.assertTrue(before - 2 <= got["created_at"] <= int(time.time() * 1000) + 2)
        self.assertLessEqual({"id", "project", "name", "status", "config", "tags", "notes", "stages", "created_at", "updated_at", "ended_at", "revision", "series"}, set(got))

    def test_put_merges_and_the_same_again_changes_nothing(self):
        run = self.new_run()
        self.server.put(self.path(run), {"config": {"a": 1, "b": {"c": 2, "d": 3}}, "tags": ["x"]})
        answer = self.server.put(self.path(run), {"config": {"b": {"c": None, "e": 4}}, "tags": ["y"], "stages": {"val": {"dataset_size": 5}}})
        self.assertEqual(answer.status, 200, answer)
        got = self.server.get(self.path(run)).json()
        self.assertEqual(got["config"], {"a": 1, "b": {"d": 3, "e": 4}})
        self.assertEqual(sorted(got["tags"]), ["x", "y"])
        self.server.put(self.path(run), {"config": {"b": {"e": 4}}, "tags": ["x"], "stages": {"val": {"dataset_size": 5}}})
        self.assertEqual(self.server.get(self.path(run)).json()["revision"], got["revision"])

    def test_put_with_another_project_is_a_conflict(self):
        run = self.new_run()
        self.server.put(self.path(run), {"project": "one"})
        self.assert_problem(self.server.put(self.path(run), {"project": "two", "name": "x"}), 409, "conflicting-project")
        self.assertEqual(self.server.put(self.path(run), {"name": "y"}).status, 200)
        got = self.server.get(self.path(run)).json()
        self.assertEqual((got["project"], got["name"]), ("one", "y"))

    def test_patch(self):
        run = self.new_run()
        self.server.put(self.path(run), {"project": "one", "config": {"a": 1}, "tags": ["x", "y"]})
        before = self.server.get(self.path(run)).json()
        answer = self.server.patch(self.path(run), {"status": "finished", "name": "n", "notes": "m", "tags": ["z"], "config": {"b": 2}, "project": "two"})
        self.assertEqual(answer.status, 200, answer)
        got = self.server.get(self.path(run)).json()
        self.assertEqual((got["status"], got["name"], got["notes"], got["tags"], got["config"], got["project"]),
                         ("finished", "n", "m", ["z"], {"a": 1, "b": 2}, "two"))
        self.assertGreater(got["revision"], before["revision"])
        self.assertIsNotNone(got["ended_at"])
        self.assertEqual({k: v for k, v in answer.json().items() if k in ("id", "status", "revision")}, {k: got[k] for k in ("id", "status", "revision")})
        self.log_batch(run)
        self.assertEqual(self.server.get(self.path(run)).json()["status"], "finished")
        self.server.patch(self.path(run), {"status": "running"})
        again = self.server.get(self.path(run)).json()
        self.assertEqual((again["status"], again["ended_at"]), ("running", None))
        self.assert_problem(self.server.patch(self.path("nobody"), {}), 404, "unknown-run")

    def test_a_heartbeat_moves_updated_at_only(self):
        run = self.new_run()
        self.server.put(self.path(run), {})
        before = self.server.get(self.path(run))
        time.sleep(0.01)
        answer = self.server.patch(self.path(run), {})
        self.assertEqual((answer.status, answer.json()["id"]), (200, run))
        after = self.server.get(self.path(run))
        self.assertGreater(after.json()["updated_at"], before.json()["updated_at"])
        self.assertEqual(after.json()["revision"], before.json()["revision"])
        self.assertEqual(after.headers["etag"], before.headers["etag"])

    def log_batch(self, run, **more):
        self.log_ok(run, {"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2, **more})

    def test_series_of_a_run(self):
        run = self.new_run()
        self.server.put(self.path(run), {"stages": {"train": {"class_names": ["cat", "dog"]}}})
        self.log_ok(run, [{"stage": "train", "epoch": e, "step": s, "confusion": [[1, 0], [1, 2]], "sums": {"loss": [1, 4]}} for e in (0, 2) for s in (0, 5)])
        self.log_ok(run, {"stage": "val", "epoch": 2, "step": 0, "tp": [1], "fp": [1], "fn": [1], "tn": [1], "task": "binary", "name": "is_cat"})
        series = {(s["stage"], s["name"]): s for s in self.server.get(self.path(run)).json()["series"]}
        self.assertEqual(set(series), {("train", "main"), ("train", "loss"), ("val", "is_cat")})
        main = {"stage": "train", "name": "main", "task": "multiclass", "num_classes": 2, "class_names": ["cat", "dog"],
                         "form": "confusion", "bins": None, "epochs": 2, "batches": 4, "samples": 16, "last_epoch": 2, "last_step": 5}
        self.assertEqual({**series["train", "main"], **main}, series["train", "main"])
        self.assertEqual((series["train", "loss"]["form"], series["train", "loss"]["batches"]), ("mean", 4))
        self.assertEqual((series["val", "is_cat"]["task"], series["val", "is_cat"]["form"], series["val", "is_cat"]["class_names"]), ("binary", "classes", None))

    def test_delete(self):
        run = self.new_run()
        self.log_batch(run)
        old = self.server.get(self.path(run))
        self.assertEqual(self.server.delete(self.path(run)).status, 204)
        for path in (self.path(run), self.path(run, "epochs"), self.path(run, "steps"), self.path(run, "batches")):
            self.assert_problem(self.server.get(path), 404, "unknown-run")
        self.assert_problem(self.server.delete(self.path(run)), 404, "unknown-run")
        self.assertNotIn(run, [r["id"] for r in self.server.get("/api/v1/runs", limit=1000).json()["runs"]])
        self.log_batch(run, correct=2)
        new = self.server.get(self.path(run))
        self.assertNotEqual(new.headers["etag"], old.headers["etag"])
        self.assertEqual(self.epoch_value(run, "accuracy"), 1)

    def test_names_at_their_bounds(self):
        longest = "a" * 128
        self.log_batch(longest)
        self.assertEqual(self.server.get(self.path(longest)).status, 200)
        for bad in ("a" * 129, "-a", ".a", "_a", "a%20b", "%C3%A9", "a%00", "a%2Fb"):
            answer = self.server.put(self.path(bad), {})
            self.assertIn(answer.status, (400, 404, 422), (bad, answer))
        self.log_batch("A1._-z")
        self.log_ok(self.new_run(), {"stage": "s" * 64, "epoch": 0, "step": 0, "values": {"a/b" + "c" * 125: 1}})


class Lists(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, (run, project, lr, correct) in enumerate((("r1", "p", 0.1, 5), ("r2", "p", 0.01, 9), ("r3", "q", None, 7), ("r4", "p", 0.5, None), ("r5", "q", 1, 1))):
            config = {"net": "cnn" if i % 2 else "mlp"}
            if lr is not None:
                config["lr"] = lr
            cls.server.put("/api/v1/runs/" + run, {"project": project, "name": "Run " + run[1:], "config": config, "tags": ["odd"] if i % 2 == 0 else ["even", "x"]})
            if correct is not None:
                cls.server.log_batches(run, [{"stage": "test", "epoch": e, "step": 0, "confusion": [[correct - e, 10 - correct + e], [0, 10]],
                                              "sums": {"loss": [20 - correct + e, 20]}} for e in range(2)])
            time.sleep(0.005)
        cls.server.patch("/api/v1/runs/r2", {"status": "finished"})
        cls.server.patch("/api/v1/runs/r5", {"status": "failed"})

    def ids(self, **query):
        answer = self.server.get("/api/v1/runs", **query)
        self.assertEqual(answer.status, 200, (query, answer))
        return [r["id"] for r in answer.json()["runs"]]

    def test_newest_first(self):
        answer = self.server.get("/api/v1/runs").json()
        self.assertEqual([r["id"] for r in answer["runs"]], ["r5", "r4", "r3", "r2", "r1"])
        self.assertEqual((answer["total"], answer["next_cursor"]), (5, None))
        self.assertNotIn("series", answer["runs"][0])
        self.assertNotIn("config", answer["runs"][0])

    def test_filters(self):
        self.assertEqual(self.ids(project="q"), ["r5", "r3"])
        self.assertEqual(self.ids(project="nothing"), [])
        self.assertEqual(self.ids(status="finished"), ["r2"])
        self.assertEqual(self.ids(status="running"), ["r4", "r3", "r1"])
        self.assertEqual(self.ids(tag="even"), ["r4", "r2"])
        self.assertEqual(self.ids(tag="odd", project="p"), ["r1"])
        self.assert_problem(self.server.get("/api/v1/runs", status="done"), 422, "invalid-value", pointer="?status")

    def test_the_filter_language(self):
        for q, want in (("r3", ["r3"]), ("RUN", ["r5", "r4", "r3", "r2", "r1"]), ('"run 4"', ["r4"]), ("lr>0.05", ["r5", "r4", "r1"]), ("lr>=0.5 net=mlp", ["r5"]),
                        ("config.lr<0.1", ["r2"]), ("net~NN", ["r4", "r2"]), ("tag:odd", ["r5", "r3", "r1"]), ("tag:odd project=q", ["r5", "r3"]), ("status=finished", ["r2"]),
                        ("status!=running", ["r5", "r2"]), ("lr!=1", ["r4", "r3", "r2", "r1"]), ("tag:nothing", []), ("", ["r5", "r4", "r3", "r2", "r1"])):
            self.assertEqual(self.ids(q=q), want, q)
        self.assertEqual(self.ids(q="tag:odd", project="q", sort="id"), ["r3", "r5"])
        for q in ('"open', "lr>", ">5"):
            self.assert_problem(self.server.get("/api/v1/runs", q=q), 422, "invalid-value", pointer="?q")

    def test_columns(self):
        columns = "test/accuracy.macro@last,test/accuracy.macro@best,test/accuracy.macro@min,test/accuracy.macro@max,test/accuracy.macro@0,test/loss@best,test/loss@last,config.lr,config.net"
        rows = {r["id"]: r["columns"] for r in self.server.get("/api/v1/runs", columns=columns).json()["runs"]}
        self.assertEqual(list(rows["r1"]), columns.split(","))
        one = rows["r1"]
        self.assert_close([one["test/accuracy.macro@" + w] for w in ("last", "best", "min", "max", "0")], [0.7, 0.75, 0.7, 0.75, 0.75])
        self.assert_close([one["test/loss@best"], one["test/loss@last"]], [15 / 20, 16 / 20])
        self.assertEqual((one["config.lr"], one["config.net"]), (0.1, "mlp"))
        self.assertIsNone(rows["r4"]["test/accuracy.macro@last"])
        self.assertIsNone(rows["r3"]["config.lr"])

    def test_columns_of_the_epoch_itself(self):
        self.server.log_batches("facts", [{"stage": "v", "epoch": e, "step": s, "correct": 1, "total": 2 + e, "values": {"epoch": 7.5}} for e in (3, 5) for s in (0, 1)])
        self.server.log_batches("facts", [{"stage": "m", "epoch": 4, "step": 0, "values": {"lr": 1}}])
        asked = {"v/epoch@last": 5, "v/samples@last": 14, "v/samples@3": 10, "v/samples@min": 10, "v/samples@best": 14, "v/samples@4": None,
                 "v/epoch:mean@last": 7.5, "m/epoch@last": 4, "m/samples@last": None, "gone/epoch@last": None}
        rows = {r["id"]: r["columns"] for r in self.server.get("/api/v1/runs", columns=",".join(asked), sort="-v/samples@last").json()["runs"]}
        self.assertEqual(rows["facts"], asked)
        self.assertEqual(list(rows)[0], "facts")
        self.server.delete("/api/v1/runs/facts")

    def test_sort(self):
        self.assertEqual(self.ids(sort="id"), ["r1", "r2", "r3", "r4", "r5"])
        self.assertEqual(self.ids(sort="-name"), ["r5", "r4", "r3", "r2", "r1"])
        self.assertEqual(self.ids(sort="config.lr"), ["r2", "r1", "r4", "r5", "r3"])
        self.assertEqual(self.ids(sort="-config.lr"), ["r5", "r4", "r1", "r2", "r3"])
        best = "test/accuracy.macro@best"
        self.assertEqual(self.ids(sort="-" + best, columns=best), ["r2", "r3", "r1", "r5", "r4"])
        self.assertEqual(self.ids(sort=best, columns=best), ["r5", "r1", "r3", "r2", "r4"])
        self.assertEqual(self.ids(sort="config.net,-id"), ["r4", "r2", "r5", "r3", "r1"])
        self.assert_problem(self.server.get("/api/v1/runs", sort="colour"), 422, pointer="?sort")

    def test_pages(self):
        for query in ({}, {"sort": "id"}, {"sort": "-config.lr"}, {"project": "p"}):
            seen, cursor = [], None
            while True:
                answer = self.server.get("/api/v1/runs", limit=2, cursor=cursor, **query).json()
                seen += [r["id"] for r in answer["runs"]]
                self.assertLessEqual(len(answer["runs"]), 2)
                cursor = answer["next_cursor"]
                if cursor is None:
                    break
            self.assertEqual(seen, self.ids(**query), query)
            self.assertEqual(answer["total"], len(seen))
        for cursor in ("garbage!", "\nn\n\0Y".encode().hex(), "\nn\n".encode().hex(), "\ndnan\nid".encode().hex(), "\nt2:a\0\nid".encode().hex()):
            self.assert_problem(self.server.get("/api/v1/runs", cursor=cursor), 422, pointer="?cursor")
        self.assert_problem(self.server.get("/api/v1/runs", limit=0), 422, pointer="?limit")

    def test_projects(self):
        projects = {p["name"]: p["runs"] for p in self.server.get("/api/v1/projects").json()["projects"]}
        self.assertEqual({k: projects[k] for k in ("p", "q")}, {"p": 3, "q": 2})

    def test_bad_columns_are_named(self):
        for column in ("test/accuracy@", "accuracy@last", "test/acuracy.macro@last", "test/accuracy@x", "config."):
            answer = self.server.get("/api/v1/runs", columns=column)
            if answer.status == 200:
                self.assertTrue(all(r["columns"][column] is None for r in answer.json()["runs"]), column)
            else:
                self.assert_problem(answer, 422, pointer="?columns")


class Catalogue(ApiTest):
    def test_metrics_are_listed(self):
        metrics = {m["name"]: m for m in self.server.get("/api/v1/metrics").json()["metrics"]}
        self.assertLessEqual({"accuracy", "precision", "recall", "f1", "specificity", "jaccard", "hamming", "mcc", "kappa", "fbeta", "npv"}, set(metrics))
        self.assertEqual(set(metrics["f1"]["averages"]), {"micro", "macro", "weighted", "none"})
        self.assertEqual(metrics["f1"]["default"], "micro")
        self.assertEqual(metrics["mcc"]["averages"], [])

    def test_limits_are_the_documented_ones(self):
        self.assertEqual(self.server.get("/api/v1/limits").json(), {
            "body_bytes": 16 << 20, "records_per_request": 10000, "classes": 4096, "dense_classes": 1024, "connections": 8192, "header_bytes": 16384,
            "header_deadline_s": 10, "request_deadline_s": 30, "queue_bytes": 64 << 20, "points": 10000, "requests_per_s": 0, "records_per_s": 0, "auth_failures_per_min": 300,
            "projects": 10000, "runs_per_project": 1000000, "series_per_run": 10000, "attempts_per_run": 10000, "tags_per_run": 1000, "config_keys": 10000})

    def test_health(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.server.get(path).status, 200)

    def test_server_metrics_are_openmetrics(self):
        answer = self.server.get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["content-type"].startswith("application/openmetrics-text"), answer.headers)
        self.assertTrue(answer.text.endswith("# EOF\n"))
        for line in answer.text.splitlines():
            self.assertRegex(line, r"^(# (TYPE|HELP|UNIT|EOF).*|[a-z_:][a-z0-9_:]*(\{[^}]*\})? -?[0-9.e+-]+)$")

    def test_the_api_document_is_the_one_of_the_source(self):
        import os
        from tally_server import ROOT
        with open(os.path.join(ROOT, "schema", "openapi.yaml"), encoding="utf-8") as f:
            self.assertEqual(self.server.get("/api/v1/openapi.yaml").text, f.read())

    def test_the_page_is_strict_about_itself(self):
        import re
        answer = self.server.get("/")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["content-type"].startswith("text/html"))
        policy = answer.headers["content-security-policy"]
        self.assertIn("default-src 'none'" if "'none'" in policy else "default-src 'self'", policy)
        self.assertNotIn("unsafe-eval", policy)
        self.assertNotRegex(policy, r"script-src[^;]*unsafe-inline")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        links = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
        self.assertTrue(links)
        for link in links:
            self.assertFalse(link.startswith("http"), link)
            if link.startswith("data:"):
                continue
            file = self.server.get("/" + link.lstrip("/"))
            self.assertEqual(file.status, 200, link)
        for path in ("/assets/../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/x/../../tally.db", "/assets//etc/passwd", "/nothing"):
            self.assertEqual(self.server.get(path).status, 404, path)


if __name__ == "__main__":
    unittest.main()
