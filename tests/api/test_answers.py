"""Classes, confusion, export, CSV, ETags, compressed answers."""
import csv
import gzip
import io
import random
import re
import unittest

import model
from tally_server import ApiTest, seed_of

MATRIX = [[5, 2, 0], [1, 7, 0], [0, 4, 0]]


class Tables(ApiTest):
    def setUp(self):
        self.run_id = self.new_run()
        self.server.put(self.path(self.run_id), {"stages": {"test": {"class_names": ["cat", "dog", "eel"]}}})
        self.log_ok(self.run_id, [{"stage": "test", "epoch": 0, "step": 0, "confusion": [[1, 0, 0], [0, 0, 0], [0, 0, 0]]},
                                  {"stage": "test", "epoch": 1, "step": 0, "confusion": [[5, 0, 0], [0, 7, 0], [0, 0, 0]]},
                                  {"stage": "test", "epoch": 1, "step": 1, "confusion": [[0, 2, 0], [1, 0, 0], [0, 4, 0]]}])

    def test_classes(self):
        got = self.ask(self.run_id, "classes", stage="test")
        self.assertEqual(got["epoch"], 1)
        tp, fp, fn = model.per_class(MATRIX)
        self.assertEqual([{k: c[k] for k in ("class", "name", "support", "tp", "fp", "fn")} for c in got["classes"]],
                         [{"class": i, "name": n, "support": tp[i] + fn[i], "tp": tp[i], "fp": fp[i], "fn": fn[i]} for i, n in enumerate(("cat", "dog", "eel"))])
        self.assert_close([c["precision"] for c in got["classes"]], [5 / 6, 7 / 13, 0])
        self.assert_close([c["recall"] for c in got["classes"]], [5 / 7, 7 / 8, 0])
        self.assert_close([c["f1"] for c in got["classes"]], [10 / 13, 14 / 21, 0])
        self.assertEqual(self.ask(self.run_id, "classes", epoch=0)["classes"][0]["tp"], 1)

    def test_confusion(self):
        got = self.ask(self.run_id, "confusion", stage="test")
        self.assertEqual((got["epoch"], got["num_classes"], got["class_names"]), (1, 3, ["cat", "dog", "eel"]))
        self.assertEqual(got["cells"], [[t, p, MATRIX[t][p]] for t in range(3) for p in range(3) if MATRIX[t][p]])
        dense = self.ask(self.run_id, "confusion", form="dense")
        self.assertEqual([v for k, v in dense.items() if isinstance(v, list) and k != "class_names"], [MATRIX])

    def test_normalised(self):
        n = range(3)
        rows = [sum(MATRIX[t]) for t in n]
        cols = [sum(MATRIX[t][p] for t in n) for p in n]
        for how, divide in (("true", lambda t, p: rows[t]), ("pred", lambda t, p: cols[p]), ("all", lambda t, p: sum(rows))):
            got = self.ask(self.run_id, "confusion", normalize=how)["cells"]
            self.assertEqual([c[:2] for c in got], [[t, p] for t in n for p in n if MATRIX[t][p]])
            self.assert_close([c[2] for c in got], [MATRIX[t][p] / divide(t, p) for t in n for p in n if MATRIX[t][p]], where=how)

    def test_what_is_not_there(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.log_ok(run, {"stage": "b", "epoch": 0, "step": 0, "tp": [1, 0], "fp": [0, 1], "fn": [1, 0]})
        self.assert_problem(self.server.get(self.path(run, "classes"), stage="a"), 422, "state-lacks")
        self.assert_problem(self.server.get(self.path(run, "confusion"), stage="b"), 422, "state-lacks", says="confusion")
        self.assertEqual(len(self.ask(run, "classes", stage="b")["classes"]), 2)
        self.assertEqual(self.ask(run, "classes", stage="c")["classes"], [])
        self.assertEqual(self.ask(run, "confusion", stage="c")["cells"], [])
        self.assert_problem(self.server.get(self.path(self.run_id, "confusion"), normalize="rows"), 422, "invalid-value", pointer="?normalize")

    def test_a_large_matrix_is_sparse_only(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "num_classes": 4096, "cells": [[4095, 0, 3], [0, 4095, 2], [17, 17, 1]]})
        self.assertEqual(self.ask(run, "confusion")["cells"], [[0, 4095, 2], [17, 17, 1], [4095, 0, 3]])
        self.assert_problem(self.server.get(self.path(run, "confusion"), form="dense"), 422, pointer="?form")
        self.assertEqual(len(self.ask(run, "classes")["classes"]), 4096)
        self.assert_close(self.epoch_value(run, "accuracy.macro"), 1 / 3)


class Export(ApiTest):
    def pages(self, run, **query):
        """All pages of an export, by the Link header."""
        out, path = [], self.path(run, "batches")
        answer = self.server.get(path, **query)
        while True:
            self.assertEqual(answer.status, 200, answer)
            self.assertTrue(answer.headers["content-type"].startswith("application/x-ndjson"), answer.headers)
            out.append(answer)
            link = answer.headers.get("link")
            if not link:
                return out
            target = re.fullmatch(r'<([^>]*)>; rel="next"', link).group(1)
            answer = self.server.get(re.sub(r"^https?://[^/]*", "", target))

    def all_pages(self, run, **query):
        """The pages of every epoch: without one an export is of the last."""
        epochs = {e for s in self.server.get(self.path(run)).json()["series"] for e in range(s["last_epoch"] + 1)}
        return [page for e in sorted(epochs) for page in self.pages(run, epoch=e, **query)]

    def copy(self, run, to, **query):
        for page in self.all_pages(run, **query):
            if page.body:
                answer = self.server.log_batches(to, page.body, headers={"Content-Type": "application/x-ndjson"})
                self.assertEqual(answer.status, 200, answer)
                yield answer.json()

    def test_posted_into_another_run_it_gives_equal_answers(self):
        rng = random.Random(seed_of("export"))
        for form in ("confusion", "per_class", "totals"):
            run, twin = self.new_run(form), self.new_run(form)
            batches = [model.random_batch(rng, e, s, r) for e in range(2) for s in range(6) for r in range(2)]
            records = [model.record_of(b, form=form) for b in batches]
            records[0]["values"] = {"lr": 0.1}
            records[1]["sums"] = {"loss": ["NaN", 1]}
            self.log_ok(run, records)
            self.log_ok(run, [{"stage": "train", "epoch": 0, "step": 0, "name": "parity", "correct": 1, "total": 2}, {"stage": "train", "epoch": 9, "step": 1, "values": {"lr": 2.5}}])
            for answer in self.copy(run, twin):
                self.assertEqual((answer["duplicates"], answer["stale"]), (0, 0))
            metrics = "accuracy,loss,loss:min,loss:max,loss:last,lr,parity:accuracy" + ("" if form == "totals" else ",accuracy.macro,f1.weighted")
            self.assertEqual(self.answers(twin, "train", metrics), self.answers(run, "train", metrics), form)
            before = self.server.get(self.path(run)).json()["revision"]
            self.assertEqual(sum(a["accepted"] for a in self.copy(run, run)), 0)
            self.assertEqual(self.server.get(self.path(run)).json()["revision"], before)

    def test_one_canonical_record_for_each_key_and_name(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": 1, "confusion": MATRIX, "sums": {"loss": [1, 2]}, "time": 1000},
                          {"stage": "t", "epoch": 0, "step": 0, "rank": 1, "num_classes": 3, "cells": [[2, 1, 4], [0, 0, 1]], "time": 2000},
                          {"stage": "t", "epoch": 0, "step": 0, "rank": 0, "values": {"lr": 0.5}, "time": 3000},
                          {"stage": "t", "epoch": 0, "step": 0, "rank": 1, "correct": 1, "total": 1, "name": "head", "time": 2000}])
        records = [r for page in self.pages(run) for r in page.lines()]
        self.assertEqual([(r["epoch"], r["step"], r.get("rank", 0)) for r in records], [(0, 0, 0), (0, 0, 1), (0, 0, 1), (0, 1, 0)])
        main = records[-1]
        self.assertEqual((main["num_classes"], main["cells"], main["time"]), (3, [[t, p, MATRIX[t][p]] for t in range(3) for p in range(3) if MATRIX[t][p]], 1000))
        self.assertEqual(main["sums"]["loss"][:2], [1, 2])
        self.assertTrue(all(r["stage"] == "t" for r in records))
        one = [r for page in self.pages(run, name="head") for r in page.lines()]
        self.assertEqual([r.get("name") for r in one], ["head"])

    def test_one_epoch(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": e, "step": s, "correct": 1, "total": 2} for e in range(3) for s in range(2)])
        self.assertEqual([(r["epoch"], r["step"]) for p in self.pages(run, epoch=1) for r in p.lines()], [(1, 0), (1, 1)])
        self.assertEqual([(r["epoch"], r["step"]) for p in self.pages(run) for r in p.lines()], [(2, 0), (2, 1)])
        self.assertEqual([p.body for p in self.pages(run, stage="other")], [b""])

    def test_pages_hold_everything_once(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": s, "rank": r, "correct": 1, "total": 2, "sums": {"loss": [1, 2]}} for s in range(1250) for r in range(2)])
        keys = [(r["step"], r.get("rank", 0)) for p in self.pages(run, limit=300) for r in p.lines()]
        self.assertEqual(keys, [(s, r) for s in range(1250) for r in range(2)])

    def test_batches_have_no_csv(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.assert_problem(self.server.get(self.path(run, "batches"), headers={"Accept": "text/csv"}), 406, "not-acceptable")


class Csv(ApiTest):
    def table(self, path, **query):
        answer = self.server.get(path, format="csv", **query)
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.headers["content-type"].startswith("text/csv"), answer.headers)
        bare = re.sub(rb'"[^"]*"', b"", answer.body)
        self.assertEqual(bare.count(b"\n"), bare.count(b"\r\n"))
        accepted = self.server.get(path, headers={"Accept": "text/csv"}, **query)
        self.assertEqual(accepted.body, answer.body)
        rows = list(csv.reader(io.StringIO(answer.text, newline="")))
        self.assertEqual({len(r) for r in rows}, {len(rows[0])}, rows)
        return rows[0], [dict(zip(rows[0], r)) for r in rows[1:]]

    def setUp(self):
        self.run_id = self.new_run()
        self.log_ok(self.run_id, [{"stage": "a", "epoch": e, "step": s, "confusion": [[e + 1, s], [1, 2]], "sums": {"loss": [e + s, 2]} if e == 0 else {"loss": ["NaN", 1]}}
                                  for e in range(2) for s in range(3)])

    def test_epochs(self):
        metrics = "accuracy,recall.none,loss"
        header, rows = self.table(self.path(self.run_id, "epochs"), metric=metrics)
        self.assertEqual(header, ["epoch", "steps", "batches", "samples", "first_step", "last_step", "ranks", "accuracy", "accuracy low", "accuracy high",
                                  "accuracy mean_of_steps", "recall.none[0]", "recall.none[0] mean_of_steps", "recall.none[1]", "recall.none[1] mean_of_steps",
                                  "loss", "loss nonfinite"])
        for row, entry in zip(rows, self.ask(self.run_id, "epochs", metric=metrics)["epochs"]):
            for field in header[:7]:
                self.assertEqual(int(row[field]), entry[field])
            m = entry["metrics"]
            self.assertEqual([float(row["accuracy" + t]) for t in ("", " low", " high", " mean_of_steps")],
                             [m["accuracy"][t] for t in ("value", "low", "high", "mean_of_steps")])
            self.assertEqual([float(row["recall.none[%d]" % c]) for c in (0, 1)], m["recall.none"]["value"])
            self.assertEqual([float(row["recall.none[%d] mean_of_steps" % c]) for c in (0, 1)], m["recall.none"]["mean_of_steps"])
            self.assertEqual(row["loss"], "" if m["loss"]["value"] is None else row["loss"])
            self.assertEqual(int(row["loss nonfinite"]), m["loss"]["nonfinite"])
        self.assertEqual(rows[1]["loss"], "")

    def test_steps(self):
        header, rows = self.table(self.path(self.run_id, "steps"), metric="accuracy,loss")
        self.assertEqual(header, ["x", "epoch", "step", "time", "samples", "batches", "accuracy", "accuracy min", "accuracy max", "loss", "loss min", "loss max"])
        got = self.ask(self.run_id, "steps", metric="accuracy,loss")
        self.assertEqual([int(r["x"]) for r in rows], got["x"])
        self.assertEqual([float(r["accuracy"]) for r in rows], got["metrics"]["accuracy"]["value"])
        self.assertEqual([r["loss min"] for r in rows[3:]], ["", "", ""])

    def test_confusion(self):
        header, rows = self.table(self.path(self.run_id, "confusion"), epoch=0)
        self.assertEqual(header, ["target", "predicted", "count"])
        self.assertEqual([[int(r[k]) for k in header] for r in rows], self.ask(self.run_id, "confusion", epoch=0)["cells"])

    def test_curves_have_a_row_for_each_class_and_threshold(self):
        scores = {"thresholds": 3, "pos": [[0, 1, 2], [0, 2, 0]], "neg": [[3, 2, 1], [4, 1, 2]]}
        for task, name in (("multiclass", "=1+1"), ("multilabel", "one"), ("binary", "yes")):
            run = self.new_run(task)
            self.server.put(self.path(run), {"stages": {"t": {"class_names": ["no", name]}}})
            one = {**scores, "pos": scores["pos"][:1], "neg": scores["neg"][:1]} if task == "binary" else scores
            self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "task": task, "scores": one})
            header, rows = self.table(self.path(run, "curves"))
            self.assertEqual(header, ["class", "name", "positives", "negatives", "threshold", "fpr", "tpr", "precision", "recall"])
            got = self.ask(run, "curves")
            curves = got["classes"] + ([{"class": "micro", "name": None, **got["micro"]}] if got["micro"] else [])
            expected = [[str(c["class"]), c["name"] or "", c["positives"], c["negatives"], t, *(c[k][i] for k in header[5:])]
                        for c in curves for i, t in enumerate(got["thresholds"])]
            self.assertEqual(got["micro"] is not None, task == "multilabel")
            self.assertEqual([[r["class"], r["name"].lstrip("'")] + [float(r[k]) for k in header[2:]] for r in rows], expected)
            if task == "multiclass":
                self.assertEqual(rows[-1]["name"], "'=1+1", "no formula")
            self.assertEqual(len(self.table(self.path(run, "curves"), **{"class": 1})[1]), 3)
        empty = self.server.get(self.path(run, "curves"), stage="nothing", format="csv")
        self.assertEqual(empty.text, ",".join(header) + "\r\n")

    def test_calibration_has_a_row_for_each_bin(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "calibration": {"bins": 2, "count": [4, 0, 1], "confidence": [1.4, 0, 1], "correct": [2, 0, 1]}})
        header, rows = self.table(self.path(run, "calibration"))
        self.assertEqual(header, ["bin", "low", "high", "count", "correct", "confidence", "accuracy"])
        self.assertEqual([{k: float(v) if v else None for k, v in r.items()} for r in rows], self.ask(run, "calibration")["rows"])
        self.assertEqual((rows[1]["count"], rows[1]["accuracy"]), ("0", ""))
        self.assertEqual(self.server.get(self.path(run, "calibration"), stage="nothing", format="csv").text, ",".join(header) + "\r\n")

    def test_runs_and_quoting(self):
        run, name = self.new_run(), 'a "quoted", name\nof two lines'
        self.server.put(self.path(run), {"name": name, "project": "csv", "config": {"lr": 0.25}})
        header, rows = self.table("/api/v1/runs", project="csv", columns="config.lr,test/accuracy@last")
        self.assertEqual(header[-2:], ["config.lr", "test/accuracy@last"])
        self.assertEqual(header[:4], ["id", "project", "name", "status"])
        self.assertEqual((rows[0]["name"], rows[0]["config.lr"], rows[0]["test/accuracy@last"]), (name, "0.25", ""))

    def test_accept(self):
        path = self.path(self.run_id, "epochs")
        for accept, kind in (("*/*", "application/json"), ("text/*", "text/csv"), ("application/json", "application/json"), ("text/csv;q=0.5, application/json;q=0.1", "text/csv"),
                             ("text/html, application/json;q=0.9, */*;q=0.1", "application/json")):
            answer = self.server.get(path, headers={"Accept": accept})
            self.assertEqual((answer.status, answer.headers["content-type"].split(";")[0]), (200, kind), accept)
        self.assert_problem(self.server.get(path, headers={"Accept": "image/png"}), 406, "not-acceptable")
        self.assert_problem(self.server.get(path, format="xml"), 422, "invalid-value", pointer="?format")


class Tags(ApiTest):
    def test_unchanged_answers_are_304_and_changes_are_seen(self):
        run = self.new_run()
        self.server.put(self.path(run), {"project": "tags"})
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]]})
        paths = [self.path(run), self.path(run, "epochs"), self.path(run, "steps"), self.path(run, "classes"), self.path(run, "confusion"), self.path(run, "batches"),
                 "/api/v1/runs", "/api/v1/runs?project=tags", "/api/v1/projects", self.path(run, "epochs?metric=f1.macro"), self.path(run, "epochs?format=csv")]

        def tags():
            out = {}
            for path in paths:
                answer = self.server.request("GET", path)
                self.assertEqual(answer.status, 200, path)
                tag = answer.headers["etag"]
                self.assertRegex(tag, r'^(W/)?"[^"]+"$')
                for sent in (tag, '"other", ' + tag, "*"):
                    again = self.server.request("GET", path, headers={"If-None-Match": sent})
                    self.assertEqual((again.status, again.body, again.headers["etag"]), (304, b"", tag), (path, sent))
                self.assertEqual(self.server.request("GET", path, headers={"If-None-Match": '"other"'}).status, 200)
                out[path] = tag
            return out
        first = tags()
        self.assertEqual(len(set(first.values())), len(first), "each representation has a tag of its own")
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]]}, accepted=0, duplicates=1)
        self.server.patch(self.path(run), {})
        self.assertEqual(tags(), first)
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 1, "confusion": [[1, 0], [0, 1]]})
        second = tags()
        for path in paths:
            if path != "/api/v1/projects":
                self.assertNotEqual(second[path], first[path], path)
        self.server.patch(self.path(run), {"status": "finished"})
        third = tags()
        self.assertNotEqual(third[self.path(run)], second[self.path(run)])
        self.log_ok(self.new_run(), {"stage": "t", "epoch": 0, "step": 1, "correct": 1, "total": 1}, query={"project": "newer"})
        self.assertNotEqual(tags()["/api/v1/projects"], third["/api/v1/projects"])

    def test_head_is_get_without_a_body(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        for path in (self.path(run), self.path(run, "epochs"), "/api/v1/runs", "/healthz", "/"):
            got, head = self.server.request("GET", path), self.server.request("HEAD", path)
            self.assertEqual((head.status, head.body, head.headers.get("etag")), (200, b"", got.headers.get("etag")), path)
            self.assertEqual(head.headers.get("content-length"), str(len(got.body)), path)


class Compressed(ApiTest):
    def get_both(self, path, **query):
        plain = self.server.get(path, **query)
        packed = self.server.get(path, headers={"Accept-Encoding": "br, gzip;q=0.8"}, **query)
        self.assertEqual((plain.status, packed.status), (200, 200))
        self.assertIsNone(plain.headers.get("content-encoding"))
        return plain, packed

    def test_large_answers(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "train", "epoch": 0, "step": i, "correct": i % 32, "total": 32} for i in range(500)])
        for path, query in ((self.path(run, "steps"), {"metric": "accuracy"}), (self.path(run, "batches"), {}),
                            ("/api/v1/metrics", {}), ("/api/v1/openapi.yaml", {}), ("/metrics", {})):
            plain, packed = self.get_both(path, **query)
            with self.subTest(path=path):
                self.assertEqual(packed.headers.get("content-encoding"), "gzip")
                self.assertLess(len(packed.body), len(plain.body) / 2)
                if path != "/metrics":  # which counts the requests for it
                    self.assertEqual(gzip.decompress(packed.body), plain.body)
                for answer in (plain, packed):
                    self.assertIn("Accept-Encoding", [v.strip() for v in answer.headers["vary"].split(",")])
                self.assertEqual(plain.headers["content-type"], packed.headers["content-type"])

    def test_the_page_and_its_files(self):
        page = self.server.get("/").body.decode()
        for path in sorted(set(re.findall(r'"(/assets/[^"]+)"', page))):
            plain, packed = self.get_both(path)
            with self.subTest(path=path):
                if len(plain.body) < 1024:
                    self.assertIsNone(packed.headers.get("content-encoding"))
                    continue
                self.assertEqual(packed.headers.get("content-encoding"), "gzip")
                self.assertEqual(gzip.decompress(packed.body), plain.body)
                self.assertEqual(self.get_both(path)[1].body, packed.body)

    def test_small_answers_and_those_who_do_not_ask_are_left_alone(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2}, headers={"Accept-Encoding": "gzip"})
        small = self.server.get(self.path(run), headers={"Accept-Encoding": "gzip"})
        self.assertLess(len(small.body), 1024)
        self.assertEqual((small.headers.get("content-encoding"), small.json()["id"]), (None, run))
        for ask in ("identity", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", ""):
            self.assertIsNone(self.server.get("/api/v1/metrics", headers={"Accept-Encoding": ask}).headers.get("content-encoding"), ask)

    def test_etags_stay_good(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "train", "epoch": 0, "step": i, "correct": 1, "total": 2} for i in range(500)])
        plain, packed = self.get_both(self.path(run, "steps"))
        self.assertEqual(packed.headers["etag"], "W/" + plain.headers["etag"])
        for tag in (plain.headers["etag"], packed.headers["etag"]):
            for coding in ("identity", "gzip"):
                answer = self.server.get(self.path(run, "steps"), headers={"If-None-Match": tag, "Accept-Encoding": coding})
                self.assertEqual((answer.status, answer.body), (304, b""))


if __name__ == "__main__":
    unittest.main()
