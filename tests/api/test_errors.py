"""Every refusal is problem+json that names the place, and nothing of the request is stored."""
import json
import unittest

from tally_server import ApiTest, gz

OK = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}
DEEP = "[" * 40 + "]" * 40

# (label, what changes in a good record or the whole text, status, problem type, pointer in a single record)
RECORDS = [
    ("unknown field", {"corect": 1}, 422, "unknown-field", "/corect"),
    ("unknown field with odd characters", {"a/b~c": 1}, 422, "unknown-field", "/a~1b~0c"),
    ("no stage", {"stage": None}, 422, "invalid-value", "/stage"),
    ("stage left out", {"stage": ...}, 422, "invalid-value", None),
    ("epoch left out", {"epoch": ...}, 422, "invalid-value", None),
    ("step left out", {"step": ...}, 422, "invalid-value", None),
    ("stage with a blank", {"stage": "a b"}, 422, "invalid-value", "/stage"),
    ("stage too long", {"stage": "a" * 65}, 422, "invalid-value", "/stage"),
    ("stage a number", {"stage": 5}, 422, "invalid-value", "/stage"),
    ("negative epoch", {"epoch": -1}, 422, "invalid-value", "/epoch"),
    ("epoch a fraction", {"epoch": 1.5}, 422, "invalid-value", "/epoch"),
    ("epoch a string", {"epoch": "1"}, 422, "invalid-value", "/epoch"),
    ("step above 2^53-1", {"step": 2 ** 53}, 422, "invalid-value", "/step"),
    ("rank above 65535", {"rank": 65536}, 422, "invalid-value", "/rank"),
    ("correct above total", {"correct": 3}, 422, "invalid-value", "/correct"),
    ("total without correct", {"correct": ...}, 422, "invalid-value", None),
    ("correct without total", {"total": ...}, 422, "invalid-value", None),
    ("negative count", {"correct": -1}, 422, "invalid-value", "/correct"),
    ("count above 2^53-1", {"total": 2 ** 53}, 422, "invalid-value", "/total"),
    ("count of 1e400", {"total": "RAW:1e400"}, 422, "invalid-value", "/total"),
    ("no measure", {"correct": ..., "total": ...}, 422, "invalid-value", None),
    ("two forms", {"tp": [1], "fp": [0], "fn": [1], "confusion": [[1, 0], [0, 1]]}, 422, "invalid-value", None),
    ("tp without fp", {"correct": ..., "total": ..., "tp": [1, 2], "fn": [0, 0]}, 422, "invalid-value", None),
    ("tp and fp of different length", {"correct": ..., "total": ..., "tp": [1, 2], "fp": [1], "fn": [0, 0]}, 422, "invalid-value", "/fp"),
    ("a negative count of a class", {"correct": ..., "total": ..., "tp": [1, -2], "fp": [1, 0], "fn": [0, 0]}, 422, "invalid-value", "/tp/1"),
    ("total that disagrees", {"confusion": [[1, 0], [0, 3]], "correct": 4, "total": 5}, 422, "invalid-value", "/total"),
    ("correct that disagrees", {"confusion": [[1, 0], [0, 3]], "correct": 3, "total": 4}, 422, "invalid-value", "/correct"),
    ("a matrix that is not square", {"correct": ..., "total": ..., "confusion": [[1, 0], [0]]}, 422, "invalid-value", "/confusion/1"),
    ("an empty matrix", {"correct": ..., "total": ..., "confusion": []}, 422, "invalid-value", "/confusion"),
    ("cells without num_classes", {"correct": ..., "total": ..., "cells": [[0, 0, 1]]}, 422, "invalid-value", None),
    ("a cell outside", {"correct": ..., "total": ..., "num_classes": 2, "cells": [[0, 0, 1], [2, 0, 1]]}, 422, "invalid-value", "/cells/1"),
    ("a cell twice", {"correct": ..., "total": ..., "num_classes": 2, "cells": [[0, 0, 1], [0, 0, 1]]}, 422, "invalid-value", "/cells"),
    ("a cell of two numbers", {"correct": ..., "total": ..., "num_classes": 2, "cells": [[0, 0]]}, 422, "invalid-value", "/cells/0"),
    ("a class twice", {"correct": ..., "total": ..., "num_classes": 2, "classes": [[0, 1, 0, 0], [0, 1, 0, 0]]}, 422, "invalid-value", "/classes"),
    ("too many classes", {"correct": ..., "total": ..., "num_classes": 4097, "cells": []}, 422, "invalid-value", "/num_classes"),
    ("no classes", {"correct": ..., "total": ..., "num_classes": 0, "cells": []}, 422, "invalid-value", "/num_classes"),
    ("unknown task", {"task": "regression"}, 422, "invalid-value", "/task"),
    ("binary without tn", {"correct": ..., "total": ..., "task": "binary", "tp": [1], "fp": [0], "fn": [0]}, 422, "invalid-value", None),
    ("binary with two classes", {"correct": ..., "total": ..., "task": "binary", "tp": [1, 1], "fp": [0, 0], "fn": [0, 0], "tn": [1, 1]}, 422, "invalid-value", None),
    ("binary of three by three", {"correct": ..., "total": ..., "task": "binary", "confusion": [[1, 0, 0]] * 3}, 422, "invalid-value", "/confusion"),
    ("series name", {"name": "a b"}, 422, "invalid-value", "/name"),
    ("sums not an object", {"sums": [1, 2]}, 422, "invalid-value", "/sums"),
    ("a sum of one number", {"sums": {"loss": [1]}}, 422, "invalid-value", "/sums/loss"),
    ("a sum of three numbers", {"sums": {"loss": [1, 2, 3]}}, 422, "invalid-value", "/sums/loss"),
    ("a negative weight", {"sums": {"loss": [1, -1]}}, 422, "invalid-value", "/sums/loss/1"),
    ("min above max", {"sums": {"loss": [1, 1, 3, 2]}}, 422, "invalid-value", "/sums/loss"),
    ("a sum of 1e400", {"sums": {"loss": ["RAW:1e400", 1]}}, 422, "invalid-value", "/sums/loss/0"),
    ("a name of a sum", {"sums": {"lo ss": [1, 1]}}, 422, "invalid-value", "/sums/lo ss"),
    ("a value that is text", {"values": {"lr": "high"}}, 422, "invalid-value", "/values/lr"),
    ("a value that is null", {"values": {"lr": None}}, 422, "invalid-value", "/values/lr"),
    ("one name in sums and values", {"sums": {"lr": [1, 1]}, "values": {"lr": 1}}, 422, "invalid-value", None),
    ("negative samples", {"samples": -1}, 422, "invalid-value", "/samples"),
    ("attempt not text", {"attempt": 1}, 422, "invalid-value", "/attempt"),
    ("time not a number", {"time": "now"}, 422, "invalid-value", "/time"),
]

# (label, body as text, status, problem type)
TEXTS = [
    ("empty", b"", 400, "malformed-json"),
    ("blanks", b"  \n ", 400, "malformed-json"),
    ("cut off", b'{"stage":"t","epoch":0', 400, "malformed-json"),
    ("two documents", b'{"stage":"t","epoch":0,"step":0,"correct":1,"total":2} {}', 400, "malformed-json"),
    ("trailing comma", b'[{"stage":"t","epoch":0,"step":0,"correct":1,"total":2},]', 400, "malformed-json"),
    ("single quotes", b"{'stage':'t'}", 400, "malformed-json"),
    ("a comment", b'/* x */ {"stage":"t","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("leading zero", b'{"stage":"t","epoch":007,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("plus sign", b'{"stage":"t","epoch":+1,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("a bare point", b'{"stage":"t","epoch":1.,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("NaN", b'{"stage":"t","epoch":0,"step":0,"values":{"lr":NaN}}', 400, "malformed-json"),
    ("a key twice", b'{"stage":"t","epoch":0,"epoch":1,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("a sum twice", b'{"stage":"t","epoch":0,"step":0,"values":{"a":1,"a":2}}', 400, "malformed-json"),
    ("a key twice, escaped", b'{"stage":"t","epoch":0,"\\u0065poch":1,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("invalid UTF-8", b'{"stage":"\xff","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("an overlong NUL", b'{"stage":"\xc0\x80","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("an escaped NUL", b'{"stage":"t\\u0000","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("a lone surrogate", b'{"stage":"\\ud800","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("a control character", b'{"stage":"t\x01","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("a NUL byte", b'{"stage":"t","epoch":0,"step":0,"correct":1,"total":2}\x00', 400, "malformed-json"),
    ("a byte order mark", b'\xef\xbb\xbf{"stage":"t","epoch":0,"step":0,"correct":1,"total":2}', 400, "malformed-json"),
    ("too deep", ('{"stage":"t","epoch":0,"step":0,"correct":1,"total":2,"sums":' + DEEP + "}").encode(), 400, "malformed-json"),
    ("a number", b"5", 422, "invalid-value"),
    ("a string", b'"x"', 422, "invalid-value"),
    ("null", b"null", 422, "invalid-value"),
    ("an array of numbers", b"[1]", 422, "invalid-value"),
    ("an array in an array", b"[[]]", 422, "invalid-value"),
]


def text_of(record):
    return json.dumps({k: v for k, v in record.items() if v is not ...}).replace('"RAW:1e400"', "1e400")


class Batches(ApiTest):
    def nothing_stored(self, run, label):
        self.assert_problem(self.server.get(self.path(run)), 404, "unknown-run")

    def test_records_are_checked_field_by_field(self):
        for label, change, status, code, pointer in RECORDS:
            with self.subTest(label):
                run = self.new_run()
                bad = text_of({**OK, **change})
                self.assert_problem(self.server.log_batches(run, bad), status, code, pointer)
                good = text_of(OK)
                placed = None if pointer is None else "/2" + pointer
                self.assert_problem(self.server.log_batches(run, "[%s,%s,%s]" % (good, good, bad)), status, code, placed)
                ndjson = {"Content-Type": "application/x-ndjson"}
                self.assert_problem(self.server.log_batches(run, "%s\n\n%s\n%s\n" % (good, good, bad), headers=ndjson), status, code, placed)
                self.nothing_stored(run, label)

    def test_what_is_missing_is_named(self):
        for field in ("stage", "epoch", "step"):
            problem = self.assert_problem(self.server.log_batches(self.new_run(), text_of({**OK, field: ...})), 422)
            self.assertIn(field, json.dumps(problem["errors"]), problem)

    def test_text_is_read_strictly(self):
        for label, body, status, code in TEXTS:
            with self.subTest(label):
                run = self.new_run()
                self.assert_problem(self.server.log_batches(run, body), status, code)
                self.nothing_stored(run, label)

    def test_a_bad_line_of_ndjson_is_named(self):
        run, good = self.new_run(), json.dumps(OK)
        answer = self.server.log_batches(run, good + "\n" + good[:-3] + "\n" + good, headers={"Content-Type": "application/x-ndjson"})
        self.assert_problem(answer, 400, "malformed-json", pointer="/1")
        self.nothing_stored(run, "ndjson")

    def test_a_conflict_names_its_record(self):
        run = self.new_run()
        self.log_ok(run, OK)
        self.assert_problem(self.server.log_batches(run, [{**OK, "step": 1}, {**OK, "correct": 2}]), 409, "conflicting-content", says='"/1')
        self.assert_problem(self.server.log_batches(run, [{**OK, "step": 1}, {"stage": "t", "epoch": 0, "step": 2, "confusion": [[1]]}]), 409, "conflicting-shape", says='"/1')

    def test_content_types(self):
        run, body = self.new_run(), json.dumps(OK)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", ""):
            answer = self.server.log_batches(run, body, headers={"Content-Type": kind})
            self.assert_problem(answer, 415, "unsupported-content-type", says="curl --json")
        for coding in ("br", "deflate", "gzip, gzip"):
            self.assert_problem(self.server.log_batches(run, body, headers={"Content-Encoding": coding}), 415)
        self.nothing_stored(run, "content type")

    def test_broken_compression(self):
        run, whole = self.new_run(), gz(OK)
        for label, body in (("not gzip", b"xxxxxxxxxxxxxxxxxxxxxxxx"), ("cut off", whole[:-9]), ("damaged", whole[:12] + b"\x55\x55\x55" + whole[15:]), ("trailing bytes", whole + b"xx"), ("empty", b"")):
            answer = self.server.log_batches(run, body, headers={"Content-Encoding": "gzip"})
            self.assert_problem(answer, 400)
        bomb = gz(b" " * (17 << 20))
        self.assert_problem(self.server.log_batches(run, bomb, headers={"Content-Encoding": "gzip"}), 413, "too-large")
        self.nothing_stored(run, "gzip")

    def test_a_body_above_the_limit(self):
        run = self.new_run()
        answer = self.server.raw(b"POST /api/v1/runs/%s/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16777217\r\n\r\n" % run.encode())
        self.assertIn(b" 413 ", answer.split(b"\r\n")[0])
        self.nothing_stored(run, "too large")
        just = json.dumps(OK).encode()
        self.assertEqual(self.server.log_batches(run, just + b" " * ((16 << 20) - len(just))).status, 200)


class Documents(ApiTest):
    def test_run_documents(self):
        run = self.new_run()
        self.server.put(self.path(run), {"name": "n"})
        before = self.server.get(self.path(run)).body
        table = [
            ({"nmae": "x"}, 422, "unknown-field", "/nmae"), ({"config": []}, 422, "invalid-value", "/config"), ({"config": "x"}, 422, "invalid-value", "/config"),
            ({"tags": "a"}, 422, "invalid-value", "/tags"), ({"tags": [1]}, 422, "invalid-value", "/tags/0"), ({"name": 5}, 422, "invalid-value", "/name"),
            ({"notes": {}}, 422, "invalid-value", "/notes"), ({"stages": []}, 422, "invalid-value", "/stages"), ({"stages": {"a b": {}}}, 422, "invalid-value", "/stages/a b"),
            ({"stages": {"t": {"class_name": []}}}, 422, "unknown-field", "/stages/t/class_name"), ({"stages": {"t": {"class_names": [1]}}}, 422, "invalid-value", None),
            ({"stages": {"t": {"dataset_size": -1}}}, 422, "invalid-value", "/stages/t/dataset_size"), ({"project": ""}, 422, "invalid-value", "/project"), ([], 422, "invalid-value", None),
        ]
        for body, status, code, pointer in table:
            for method in ("PUT", "PATCH"):
                with self.subTest(body=body, method=method):
                    self.assert_problem(self.server.request(method, self.path(run), body=body), status, code, pointer)
        for status in ("crashed", "done", 5, None):
            self.assert_problem(self.server.patch(self.path(run), {"status": status}), 422, "invalid-value", "/status")
        self.assert_problem(self.server.put(self.path(run), {"status": "finished"}), 422, "unknown-field", "/status")
        for text in ('{"name":"a"', '{"name":"a","name":"b"}', '{"config":{"a":1,"a":2}}', '{"config":' + DEEP + "}"):
            self.assert_problem(self.server.put(self.path(run), text), 400, "malformed-json")
        self.assert_problem(self.server.put(self.path(run), "{}", headers={"Content-Type": "text/plain"}), 415)
        self.assertEqual(self.server.get(self.path(run)).body, before)

    def test_paths_methods_and_parameters(self):
        run = self.new_run()
        self.log_ok(run, OK)
        for path in ("/api", "/api/v1", "/api/v1/run", "/api/v1/runs/", "/api/v1/runs/x/y", "/api/v2/runs", "/API/v1/runs", "/favicon.png"):
            self.assert_problem(self.server.get(path), 404)
        for method, path in (("DELETE", "/api/v1/runs"), ("POST", "/api/v1/runs"), ("PUT", self.path(run, "batches")), ("GET", self.path(run, "rewind")), ("POST", "/healthz"),
                             ("OPTIONS", self.path(run)), ("TRACE", self.path(run)), ("PATCH", self.path(run, "epochs"))):
            answer = self.server.request(method, path)
            self.assert_problem(answer, 405, "method-not-allowed")
            self.assertTrue(answer.headers["allow"], (method, path))
        allow = self.server.request("OPTIONS", self.path(run)).headers["allow"]
        self.assertEqual({m.strip() for m in allow.split(",")} - {"OPTIONS"}, {"GET", "HEAD", "PUT", "PATCH", "DELETE"})
        self.assert_problem(self.server.get(self.path(run, "epochs"), metrics="accuracy"), 422, pointer="?metrics", says="metric")
        answer = self.server.request("GET", self.path(run, "epochs") + "?epoch=0&epoch=1")
        self.assert_problem(answer, 422, pointer="?epoch")
        answer = self.server.request("GET", self.path(run, "epochs") + "?stage=%ff")
        self.assertIn(answer.status, (400, 422), answer)

    def test_metrics_that_do_not_exist(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]], "sums": {"loss": [1, 2]}})
        for metric, code in (("acuracy", "unknown-metric"), ("accuracy,", "invalid-value"), ("accuracy.median", "unknown-average"), ("mcc.macro", "unknown-average"), ("kappa@cubic", None), ("fbeta", None), ("fbeta@-1", None),
                             ("fbeta@x.macro", None), ("parity:accuracy", None), ("loss:median", None), ("accuracy@2", None), ("", None), ("a" * 400, None), ("loss.macro", None)):
            for what in ("epochs", "steps"):
                problem = self.assert_problem(self.server.get(self.path(run, what), metric=metric), 422, pointer="?metric")
                if metric == "acuracy":
                    self.assertEqual(problem["type"], "urn:tally:problem:" + code)
                    self.assertIn("accuracy", problem["detail"])
                    self.assertIn("loss", problem["detail"])


class Limits(ApiTest):
    options = ("--limit", "records_per_request=3", "--limit", "body_bytes=2000", "--limit", "classes=5", "--limit", "dense_classes=3", "--limit", "points=7")

    def test_limits_are_shown_and_kept(self):
        shown = self.server.get("/api/v1/limits").json()
        self.assertEqual({k: shown[k] for k in ("records_per_request", "body_bytes", "classes", "dense_classes", "points")},
                         {"records_per_request": 3, "body_bytes": 2000, "classes": 5, "dense_classes": 3, "points": 7})
        run = self.new_run()
        self.assert_problem(self.server.log_batches(run, [{**OK, "step": i} for i in range(4)]), 413, "too-large")
        self.assert_problem(self.server.log_batches(run, "\n".join(json.dumps({**OK, "step": i}) for i in range(4)), headers={"Content-Type": "application/x-ndjson"}), 413, "too-large")
        self.assert_problem(self.server.log_batches(run, json.dumps(OK) + " " * 2000), 413, "too-large")
        self.assert_problem(self.server.log_batches(run, gz(json.dumps(OK) .encode()+ b" " * 2000), headers={"Content-Encoding": "gzip"}), 413, "too-large")
        base = {"stage": "t", "epoch": 0, "step": 0}
        self.assert_problem(self.server.log_batches(run, {**base, "num_classes": 6, "cells": []}), 422, "invalid-value")
        self.assert_problem(self.server.log_batches(run, {**base, "tp": [0] * 6, "fp": [0] * 6, "fn": [0] * 6}), 422, "invalid-value")
        self.assert_problem(self.server.log_batches(run, {**base, "confusion": [[0] * 4] * 4}), 422, "invalid-value")
        self.assert_problem(self.server.get(self.path(run)), 404)
        self.log_ok(run, [{**base, "num_classes": 5, "cells": [[4, 4, 1]]}])
        self.assert_problem(self.server.get(self.path(run, "steps"), points=8), 422, pointer="?points")
        self.assertEqual(self.server.get(self.path(run, "steps"), points=7).status, 200)


if __name__ == "__main__":
    unittest.main()
