"""A token of one project: it sees and touches the runs of that project, and to it there are no others."""
import itertools
import re
import unittest

from tally_server import ApiTest, TallyServer, run_tally

RECORD = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}
OTHER = dict(RECORD, correct=2)


class TokenProjects(ApiTest):
    options = ("--allow-host", "tally.example")

    @classmethod
    def setUpClass(cls):
        server = cls.server = TallyServer(*cls.options)
        cls.tokens = {(scope, project): server.create_token(scope, *(("--project", project) if project else ()))
                      for scope, project in itertools.product(("read", "write", "admin"), ("cats", "dogs", None))}
        server.token = cls.tokens["admin", None]
        server.start()
        for project in ("cats", "dogs"):
            for i in (1, 2):
                run = "%s-%d" % (project, i)
                assert server.put("/api/v1/runs/" + run, {"project": project, "config": {"secret": project}, "name": "name of " + run}).status == 201
                assert server.log_batches(run, RECORD).status == 200

    def as_cats(self, method, path, body=None, scope="admin", **more):
        return self.server.request(method, path, body=body, token=self.tokens[scope, "cats"], **more)

    def whole(self):
        """All that the server holds of the dogs, as somebody sees it who may."""
        out = [self.server.get("/api/v1/runs", project="dogs").json()["runs"]]
        for run in out[0]:
            out.append(self.server.get(self.path(run["id"])).json())
            out.append(self.server.get(self.path(run["id"], "batches"), stage="t").text)
        return out

    def test_another_projects_run_answers_as_one_that_is_not_there(self):
        before = self.whole()
        for tail in ("", "epochs", "steps", "classes", "confusion", "curves", "calibration", "diagnosis", "batches"):
            for scope in ("read", "admin"):
                there, not_there = (self.as_cats("GET", self.path(run, tail), scope=scope) for run in ("dogs-1", "none-1"))
                self.assert_problem(there, 404, "unknown-run")
                self.assertEqual(there.text.replace("dogs-1", "none-1"), not_there.text, tail)
                self.assertEqual(self.as_cats("GET", self.path("cats-1", tail), scope=scope).status,
                                 422 if tail in ("classes", "confusion", "curves", "calibration") else 200, tail)
        for method, tail, body in (("PATCH", "", {}), ("PATCH", "", {"name": "mine"}), ("PATCH", "", {"project": "cats"}), ("DELETE", "", None), ("POST", "rewind", {"epoch": 0, "step": 0, "attempt": "a2"})):
            there, not_there = (self.as_cats(method, self.path(run, tail), body) for run in ("dogs-1", "none-1"))
            self.assert_problem(there, 404, "unknown-run")
            self.assertEqual(there.text.replace("dogs-1", "none-1"), not_there.text, (method, tail))
        self.assertEqual(self.whole(), before)

    def test_an_id_that_is_taken_elsewhere_cannot_be_used(self):
        before = self.whole()
        for body in (RECORD, OTHER, [RECORD, OTHER], dict(RECORD, step=7)):
            problem = self.assert_problem(self.as_cats("POST", self.path("dogs-1", "batches"), body), 403, "forbidden")
            self.assertNotIn("dogs ", problem["detail"])
            self.assertNotIn("project dogs", problem["detail"])
        for body in ({}, {"name": "mine"}, {"project": "cats"}, {"config": {"a": 1}}):
            problem = self.assert_problem(self.as_cats("PUT", self.path("dogs-1"), body), 403, "forbidden")
            self.assertNotIn("project dogs", problem["detail"])
        self.assertEqual(self.whole(), before)
        # one request of a group that is refused leaves those beside it alone
        run = self.new_run()
        self.assertEqual(self.as_cats("POST", self.path(run, "batches"), RECORD).status, 200)

    def test_new_runs_belong_to_the_project_of_the_token(self):
        logged, put, named = self.new_run(), self.new_run(), self.new_run()
        self.assertEqual(self.as_cats("POST", self.path(logged, "batches"), RECORD, scope="write").status, 200)
        self.assertEqual(self.as_cats("PUT", self.path(put), {}, scope="write").status, 201)
        self.assertEqual(self.as_cats("POST", self.path(named, "batches") + "?project=cats", RECORD, scope="write").status, 200)
        for run in (logged, put, named):
            self.assertEqual(self.server.get(self.path(run)).json()["project"], "cats")
            self.assertEqual(self.as_cats("PATCH", self.path(run), {"project": "cats", "tags": ["x"]}, scope="write").status, 200)
        for project in ("dogs", "default", "Cats", "cats2", "nobody"):
            run = self.new_run()
            self.assert_problem(self.as_cats("POST", self.path(run, "batches") + "?project=" + project, RECORD), 403, "forbidden", pointer="?project")
            self.assert_problem(self.as_cats("PUT", self.path(run), {"project": project}), 403, "forbidden", pointer="/project")
            self.assert_problem(self.as_cats("PUT", self.path(put), {"project": project}), 403, "forbidden", pointer="/project")
            self.assert_problem(self.as_cats("PATCH", self.path(put), {"project": project}), 403, "forbidden", pointer="/project")
            self.assertEqual(self.server.get(self.path(run)).status, 404)
            self.assertEqual(self.server.get(self.path(put)).json()["project"], "cats")
        # a token of all projects goes on as before
        run = self.new_run()
        self.log_ok(run, RECORD)
        self.assertEqual(self.server.get(self.path(run)).json()["project"], "default")

    def test_lists_show_that_project_alone(self):
        def ids(**query):
            answer = self.server.get("/api/v1/runs", token=self.tokens["read", "cats"], **query)
            self.assertEqual(answer.status, 200, answer)
            self.assertNotIn("dogs", answer.text)
            self.assertEqual(answer.json()["total"] if "limit" not in query else 0, len(answer.json()["runs"]) if "limit" not in query else 0)
            return [r["id"] for r in answer.json()["runs"]]
        everything = ids(limit=1000)
        self.assertLessEqual({"cats-1", "cats-2"}, set(everything))
        self.assertEqual(ids(project="cats", limit=1000), everything)
        self.assertEqual(ids(sort="id", limit=1000), sorted(everything))
        for query in ({"project": "dogs"}, {"project": "nobody"}, {"q": "project=dogs"}, {"q": "id~dogs"}, {"q": "secret=dogs"}, {"project": "dogs", "sort": "id"}):
            self.assertEqual(ids(**query), [], query)
        text = self.server.get("/api/v1/runs", token=self.tokens["read", "cats"], columns="t/accuracy@last,config.secret", format="csv").text
        self.assertIn("cats-1", text)
        self.assertNotIn("dogs", text)
        # page by page, in both ways that pages are made
        for query in ({}, {"sort": "id"}):
            seen, cursor = [], None
            while True:
                answer = self.server.get("/api/v1/runs", token=self.tokens["read", "cats"], limit=1, cursor=cursor, **query).json()
                seen += [r["id"] for r in answer["runs"]]
                cursor = answer["next_cursor"]
                if cursor is None:
                    break
            self.assertEqual(sorted(seen), sorted(everything))
        for media in ("application/json", "text/csv"):
            answer = self.server.get("/api/v1/projects", token=self.tokens["read", "cats"], headers={"Accept": media})
            self.assertIn("cats", answer.text)
            self.assertNotIn("dogs", answer.text)
        lonely = self.server.create_token("read", "--project", "nobody")
        self.assertEqual(self.server.get("/api/v1/runs", token=lonely).json(), {"runs": [], "next_cursor": None, "total": 0})
        self.assertEqual(self.server.get("/api/v1/projects", token=lonely).json(), {"projects": []})

    def test_runs_of_another_project_are_not_compared(self):
        token = self.tokens["read", "cats"]
        self.assertEqual(self.server.get("/api/v1/compare", token=token, runs="cats-1,cats-2", x="epoch").status, 200)
        there, not_there = (self.server.get("/api/v1/compare", token=token, runs="cats-1," + run, x="epoch") for run in ("dogs-1", "none-1"))
        self.assert_problem(there, 404, "unknown-run", pointer="?runs/1")
        self.assertEqual(there.text.replace("dogs-1", "none-1"), not_there.text)

    def test_etags_are_not_shared_between_tokens_that_see_different_things(self):
        for path in ("/api/v1/runs", "/api/v1/projects", self.path("cats-1"), self.path("cats-1", "epochs"), "/api/v1/compare?runs=cats-1&x=epoch"):
            tags = {}
            for project in ("cats", None):
                for scope in ("read", "write"):
                    answer = self.server.get(path, token=self.tokens[scope, project])
                    self.assertEqual(answer.status, 200, answer)
                    self.assertEqual(tags.setdefault(project, answer.headers["etag"]), answer.headers["etag"])
                    self.assertLessEqual({"Authorization", "Cookie"}, {v.strip() for v in answer.headers["vary"].split(",")})
                    self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertNotEqual(tags["cats"], tags[None], path)
            for mine, theirs in (("cats", None), (None, "cats")):
                self.assertEqual(self.server.get(path, token=self.tokens["read", mine], headers={"If-None-Match": tags[mine]}).status, 304)
                self.assertEqual(self.server.get(path, token=self.tokens["read", mine], headers={"If-None-Match": tags[theirs]}).status, 200)
        tag = self.server.get(self.path("dogs-1")).headers["etag"]
        for value in (tag, "*"):
            self.assert_problem(self.server.get(self.path("dogs-1"), token=self.tokens["read", "cats"], headers={"If-None-Match": value}), 404, "unknown-run")

    def test_the_cookie_is_for_the_tokens_project(self):
        answer = self.server.request("POST", "/api/v1/login", token=self.tokens["admin", "cats"])
        sent = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        self.assertEqual(self.server.get(self.path("cats-1"), token=False, headers=sent).status, 200)
        self.assert_problem(self.server.get(self.path("dogs-1"), token=False, headers=sent), 404, "unknown-run")
        self.assertNotIn("dogs", self.server.get("/api/v1/runs", token=False, headers=sent).text)
        self.assert_problem(self.server.get("/metrics", token=False, headers=sent), 403, "forbidden")
        # a header beside it decides
        self.assertEqual(self.server.get(self.path("dogs-1"), token=self.tokens["read", "dogs"], headers=sent).status, 200)
        self.assert_problem(self.server.get(self.path("cats-1"), token=self.tokens["read", "dogs"], headers=sent), 404, "unknown-run")

    def test_what_is_about_the_whole_server_needs_a_token_without_a_project(self):
        for scope in ("read", "write", "admin"):
            self.assert_problem(self.as_cats("GET", "/metrics", scope=scope), 403, "forbidden", says="whole server")
        self.assertEqual(self.server.get("/metrics", token=self.tokens["read", None]).status, 200)
        self.assert_problem(self.as_cats("POST", "/api/v1/backup"), 403, "forbidden", says="whole server")
        for path in ("/api/v1/metrics", "/api/v1/limits", "/api/v1/openapi.yaml"):
            self.assertEqual(self.as_cats("GET", path, scope="read").status, 200)

    def test_a_run_that_moves_goes_out_of_sight(self):
        run = self.new_run()
        self.assertEqual(self.as_cats("POST", self.path(run, "batches"), RECORD).status, 200)
        self.assertEqual(self.server.patch(self.path(run), {"project": "dogs"}).status, 200)
        self.assert_problem(self.as_cats("GET", self.path(run)), 404, "unknown-run")
        self.assert_problem(self.as_cats("POST", self.path(run, "batches"), dict(RECORD, step=1)), 403, "forbidden")
        self.assertEqual(self.server.log_batches(run, dict(RECORD, step=1), token=self.tokens["write", "dogs"]).status, 200)
        self.assertEqual(self.server.delete(self.path(run), token=self.tokens["admin", "dogs"]).status, 204)
        self.assertEqual(self.as_cats("POST", self.path(run, "batches"), RECORD).status, 200, "the id is free again")

    def test_the_list_names_the_project(self):
        _, out, _ = run_tally("token", "list", "--db", self.server.db)
        rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
        at = rows[0].index("project")
        self.assertEqual({row[at] for row in rows[1:]} - {"nobody"}, {"cats", "dogs", "(all)"})
        code, _, err = run_tally("token", "create", "--db", self.server.db, "--project", "a/b")
        self.assertEqual(code, 2)
        self.assertIn("--project", err)


if __name__ == "__main__":
    unittest.main()
