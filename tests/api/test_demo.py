"""The demo trains, logs and reports; what it prints is what the counts say."""
import os
import re
import subprocess
import sys
import unittest

from tally_server import ROOT, TallyServer, environment

TRAIN = os.path.join(ROOT, "clients", "python", "examples", "train_digits.py")


class Demo(unittest.TestCase):
    def test_the_example_trains_and_shows_the_effect(self):
        with TallyServer() as server:
            done = subprocess.run([sys.executable, TRAIN, "--url", server.url, "--epochs", "3", "--seconds", "0"], env=environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
            text = done.stdout.decode()
            self.assertEqual(done.returncode, 0, text)
            macro = re.search(r"accuracy\.macro\s+([0-9.]+)%\s+([0-9.]+)%", text)
            self.assertGreater(float(macro.group(1)), 85)
            self.assertLess(float(macro.group(2)), 70)
            run = server.get("/api/v1/runs/digits").json()
            series = {(s["stage"], s["name"]): s for s in run["series"]}
            self.assertEqual(run["status"], "finished")
            self.assertEqual({k: s["samples"] for k, s in series.items() if k[1] == "main"}, {("train", "main"): 3300, ("val", "main"): 900, ("test", "main"): 1191})
            steps = {stage: server.get("/api/v1/runs/digits/steps", stage=stage, metric="accuracy").json()["x_from"] for stage in ("train", "test")}
            self.assertEqual(steps, {"train": "step", "test": "counted"})
            value = server.get("/api/v1/runs/digits/epochs", stage="test", metric="accuracy.macro", epoch=2).json()["epochs"][0]["metrics"]["accuracy.macro"]
            self.assertAlmostEqual(100 * value["value"], float(macro.group(1)), 1)
            # a job that starts again from the beginning logs the same batches: nothing changes
            revision = run["revision"]
            again = subprocess.run([sys.executable, TRAIN, "--url", server.url, "--epochs", "3", "--seconds", "0"], env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=120, check=False)
            self.assertEqual(again.returncode, 0)
            self.assertEqual(server.get("/api/v1/runs/digits").json()["revision"], revision)


if __name__ == "__main__":
    unittest.main()
