"""Logging: every form of a record, their equivalence, duplicates, conflicts, all or nothing, NDJSON, gzip."""
import json
import random
import unittest

import model
from tally_server import ApiTest, gz, seed_of

MATRIX = [[[5, 2, 0], [1, 7, 0], [0, 0, 3]], [[9, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [4, 0, 4], [1, 1, 1]]]
COUNTS = ("accuracy,accuracy.macro,accuracy.weighted,accuracy.none,precision.macro,recall.none,f1.weighted,specificity.macro,"
          "jaccard.macro,hamming.macro,npv.macro,fbeta@2.macro,mcc,kappa")


def rows(form, stage="val"):
    return [{"stage": stage, "epoch": 0, "step": i, **model.forms(m)[form]} for i, m in enumerate(MATRIX)]


class Forms(ApiTest):
    def test_per_class_and_confusion_forms_give_equal_answers(self):
        want = None
        for group, metrics in ((("per_class", "per_class_tn", "classes"), COUNTS), (("confusion", "confusion_totals", "cells"), COUNTS + ",kappa@quadratic")):
            first = None
            for form in group:
                run = self.new_run(form)
                self.log_ok(run, rows(form))
                got = self.answers(run, "val", metrics)
                first = first or got
                self.assertEqual(got["epochs"], first["epochs"], form)
            plain = self.answers(run, "val", COUNTS)["epochs"]
            want = want or plain
            self.assertEqual(plain, want, group)

    def test_forms_of_one_shape_may_be_mixed_and_are_duplicates_of_each_other(self):
        for group in (("per_class", "per_class_tn", "classes"), ("confusion", "confusion_totals", "cells")):
            run = self.new_run()
            self.log_ok(run, rows(group[0]))
            for form in group:
                self.log_ok(run, rows(form), accepted=0, duplicates=3)

    def test_totals_give_micro_accuracy(self):
        run = self.new_run()
        self.log_ok(run, rows("totals"))
        total = sum(map(sum, sum(MATRIX, [])))
        correct = sum(m[c][c] for m in MATRIX for c in range(3))
        self.assert_close(self.epoch_value(run, "accuracy"), correct / total)
        self.assertEqual(self.ask(run, "epochs", metric="accuracy")["epochs"][0]["samples"], total)

    def test_binary_forms(self):
        tn, fp, fn, tp = 50, 3, 7, 40
        bodies = ({"tp": [tp], "fp": [fp], "fn": [fn], "tn": [tn]}, {"confusion": [[tn, fp], [fn, tp]]})
        for body in bodies:
            run = self.new_run()
            self.log_ok(run, {"stage": "test", "epoch": 0, "step": 0, "task": "binary", **body})
            for metric, want in (("accuracy", 0.9), ("precision", tp / (tp + fp)), ("recall", tp / (tp + fn)), ("specificity", tn / (tn + fp)),
                                 ("f1", 2 * tp / (2 * tp + fp + fn)), ("jaccard", tp / (tp + fp + fn)), ("npv", tn / (tn + fn)),
                                 ("accuracy.macro", 0.9), ("f1.none", 2 * tp / (2 * tp + fp + fn))):
                self.assert_close(self.epoch_value(run, metric), want, where=metric)

    def test_multilabel_counts_label_entries(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "test", "epoch": 0, "step": 0, "task": "multilabel", "tp": [3, 1], "fp": [1, 0], "fn": [0, 2], "tn": [4, 5]})
        entry = self.ask(run, "epochs", metric="accuracy,recall.none,f1.macro")["epochs"][0]
        self.assertEqual(entry["samples"], 8)
        self.assert_close(entry["metrics"]["accuracy"]["value"], 13 / 16)
        self.assert_close(entry["metrics"]["recall.none"]["value"], [1.0, 1 / 3])
        self.assert_close(entry["metrics"]["f1.macro"]["value"], (6 / 7 + 0.5) / 2)

    def test_several_heads_are_series_of_their_own(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "train", "epoch": 0, "step": 0, "correct": 3, "total": 4, "name": "digit", "sums": {"digit/loss": [4, 4]}})
        self.log_ok(run, {"stage": "train", "epoch": 0, "step": 0, "confusion": [[1, 1], [0, 2]], "name": "parity"})
        entry = self.ask(run, "epochs", metric="digit:accuracy,parity:accuracy.macro,digit/loss")["epochs"][0]
        self.assert_close(entry["metrics"]["digit:accuracy"]["value"], 0.75)
        self.assert_close(entry["metrics"]["parity:accuracy.macro"]["value"], 0.75)
        self.assert_close(entry["metrics"]["digit/loss"]["value"], 1.0)
        self.assert_problem(self.server.get(self.path(run, "epochs"), metric="accuracy"), 422)

    def test_weighted_means(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "train", "epoch": 0, "step": 0, "sums": {"loss": [41.25, 32]}},
                          {"stage": "train", "epoch": 0, "step": 1, "sums": {"loss": [10, 8, 0.25, 4.5]}},
                          {"stage": "train", "epoch": 0, "step": 2, "sums": {"loss": ["NaN", 32]}},
                          {"stage": "train", "epoch": 0, "step": 3, "sums": {"loss": ["Infinity", "Infinity"]}},
                          {"stage": "train", "epoch": 0, "step": 4, "values": {"lr": 0.125}},
                          {"stage": "train", "epoch": 0, "step": 5, "values": {"lr": 0.375}},
                          {"stage": "train", "epoch": 0, "step": 6, "values": {"lr": "-Infinity"}}])
        for metric, want in (("loss", 51.25 / 40), ("loss:mean", 51.25 / 40), ("loss:sum", 51.25), ("loss:min", 0.25), ("loss:max", 4.5),
                             ("loss:last", 1.25), ("lr", 0.25), ("lr:last", 0.375)):
            self.assert_close(self.epoch_value(run, metric), want, where=metric)
        metrics = self.ask(run, "epochs", metric="loss,lr")["epochs"][0]["metrics"]
        self.assertEqual((metrics["loss"]["nonfinite"], metrics["lr"]["nonfinite"]), (2, 1))
        self.assertNotIn("mean_of_steps", metrics["loss"])

    def test_a_mean_without_weight_is_null(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "train", "epoch": 0, "step": 0, "sums": {"loss": [0, 0]}})
        for metric in ("loss", "loss:min", "loss:max", "loss:last"):
            self.assertIsNone(self.epoch_value(run, metric), metric)

    def test_means_do_not_depend_on_the_order_of_arrival(self):
        rng = random.Random(seed_of("means"))
        records = [{"stage": "train", "epoch": 0, "step": i, "sums": {"loss": [rng.uniform(-1e9, 1e9) * 10 ** rng.randint(-12, 3), rng.random()]}} for i in range(200)]
        values = []
        for _ in range(3):
            run = self.new_run()
            rng.shuffle(records)
            self.log_ok(run, records)
            values.append(self.epoch_value(run, "loss"))
        self.assertEqual(values, [values[0]] * 3)

    def test_counts_are_exact_to_the_last_unit(self):
        run, most = self.new_run(), 2 ** 53 - 1
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": i, "tp": [most, 1], "fp": [0, 0], "fn": [0, 0]} for i in range(3)])
        classes = self.ask(run, "classes", stage="t")["classes"]
        self.assertEqual((classes[0]["tp"], classes[1]["tp"]), (3 * most, 3))
        self.assertEqual(self.ask(run, "epochs", metric="accuracy")["epochs"][0]["samples"], 3 * (most + 1))

    def test_sums_beyond_63_bits_are_refused_whole(self):
        run, most = self.new_run(), 2 ** 53 - 1
        taken = 0
        for i in range(0, 1100, 100):
            answer = self.server.log_batches(run, [{"stage": "t", "epoch": 0, "step": i + k, "correct": most, "total": most} for k in range(100)])
            if answer.status != 200:
                break
            taken += 100
        self.assert_problem(answer, 422, "count-overflow")
        self.assertEqual(taken, 1000)
        self.assertEqual(self.ask(run, "epochs", metric="accuracy")["epochs"][0]["samples"], taken * most)

    def test_samples_may_exceed_the_total(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 3, "total": 4, "samples": 36})
        entry = self.ask(run, "epochs", metric="accuracy")["epochs"][0]
        self.assertEqual(entry["samples"], 36)
        self.assert_close(entry["metrics"]["accuracy"]["value"], 0.75)

    def test_the_greatest_positions_are_taken(self):
        run, most = self.new_run(), 2 ** 53 - 1
        self.log_ok(run, {"stage": "t", "epoch": most, "step": most, "rank": 65535, "correct": 1, "total": 1})
        entry = self.ask(run, "epochs", metric="accuracy", rank=65535)["epochs"][0]
        self.assertEqual((entry["epoch"], entry["first_step"], entry["last_step"]), (most, most, most))

    def test_numbers_are_read_as_json_means_them(self):
        run = self.new_run()
        answer = self.server.log_batches(run, '{"stage":"t","epoch":0,"step":1e2,"correct":3.0,"total":40e-1,"sums":{"l":[1E1,4]}}')
        self.assertEqual(answer.status, 200, answer)
        entry = self.ask(run, "epochs", metric="accuracy,l")["epochs"][0]
        self.assertEqual((entry["first_step"], entry["samples"]), (100, 4))
        self.assert_close(entry["metrics"]["l"]["value"], 2.5)


class ExactlyOnce(ApiTest):
    RECORD = {"stage": "train", "epoch": 1, "step": 2, "confusion": [[3, 1], [0, 4]], "sums": {"loss": [2.5, 8]}}

    def test_the_same_again_changes_nothing(self):
        run = self.new_run()
        self.log_ok(run, self.RECORD)
        before = self.server.get(self.path(run))
        answers = self.answers(run, "train", "accuracy.macro,loss")
        for more in ({}, {"time": 5}, {"attempt": "a"}, {"rank": 0}, {"name": "main"}, {"task": "multiclass"}, {"correct": 7, "total": 8}):
            self.log_ok(run, {**self.RECORD, **more}, accepted=0, duplicates=1)
        after = self.server.get(self.path(run))
        self.assertEqual(after.json()["revision"], before.json()["revision"])
        self.assertEqual(after.headers["etag"], before.headers["etag"])
        self.assertEqual(self.answers(run, "train", "accuracy.macro,loss"), answers)

    def test_duplicates_within_one_request(self):
        run = self.new_run()
        self.log_ok(run, [self.RECORD, self.RECORD, {**self.RECORD, "step": 3}], accepted=2, duplicates=1)

    def test_other_content_is_a_conflict_and_the_whole_request_is_refused(self):
        run = self.new_run()
        self.log_ok(run, self.RECORD)
        before = self.answers(run, "train", "accuracy,loss")
        for change in ({"confusion": [[3, 1], [0, 5]]}, {"samples": 9}, {"sums": {"loss": [2.5, 7]}}, {"sums": {"loss": [2.5, 8, 0, 1]}}):
            body = [{**self.RECORD, "step": 10}, {**self.RECORD, **change}]
            self.assert_problem(self.server.log_batches(run, body), 409, "conflicting-content")
        self.assertEqual(self.answers(run, "train", "accuracy,loss"), before)

    def test_a_conflict_within_one_request(self):
        run = self.new_run()
        self.assert_problem(self.server.log_batches(run, [self.RECORD, {**self.RECORD, "samples": 99}]), 409, "conflicting-content")
        self.assertEqual(self.server.get(self.path(run)).status, 404)

    def test_each_series_of_a_record_is_checked_by_itself(self):
        run = self.new_run()
        self.log_ok(run, self.RECORD)
        self.log_ok(run, {**self.RECORD, "values": {"lr": 0.1}})
        self.log_ok(run, {**self.RECORD, "values": {"lr": 0.1}}, accepted=0, duplicates=1)
        self.assert_close(self.epoch_value(run, "lr", epoch=1), 0.1)
        self.assert_close(self.epoch_value(run, "loss", epoch=1), 2.5 / 8)
        self.assert_problem(self.server.log_batches(run, {**self.RECORD, "values": {"lr": 0.2, "new": 1}}), 409, "conflicting-content")
        self.assert_problem(self.server.get(self.path(run, "epochs"), metric="new"), 422)

    def test_a_series_keeps_its_shape(self):
        run = self.new_run()
        self.log_ok(run, self.RECORD)
        step = {"stage": "train", "epoch": 1, "step": 9}
        for body in ({"correct": 1, "total": 2}, {"tp": [1, 1], "fp": [0, 0], "fn": [0, 0]}, {"confusion": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
                     {"task": "binary", "confusion": [[1, 0], [0, 1]]}, {"values": {"main": 1.0}}, {"confusion": [[1, 0], [0, 1]], "name": "loss"}):
            self.assert_problem(self.server.log_batches(run, {**step, **body}), 409, "conflicting-shape")
        self.log_ok(run, {**step, "stage": "val", "correct": 1, "total": 2})

    def test_ranks_and_restarts_share_a_run(self):
        run = self.new_run()
        for rank in (3, 0, 2, 1):
            self.log_ok(run, [{**self.RECORD, "rank": rank, "step": s} for s in range(4)])
        entry = self.ask(run, "epochs", metric="accuracy")["epochs"][0]
        self.assertEqual((entry["ranks"], entry["steps"], entry["batches"], entry["samples"]), (4, 4, 16, 128))


class Bodies(ApiTest):
    def test_one_record_an_array_and_ndjson_are_the_same(self):
        records = rows("confusion")
        text = [json.dumps(r) for r in records]
        ways = {
            "one by one": None,
            "array": (json.dumps(records), "application/json"),
            "array with charset": (json.dumps(records, indent=2), "application/json; charset=utf-8"),
            "ndjson": ("\n".join(text) + "\n", "application/x-ndjson"),
            "ndjson without a last newline": ("\n".join(text), "application/x-ndjson"),
            "ndjson with empty lines and CRLF": ("\r\n" + "\r\n\r\n".join(text) + "\r\n", "application/x-ndjson"),
        }
        want = None
        for label, way in ways.items():
            run = self.new_run()
            if way is None:
                for r in records:
                    self.log_ok(run, r)
            else:
                self.log_ok(run, way[0], accepted=3, headers={"Content-Type": way[1]})
            got = self.ask(run, "epochs", metric=COUNTS)["epochs"]
            want = want or got
            self.assertEqual(got, want, label)

    def test_gzip(self):
        run = self.new_run()
        self.log_ok(run, gz(rows("confusion")), accepted=3, headers={"Content-Encoding": "gzip"})
        self.log_ok(run, gz("\n".join(json.dumps(r) for r in rows("cells")).encode()), accepted=0, duplicates=3,
                    headers={"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"})

    def test_a_chunked_body(self):
        run = self.new_run()
        body = json.dumps(rows("confusion")).encode()
        connection = self.server.connect()
        connection.request("POST", self.path(run, "batches"), body=(body[i:i + 50] for i in range(0, len(body), 50)),
                           headers={"Content-Type": "application/json"}, encode_chunked=True)
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()
        self.log_ok(run, rows("confusion"), accepted=0, duplicates=3)

    def test_no_records_are_refused(self):
        run = self.new_run()
        self.assert_problem(self.server.log_batches(run, []), 422, "invalid-value")
        self.assert_problem(self.server.get(self.path(run)), 404, "unknown-run")

    def test_a_run_is_created_in_the_project_named(self):
        run = self.new_run()
        self.log_ok(run, rows("confusion"), query={"project": "vision"})
        self.assertEqual(self.server.get(self.path(run)).json()["project"], "vision")
        self.log_ok(run, rows("confusion"), accepted=0, duplicates=3, query={"project": "other"})
        self.assertEqual(self.server.get(self.path(run)).json()["project"], "vision")
        other = self.new_run()
        self.log_ok(other, rows("confusion"))
        self.assertEqual(self.server.get(self.path(other)).json()["project"], "default")

    def test_as_many_records_as_allowed(self):
        run = self.new_run()
        records = [{"stage": "t", "epoch": 0, "step": i, "correct": 1, "total": 2} for i in range(10000)]
        self.log_ok(run, records)
        self.assert_problem(self.server.log_batches(self.new_run(), records + [{**records[0], "step": 10000}]), 413, "too-large")
        self.assertEqual(self.ask(run, "epochs", metric="accuracy")["epochs"][0]["steps"], 10000)

    def test_text_of_another_kind_is_escaped_and_kept(self):
        run, name = self.new_run(), "Zürich \u2028 \"<b>\" \\ \U0001f600"
        self.assertEqual(self.server.put(self.path(run), {"name": name, "config": {name: [name, 1.5, None, True]}}).status, 201)
        got = self.server.get(self.path(run)).json()
        self.assertEqual((got["name"], got["config"]), (name, {name: [name, 1.5, None, True]}))


class Persistence(ApiTest):
    def test_a_restart_keeps_everything(self):
        run = self.new_run()
        self.server.put(self.path(run), {"config": {"lr": 0.1}, "tags": ["a"], "stages": {"val": {"class_names": ["x", "y", "z"]}}})
        self.log_ok(run, rows("confusion"))
        document, answers = self.server.get(self.path(run)).json(), self.answers(run, "val", COUNTS)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.server.get(self.path(run)).json(), document)
        self.assertEqual(self.answers(run, "val", COUNTS), answers)
        self.log_ok(run, rows("cells"), accepted=0, duplicates=3)


if __name__ == "__main__":
    unittest.main()
