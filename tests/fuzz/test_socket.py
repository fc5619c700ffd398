"""A whole server against bytes from strangers, over real sockets (socket_fuzz.c): requests of every route, changed by grammar
and by bytes, behind one another and in pieces.

SECONDS and SEED say how long and which; each round has a server and a database of its own, which must end well: no crash, no
leak (under a sanitizer), `tally check` agrees, and the run that nobody wrote to has the value that it had.
"""
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api"))
from tally_server import TALLY_BIN, TallyServer, seed_of  # noqa: E402

SOCKET_FUZZ = os.environ.get("SOCKET_FUZZ", os.path.join(os.path.dirname(TALLY_BIN), "tests", "socket_fuzz"))
SECONDS = float(os.environ.get("SECONDS", 5))
ROUND_SECONDS = 60  # then the database has grown so much that asking it takes the time
KEEP = [{"stage": "train", "epoch": 0, "step": i, "confusion": [[5 + i, 1], [2, 7]]} for i in range(20)]


class Socket(unittest.TestCase):
    def round(self, seed, seconds):
        server = TallyServer("--limit", "header_deadline_s=5", "--limit", "request_deadline_s=5")
        with server:
            self.assertEqual(server.log_batches("keep", KEEP).status, 200)
            epochs = server.get("/api/v1/runs/keep/epochs", stage="train", metric="accuracy").text
            value = re.search(r'"value":[0-9.e+-]+', epochs).group(0)
            done = subprocess.run([SOCKET_FUZZ, str(server.port), str(seconds), str(seed)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=dict(os.environ, SOCKET_KEEP=value), timeout=seconds + 120, check=False)
            text = done.stdout.decode("utf-8", "replace")
            self.assertTrue(server.is_alive(), server.log_text()[-8000:] + text[-8000:])
            self.assertEqual(done.returncode, 0, text[-8000:])
            self.assertEqual(server.get("/healthz").status, 200)
            self.assertEqual(server.get("/api/v1/runs/keep/epochs", stage="train", metric="accuracy").text, epochs)
            self.assertNotIn('"internal"', server.log_text())
        print("socket: " + text.strip().splitlines()[-1], file=sys.stderr)
        return [int(n) for n in re.search(r"(\d+) connections, (\d+) requests sent, (\d+) answers", text).groups()]

    def test_nothing_that_strangers_send_stops_the_server_or_changes_what_is_stored(self):
        seed, left, total = int(os.environ.get("SEED") or seed_of("socket")), SECONDS, [0, 0, 0]
        while left > 0:
            seconds = min(left, ROUND_SECONDS)
            counts = self.round(seed, seconds)
            total = [a + b for a, b in zip(total, counts)]
            left -= seconds
            seed += 1
        print("socket: %d connections, %d requests sent, %d answers: all invariants held" % tuple(total), file=sys.stderr)
        self.assertGreater(total[2], 100)


if __name__ == "__main__":
    unittest.main()
