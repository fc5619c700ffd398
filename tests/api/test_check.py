"""`tally check`: what is kept beside the batches is computed again, and whatever was changed is found and named."""
import os
import tempfile
import unittest

from plain import make_plain
from tally_server import TallyServer, run_tally


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()
        for first in range(0, 700, 100):
            cls.server.log_batches("r", [
                {"stage": "train", "epoch": s // 600, "step": s, "rank": r, "tp": [s % 5, 1], "fp": [0, 2], "fn": [2, 0], "sums": {"loss": [0.1 * s, 3]}}
                for s in range(first, first + 100) for r in range(2)])
        assert cls.server.stop() == 0

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def check(self):
        return run_tally("check", "--db", self.server.db)

    def found_after(self, change, *says):
        """Change a copy by hand and check it."""
        with tempfile.TemporaryDirectory(prefix="tally-test-") as folder:
            copy = os.path.join(folder, "t.db")
            db = make_plain(self.server.db, copy)
            db.create_function("longer", 1, lambda blob: bytes(blob) + b"\0")
            with db:
                self.assertGreater(db.execute(change).rowcount, 0, change)
            db.close()
            code, out, err = run_tally("check", "--db", copy)
        self.assertEqual(code, 1, out + err)
        for word in says:
            self.assertIn(word, out, change)

    def test_a_sound_database_is_said_to_be(self):
        code, out, err = self.check()
        self.assertEqual((code, err), (0, ""), out)
        self.assertRegex(out, r"^1 runs, 2 series, 2800 batches, \d+ sums: all agree\n$")
        self.assertGreater(int(out.split(" sums")[0].rsplit(" ", 1)[1]), 20)

    def test_each_number_of_a_sum_is_compared(self):
        for level, bucket, where in ((0, 0, "epoch 0"), (6, 3, "steps 192 to 255"), (8, 1, "steps 256 to 511")):
            row = "WHERE series = 1 AND epoch = 0 AND level = %d AND bucket = %d" % (level, bucket)
            for column in ("batches", "samples", "correct", "steps", "first_step", "last_step", "first_time", "primary_min", "primary_max"):
                self.found_after("UPDATE rollup SET %s = %s + 1 %s" % (column, column, row), "run r: train/main (counts): ", where, column, "1 disagreements")

    def test_the_numbers_of_runs_are_compared(self):
        for table in ("project", "generation"):
            self.found_after("UPDATE %s SET runs = runs + 1" % table, "1 numbers of runs", "1 disagreements")

    def test_states_ranks_and_rows_are_compared(self):
        bucket = "WHERE series = 2 AND level = 6 AND bucket = 2"
        self.found_after("UPDATE rollup SET state = longer(state) %s" % bucket,
                         "train/loss (mean)", "its state is damaged")
        self.found_after("UPDATE rollup SET ranks = x'000000' WHERE level = 0 AND series = 1 AND epoch = 0", "its ranks are not those of its batches")
        self.found_after("UPDATE rollup SET level = 7 %s" % bucket, "it has batches, and no sum", "sums are stored")
        self.found_after("UPDATE rollup SET closed = closed - 64 WHERE level = 0 AND series = 1 AND epoch = 0", "sums are stored")
        self.found_after("UPDATE rollup SET revision = revision + 1000 %s" % bucket, "revision")

    def test_batches_and_counters_are_compared(self):
        batch = "WHERE series = 1 AND epoch = 0 AND step = 130 AND rank = 1"
        self.found_after("UPDATE batch SET samples = samples + 1 %s" % batch,
                         "epoch 0: samples", "steps 128 to 191: samples", "steps 0 to 255: samples")
        self.found_after("UPDATE batch SET correct = correct + 1 %s" % batch,
                         "step 130, rank 1: correct is not that of the state", "1 disagreements")
        self.found_after("UPDATE batch SET state = longer(state) %s" % batch,
                         "step 130, rank 1: the batch is damaged")
        self.found_after("UPDATE batch SET rank = 2 %s" % batch, "its ranks are not those")
        for column in ("batches", "samples", "epochs", "last_epoch", "last_step"):
            self.found_after("UPDATE series SET %s = %s + 1 WHERE series = 2" % (column, column),
                             "train/loss (mean): %s is" % column)
        self.found_after("UPDATE batch SET series = 9 WHERE series = 2 AND epoch = 1", "1 series are named")

    def test_it_needs_the_database_for_itself(self):
        with TallyServer() as server:
            code, out, err = run_tally("check", "--db", server.db)
            self.assertEqual((code, out), (1, ""))
            self.assertIn("another tally server", err)
        code, _, err = run_tally("check", "--db", self.server.db + ".missing")
        self.assertEqual(code, 1)
        self.assertIn("there is no database", err)


if __name__ == "__main__":
    unittest.main()
