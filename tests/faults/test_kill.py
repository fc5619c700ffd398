"""kill -9 at random moments: what was acknowledged is there, once; what was not is there whole or not at all."""
import random
import sys
import threading
import time
import unittest

from faults import EPOCHS, FaultTest, Ledger, rng_of, size_of

CLIENTS = 8
CYCLES = size_of("CYCLES", 5)
CYCLES_A_RUN = 25


class Client(threading.Thread):
    """One rank: sends what an earlier life left without an answer again, then goes on."""

    def __init__(self, server, ledger, rank, step, seed):
        super().__init__()
        self.server, self.ledger, self.rank, self.step, self.rng = server, ledger, rank, step, random.Random(seed)
        self.failure = None

    def run(self):
        try:
            while self.work():
                pass
        except BaseException as e:  # told by the main thread
            self.failure = e

    def work(self):
        entry = self.ledger.requests[-1] if self.ledger.requests else None
        if entry is None or entry["acknowledged"] is not None:
            n = self.rng.choice((1, 1, 1, 3, 20))
            keys = [(self.rng.randrange(EPOCHS), self.step + i, self.rank) for i in range(n)]
            self.step += n
            outcome = self.ledger.send(self.server, keys)
        else:
            outcome = self.ledger.send_again(self.server, entry)
        if outcome not in (True, None):
            raise AssertionError("refused: %r" % outcome)
        return outcome


class Joined(Ledger):
    """The ledgers of all ranks of a run as one."""

    def __init__(self, run, ledgers):
        super().__init__(run)
        self.requests = [r for ledger in ledgers for r in ledger.requests]


class Kill(FaultTest):
    def cycle(self, server, rng, ledgers):
        step = 1 + max((k[1] for ledger in ledgers for r in ledger.requests[-1:] for k in r["keys"]), default=-1)
        clients = [Client(server, ledger, rank, step, rng.random()) for rank, ledger in enumerate(ledgers)]
        for c in clients:
            c.start()
        time.sleep(rng.choice((0.01, 0.1, 0.3)) * rng.random())
        server.kill()
        for c in clients:
            c.join()
            if c.failure:
                raise c.failure
        server.start()

    def test_cycles_of_kill_and_retry_lose_and_double_nothing(self):
        rng, server = rng_of("kill"), self.server()
        records = retried = 0
        with server:
            for first in range(0, CYCLES, CYCLES_A_RUN):
                run = "kill%d" % first
                ledgers = [Ledger(run) for _ in range(CLIENTS)]
                for cycle in range(first, min(CYCLES, first + CYCLES_A_RUN)):
                    self.cycle(server, rng, ledgers)
                    retried += sum(1 for l in ledgers if l.requests and l.requests[-1]["acknowledged"] is None)
                    if cycle % 5 == 4:
                        Joined(run, ledgers).check(server)
                for ledger in ledgers:  # the last retries: now all is acknowledged
                    for entry in ledger.requests[-1:]:
                        self.assertIs(ledger.send_again(server, entry), True)
                records += Joined(run, ledgers).check(server)
                server.stop()
                server.check()
                server.start()
        print("kill: %d cycles, %d records acknowledged, %d requests retried: 0 lost, 0 doubled, sums equal"
              % (CYCLES, records, retried), file=sys.stderr)
        self.assertGreater(records, CYCLES)


if __name__ == "__main__":
    unittest.main()
