"""The soak (soak.py) for a few seconds: everything that it asks is answered as it expects, and its sums agree.  What memory does shows
in `make soak` only."""
import os
import subprocess
import sys
import unittest

from faults import TALLY_BIN, FaultTest

SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak.py")


class Soak(FaultTest):
    def test_a_few_minutes_of_a_typical_job_in_seconds(self):
        done = subprocess.run([sys.executable, SOAK, "--minutes", "0.1", "--pace", "60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, TALLY_BIN=TALLY_BIN), timeout=120, check=False)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        print(text.splitlines()[-2], file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
