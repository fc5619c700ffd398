"""States beside or instead of counts: every form dense and sparse, duplicates, conflicts, refusals, export."""
import unittest

from tally_server import ApiTest

MOMENTS = {"n": 6, "mean_target": 1.5, "mean_prediction": 0.30000000000000004, "m2_target": 3, "m2_prediction": 4.25, "c": -1e-300,
           "sum_error": -7.2, "sum_abs_error": 8, "sum_squared_error": 1e22}
# name of the form -> ways to say the same, the greatest first
FORMS = {
    "scores": [{"scores": {"thresholds": 3, "pos": [[0, 1, 2], [0, 0, 3]], "neg": [[3, 0, 0], [0, 2, 1]]}},
               {"scores": {"thresholds": 3, "num_classes": 2, "cells": [[1, 2, 3, 1], [0, 1, 1, 0], [1, 1, 0, 2], [0, 0, 0, 3], [0, 2, 2, 0]]}},
               {"num_classes": 2, "samples": 6,
                "scores": {"cells": [[0, 0, 0, 3], [0, 1, 1, 0], [0, 2, 2, 0], [1, 0, 0, 0], [1, 1, 0, 2], [1, 2, 3, 1]], "thresholds": 3}}],
    "scores binary": [{"task": "binary", "name": "b", "scores": {"thresholds": 2, "pos": [[1, 3]], "neg": [[2, 0]]}},
                      {"task": "binary", "name": "b", "scores": {"thresholds": 2, "cells": [[0, 0, 1, 2], [0, 1, 3, 0]]}}],
    "scores multilabel": [{"task": "multilabel", "name": "m", "scores": {"thresholds": 2, "pos": [[0, 1], [2, 0]], "neg": [[2, 0], [1, 0]]}},
                          {"task": "multilabel", "name": "m", "scores": {"thresholds": 2, "num_classes": 2, "cells": [[0, 0, 0, 2], [0, 1, 1, 0], [1, 0, 2, 1]]}}],
    "calibration": [{"calibration": {"bins": 3, "count": [4, 0, 1, 1], "confidence": [0.7, 0, 0.9, 1], "correct": [2, 0, 1, 0]}},
                    {"calibration": {"bins": 3, "cells": [[3, 1, 1, 0], [0, 4, 0.7, 2], [2, 1, 0.9, 1]]}}],
    "exact": [{"exact": [4, 6]}, {"exact": [4, 6], "samples": 6, "task": "multilabel"}],
    "regression": [{"regression": MOMENTS}, {"regression": dict(reversed(list(MOMENTS.items())))}],
}


def record(fields, step=0, stage="test"):
    return {"stage": stage, "epoch": 0, "step": step, **fields}


class States(ApiTest):
    def series(self, run):
        answer = self.server.get(self.path(run))
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["series"]

    def export(self, run, stage="test", **query):
        answer = self.server.get(self.path(run, "batches"), stage=stage, **query)
        self.assertEqual(answer.status, 200, answer)
        return answer.lines()

    def test_every_way_to_say_a_state_is_the_same(self):
        for form, ways in FORMS.items():
            run = self.new_run(form.replace(" ", "-"))
            self.log_ok(run, record(ways[0]))
            for way in ways:
                self.log_ok(run, record(way), accepted=0, duplicates=1)
            series, = self.series(run)
            self.assertEqual((series["form"], series["batches"]), (form.split()[0], 1))

    def test_a_run_lists_each_kind_of_a_name(self):
        run = self.new_run()
        everything = {}
        for form in ("scores", "calibration", "exact", "regression"):
            everything.update(FORMS[form][0])
        self.log_ok(run, record({"confusion": [[1, 2], [0, 3]], "sums": {"nll": [4.5, 30]}, **everything}))
        got = [(s["name"], s["form"], s["task"], s["num_classes"], s["bins"], s["samples"], s["batches"]) for s in self.series(run)]
        self.assertEqual(got, [("main", "confusion", "multiclass", 2, None, 6, 1), ("main", "scores", "multiclass", 2, 3, 6, 1),
                               ("main", "calibration", "multiclass", None, 3, 6, 1), ("main", "exact", None, None, None, 6, 1),
                               ("main", "regression", None, None, None, 6, 1), ("nll", "mean", None, None, None, 0, 1)])

    def test_the_same_counts_again_plus_scores_adds_scores(self):
        run, counts = self.new_run(), {"correct": 2, "total": 6}
        self.log_ok(run, record(counts))
        for form in ("scores", "calibration", "exact", "regression"):
            both = record({**counts, **FORMS[form][0]})
            self.log_ok(run, both)
            self.log_ok(run, both, accepted=0, duplicates=1)
        self.assertEqual(len(self.series(run)), 5)

    def test_other_content_is_a_conflict_and_stores_nothing(self):
        changed = {"scores": {"scores": {"thresholds": 3, "pos": [[0, 1, 2], [0, 0, 3]], "neg": [[3, 0, 0], [2, 0, 1]]}},
                   "calibration": {"calibration": {"bins": 3, "count": [4, 0, 1, 1], "confidence": [0.7000000000000001, 0, 0.9, 1], "correct": [2, 0, 1, 0]}},
                   "exact": {"exact": [5, 6]}, "regression": {"regression": {**MOMENTS, "c": 1e-300}}}
        for form, other in changed.items():
            run = self.new_run(form)
            self.log_ok(run, record(FORMS[form][0]))
            before = self.export(run)
            for bad in (other, {**FORMS[form][0], "samples": 7}):
                answer = self.server.log_batches(run, [record(FORMS[form][0], step=1), record(bad)])
                self.assert_problem(answer, 409, "conflicting-content", says=form)
                self.assertEqual(self.export(run), before)

    def test_another_shape_is_refused(self):
        run = self.new_run()
        self.log_ok(run, [record({**FORMS["scores"][0], **FORMS["calibration"][0], "values": {"lr": 1}})])
        for bad, pointer in (({"scores": {"thresholds": 4, "num_classes": 2, "cells": []}}, "/scores"),
                             ({"scores": {"thresholds": 3, "num_classes": 3, "cells": []}}, "/scores"),
                             ({"task": "multilabel", "scores": {"thresholds": 3, "num_classes": 2, "cells": []}}, "/scores"),
                             ({"calibration": {"bins": 4, "cells": []}}, "/calibration"),
                             ({"sums": {"main": [1, 2]}}, "/sums/main"), ({"exact": [1, 2], "name": "lr"}, "/exact")):
            self.assert_problem(self.server.log_batches(run, record(bad, step=1)), 409, "conflicting-shape", pointer=pointer)
            self.assert_problem(self.server.log_batches(run, [record({"exact": [1, 1]}, step=9), record(bad, step=1)]), 409, "conflicting-shape", pointer="/1" + pointer)
        self.assertEqual(len(self.series(run)), 3)

    def test_what_is_wrong_is_named(self):
        run = self.new_run()
        scores = {"thresholds": 3, "pos": [[0, 1, 2]], "neg": [[3, 0, 0]]}
        bins = {"bins": 1, "count": [1, 1], "confidence": [0.5, 1], "correct": [1, 1]}
        for bad, pointer in (({"scores": {**scores, "pos": [[0, 1, 2], [0, 1, -7]]}}, "/scores/pos/1/2"),
                             ({"scores": {**scores, "pos": [[0, 1, 2, 3]]}}, "/scores/pos/0"),
                             ({"scores": {**scores, "thresholds": 10002}}, "/scores/thresholds"),
                             ({"scores": {**scores, "bins": 3}}, "/scores/bins"),
                             ({"scores": {"thresholds": 3, "num_classes": 1, "cells": [[0, 3, 1, 1]]}}, "/scores/cells/0/1"),
                             ({"scores": scores, "num_classes": 2}, "/num_classes"),
                             ({"calibration": {**bins, "confidence": [1.5, 1]}}, "/calibration/confidence/0"),
                             ({"calibration": {**bins, "confidence": ["NaN", 1]}}, "/calibration/confidence/0"),
                             ({"calibration": {**bins, "correct": [1, 2]}}, "/calibration/correct/1"),
                             ({"calibration": {**bins, "count": [1]}}, "/calibration/count"),
                             ({"exact": [3, 2]}, "/exact/0"), ({"exact": [3]}, "/exact"),
                             ({"regression": {**MOMENTS, "m2_target": -1}}, "/regression/m2_target"),
                             ({"regression": {**MOMENTS, "c": "NaN"}}, "/regression/c"),
                             ({"regression": {k: v for k, v in MOMENTS.items() if k != "c"}}, "/regression/c"),
                             ({"exact": [1, 1], "values": {"main": 1}}, "/values/main")):
            self.assert_problem(self.server.log_batches(run, record(bad)), 422, pointer=pointer)
            self.assert_problem(self.server.log_batches(run, [record({"exact": [1, 1]}), record(bad, step=1)]), 422, pointer="/1" + pointer)
        self.assertEqual(self.server.get(self.path(run)).status, 404)

    def test_an_export_gives_equal_states(self):
        run, other = self.new_run("from"), self.new_run("into")
        records = [record(ways[0], step=i) for i, ways in enumerate(FORMS.values())]
        records.append(record({"confusion": [[1, 2], [0, 3]], "sums": {"nll": [4.5, 30]}, "values": {"lr": 0.1}, "exact": [1, 2], "samples": 8,
                               **FORMS["scores"][0], **FORMS["calibration"][0]}, step=20))
        records.append(record({"exact": [1, 2], "samples": 3}, step=21))
        records.append(record({**FORMS["calibration"][0]}, step=21))
        self.log_ok(run, records)
        lines = self.export(run)
        self.assertEqual(len(lines), len(records))
        self.log_ok(run, lines, accepted=0, duplicates=len(lines))
        self.log_ok(other, lines)
        self.assertEqual(self.export(other), lines)
        self.log_ok(other, records, accepted=0, duplicates=len(records))
        by_step = {line["step"]: line for line in lines}
        self.assertEqual(by_step[0]["scores"], {"thresholds": 3, "num_classes": 2, "cells": [[0, 0, 0, 3], [0, 1, 1, 0], [0, 2, 2, 0], [1, 1, 0, 2], [1, 2, 3, 1]]})
        self.assertEqual(by_step[3]["calibration"], {"bins": 3, "cells": [[0, 4, 0.7, 2], [2, 1, 0.9, 1], [3, 1, 1, 0]]})
        self.assertEqual((by_step[4]["exact"], by_step[4]["samples"]), ([4, 6], 6))
        self.assertEqual(by_step[5]["regression"], MOMENTS)
        self.assertEqual(sorted(by_step[20]), sorted(["stage", "epoch", "step", "rank", "num_classes", "cells", "scores", "calibration", "exact", "samples", "sums", "time"]))

    def test_a_config_grown_by_patches_is_refused_beyond_its_bound(self):
        run = self.new_run()
        part = "x" * 300000
        for i in range(3):
            self.assertIn(self.server.put(self.path(run), {"config": {"k%d" % i: part}}).status, (200, 201))
        for change in (self.server.put, self.server.patch):
            self.assert_problem(change(self.path(run), {"config": {"k3": part}}), 422, "invalid-value", pointer="/config")
        self.assertEqual(sorted(self.server.get(self.path(run)).json()["config"]), ["k0", "k1", "k2"])
        self.assertEqual(self.server.patch(self.path(run), {"config": {"k0": None, "k3": part}}).status, 200)


if __name__ == "__main__":
    unittest.main()
