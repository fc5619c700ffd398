"""Documents stay true: what the program knows is written down, and what is written down the program knows."""
import os
import re
import unittest

import openapi
from tally_server import ROOT, ApiTest, run_tally

ROUTE = re.compile(r'^\s*(?:INLINE|WORKER|ASYNC)(_ALL)?\((\w+),\s*"([^"]+)",\s*(\w+),\s*"([^"]*)"', re.M)


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as f:
        return f.read()


def sources(folder, end):
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        if name.endswith(end):
            yield name, read(folder, name)


def routes():
    """The route table, from the source: (METHOD, path) -> (scope, query parameters, reach)."""
    out = {}
    for _, text in sources("server", ".c"):
        for everything, method, path, scope, args in ROUTE.findall(text):
            out[method, path] = (scope.lower(), args.split(), "server" if everything else "project")
    return out


class Contract(unittest.TestCase):
    def test_every_route_and_parameter_is_in_the_api_document_and_back(self):
        known, documented = routes(), openapi.operations()
        self.assertGreaterEqual(len(known), 20, "the route table was not found in server/*.c")
        for (method, path), (scope, args, reach) in known.items():
            if method == "HEAD":
                continue
            self.assertIn((method, path), documented)
            if args != ["*"]:  # the page keeps its own state there
                self.assertEqual(sorted(documented[method, path]["query"]), sorted(args), (method, path))
            self.assertEqual(documented[method, path]["scope"], scope, (method, path))
            self.assertEqual(documented[method, path]["reach"], reach, (method, path))
        self.assertLessEqual(set(documented), set(known))

    def test_every_problem_is_documented(self):
        names = set()
        for _, text in sources("server", ".c"):
            names.update(re.findall(r'PROBLEM_\w+\s*,\s*\d{3}\s*,\s*"([a-z-]+)"', text))
        self.assertGreaterEqual(len(names), 25, "the problem table was not found in server/*.c")
        schema, operations = openapi.text(), read("docs", "operations.md")
        for name in names:
            self.assertTrue(re.search(r"\b%s\b" % name, schema), "openapi.yaml: " + name)
            self.assertTrue("`%s`" % name in operations, "docs/operations.md: " + name)

    def test_every_option_is_documented(self):
        text = ""
        for topic in ([], ["serve"], ["token", "create"], ["token", "list"], ["token", "revoke"], ["check"], ["backup"], ["export"], ["import"]):
            code, out, _ = run_tally("help", *topic)
            self.assertEqual(code, 0, topic)
            text += out
        options = set(re.findall(r"--[a-z][a-z-]+", text))
        self.assertLessEqual({"--db", "--listen", "--allow-host", "--insecure-no-auth", "--durability", "--limit", "--web-dir"}, options)
        variables = set(re.findall(r"TALLY_[A-Z_]+", text))
        operations = read("docs", "operations.md")
        for word in options | variables:
            self.assertTrue(word in operations, "docs/operations.md: " + word)
        for word in set(re.findall(r"`(--[a-z][a-z-]+)", operations)):
            self.assertIn(word, options, "docs/operations.md names an option that `tally help` does not")

    def test_every_make_target_is_in_its_help(self):
        text = read("Makefile") + read("tests", "tests.mk") + read("tests", "bench", "bench.mk")
        for target in ("run", "test", "demo", "help", "check", "bench", "clean", "install"):
            self.assertTrue(re.search(r"(?m)^%s:.*## " % target, text), target)

    def test_links_between_documents_lead_somewhere(self):
        files = ["README.md"] + ["docs/" + n for n in os.listdir(os.path.join(ROOT, "docs")) if n.endswith(".md")]
        for name in files:
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read(name)):
                if not re.match(r"[a-z]+:", target):
                    path = os.path.normpath(os.path.join(ROOT, os.path.dirname(name), target))
                    self.assertTrue(os.path.exists(path), "%s links to %s" % (name, target))

    def test_files_named_in_the_tour_exist(self):
        for path in re.findall(r"`((?:lib|server|web|schema|tests|clients|docker|docs)/[A-Za-z0-9_./-]+)`", read("README.md")):
            self.assertTrue(os.path.exists(os.path.join(ROOT, path)), "README.md names " + path)


class Live(ApiTest):
    def test_every_metric_is_defined(self):
        """In both directions: a row for each metric, and a metric for each row of the catalogue's section."""
        text = read("docs", "metrics.md")
        catalogue = {m["name"]: m for m in self.server.get("/api/v1/metrics").json()["metrics"]}
        section = re.search(r"(?s)## The catalogue\n(.*?)\n### ", text).group(1)
        rows = re.findall(r"(?m)^\| `(\w+)`", section)
        self.assertEqual(sorted(rows), sorted(catalogue))
        states = {name: state for name, state in re.findall(r"(?m)^\| `(\w+)` \| `(\w+)`", section)}
        for name, metric in catalogue.items():
            if metric["kind"] != "counts":
                self.assertEqual(states.get(name), metric["series"] if metric["kind"] == "mean" else metric["kind"], name)
            for argument in metric["arguments"]:
                row = re.search(r"(?m)^\| `%s`.*$" % name, section).group(0)
                self.assertTrue(argument in ("<beta>", "none") or "`@%s`" % argument in row, (name, argument))

    def test_every_finding_is_documented(self):
        ids = set(re.findall(r'add_finding\(m, "([a-z-]+)"', read("server", "query_diagnosis.c")))
        self.assertEqual(len(ids), 7)
        documented = re.findall(r"(?m)^\| `([a-z]+(?:-[a-z]+)*)` \|", read("docs", "metrics.md").split("## Diagnosis")[1].split("\n## ")[0])
        self.assertEqual(set(documented), ids)
        schema = re.search(r"(?s)\n    diagnosis:.*?id: \{type: string, enum: \[([^\]]*)\]", openapi.text()).group(1)
        self.assertEqual(set(schema.split(", ")), ids)

    def test_every_limit_is_documented_with_its_default(self):
        text, schema = read("docs", "operations.md"), openapi.text()
        for name, value in self.server.get("/api/v1/limits").json().items():
            self.assertTrue("| `%s` | %s |" % (name, format(value, ",")) in text, "docs/operations.md: " + name)
            self.assertTrue(re.search(r"%s: \{type: integer, default: %d\b" % (name, value), schema), "openapi.yaml: " + name)

    def test_answers_have_the_documented_keys(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [1, 1]], "sums": {"loss": ["NaN", 3]},
                          "scores": {"thresholds": 2, "pos": [[1, 0], [1, 1]], "neg": [[2, 0], [0, 1]]}, "calibration": {"bins": 1, "count": [3, 0], "confidence": [2, 0], "correct": [2, 0]}}])
        schema = openapi.text()

        def keys(value):
            if isinstance(value, dict):
                for k, v in value.items():
                    yield k
                    if k not in ("metrics", "columns") or not isinstance(v, dict):
                        yield from keys(v)
                    else:
                        for inner in v.values():
                            yield from keys(inner)
            elif isinstance(value, list):
                for v in value:
                    yield from keys(v)
        answers = [self.server.get(self.path(run)), self.server.get("/api/v1/runs"), self.server.get("/api/v1/projects"), self.server.get(self.path(run, "epochs"), metric="accuracy,loss"),
                   self.server.get(self.path(run, "steps"), metric="accuracy,loss"), self.server.get(self.path(run, "classes")), self.server.get(self.path(run, "confusion")),
                   self.server.get(self.path(run, "confusion"), form="dense"), self.server.get("/api/v1/metrics"),
                   self.server.get(self.path(run, "curves")), self.server.get(self.path(run, "calibration")), self.server.get(self.path(run, "diagnosis")),
                   self.server.get("/api/v1/compare", runs=run, x="epoch", group="config.lr", config="true", metric="accuracy,loss"), self.server.get("/api/v1/compare", runs=run)]
        for answer in answers:
            self.assertEqual(answer.status, 200, answer)
            forms = {"micro", "macro", "weighted", "none", "linear", "quadratic", "l1", "l2", "max"}  # keys of needs_by_task
            for key in set(keys(answer.json())) - {"accuracy", "loss"} - forms:
                self.assertTrue(re.search(r"(?m)^ +%s:( \{|$)" % re.escape(key), schema), "openapi.yaml does not know the key " + key)


if __name__ == "__main__":
    unittest.main()
