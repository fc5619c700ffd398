"""What the fault tests share: a server on top of the shim, the disk as it may look after a power cut, and a ledger.

The shim (shim.c) is preloaded into a real server and numbers what it asks of the disk: every write, sync, truncation,
creation and removal of the database's files.  It can refuse some of them, and records all of them.
"""
import json
import mmap
import os
import random
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api"))
from tally_server import TALLY_BIN, TallyServer, run_tally  # noqa: E402,F401

SHIM = os.environ.get("TALLY_SHIM", os.path.join(os.path.dirname(TALLY_BIN), "tests", "faults", "shim.so"))
OP_WRITE, OP_SYNC, OP_TRUNCATE, OP_CREATE, OP_UNLINK, OP_REFUSED, OP_RENAME = range(1, 8)
DB, WAL, JOURNAL, SHM, FOLDER, COPY = range(1, 7)
SUFFIX = {DB: "", WAL: "-wal", JOURNAL: "-journal", COPY: ".summing"}
SECTOR = 512
EPOCHS = 3
NEVER = 2 ** 64 - 1
DIE = 9999  # in the place of an errno: kill -9


def size_of(name, default):
    """CYCLES, POINTS, ...: how long a test runs; `make faults` sets the long form."""
    return int(os.environ.get(name, default))


def quick_folder():
    """A folder in memory where there is one: what is replayed there needs no disk."""
    return tempfile.mkdtemp(prefix="tally-faults-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class Shim:
    """The state shared with the shim of one server, which outlives its restarts."""

    def __init__(self, folder, record=False):
        self.path, self.log = os.path.join(folder, "shim-state"), os.path.join(folder, "shim-log")
        self.record, self.db = record, os.path.join(os.path.realpath(folder), "tally.db")
        with open(self.path, "wb") as f:
            f.write(struct.pack("8Q", 0, NEVER, 0, 0, 0, 0, 0, NEVER))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def env(self):
        out = {"LD_PRELOAD": SHIM, "FAULT_STATE": self.path, "FAULT_DB": self.db}
        if self.record:
            out["FAULT_LOG"] = self.log
        return out

    def get(self, index):
        return struct.unpack_from("Q", self.map, 8 * index)[0]

    def arm(self, at, error, count=1):
        """Refuse count operations from number `at` on."""
        struct.pack_into("4Q", self.map, 8, NEVER, count, error, 0)
        struct.pack_into("Q", self.map, 8, at)

    def disarm(self):
        struct.pack_into("Q", self.map, 8, NEVER)

    def die_at_statement(self, number):
        """kill -9 when SQLite begins that statement."""
        struct.pack_into("Q", self.map, 56, number)

    def was_refused(self, op):
        """Since the shim was made."""
        return bool(self.get(5) >> op & 1)

    def forget(self):
        struct.pack_into("Q", self.map, 40, 0)

    operations = property(lambda self: self.get(0))
    refused = property(lambda self: self.get(4))
    statements = property(lambda self: self.get(6))


class FaultTest(unittest.TestCase):
    """A test whose servers do not outlive it, however it ends."""

    def server(self, **more):
        """A server that is not started yet."""
        server = TallyServer(**more)
        self.addCleanup(self.end, server)
        return server

    def shimmed_server(self, record=False, **more):
        """The same, and its shim."""
        server = self.server(**more)
        shim = Shim(server.folder, record)
        server.env = shim.env()
        return server, shim

    @staticmethod
    def end(server):
        if server.process and server.is_alive():
            server.kill()
        server.hang_up()


def read_log(path):
    """The operations in order: (op, file, offset, bytes)."""
    out, head = [], struct.Struct("=BBHIQ")
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at + head.size <= len(data):
        op, file, _, size, offset = head.unpack_from(data, at)
        at += head.size
        out.append((op, file, offset, data[at:at + size]))
        at += size
    return out


class Inode:
    def __init__(self):
        self.durable, self.pending = bytearray(), []


def apply(content, op, offset, data):
    if op == OP_TRUNCATE:
        if offset < len(content):
            del content[offset:]
        else:
            content.extend(bytes(offset - len(content)))
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset:offset + len(data)] = data


class Disk:
    """The folder after a prefix of the log.  What was synced is there; of what was not, anything may be: each write, or
    each sector of it, for itself.  A name made or removed since the folder was synced may be in either state."""

    def __init__(self, db=None):
        """db: the content of the database, where there is one to begin with."""
        self.names = {}
        if db is not None:
            self.names[DB] = Inode()
            self.names[DB].durable[:] = db
        self.durable_names = dict(self.names)

    def step(self, operation):
        op, file, offset, data = operation
        if file == FOLDER:
            if op == OP_SYNC:
                self.durable_names = dict(self.names)
            return
        if file not in SUFFIX or op == OP_REFUSED:
            return
        if op == OP_CREATE:
            self.names[file] = Inode()
        elif op == OP_RENAME:
            self.names[DB] = self.names.pop(file)
        elif op == OP_UNLINK:
            self.names.pop(file, None)
        elif file in self.names:
            inode = self.names[file]
            if op == OP_SYNC:
                for pending in inode.pending:
                    apply(inode.durable, *pending)
                inode.pending = []
            else:
                inode.pending.append((op, offset, data))

    def cut(self, rng, folder):
        """Write one disk that a power cut now may leave."""
        mode = rng.choice(("none", "all", "writes", "sectors", "sectors", "one torn"))
        for file, suffix in SUFFIX.items():
            was, now = self.durable_names.get(file), self.names.get(file)
            inode = now if was is now or rng.random() < 0.5 else was
            path = os.path.join(folder, "tally.db" + suffix)
            if inode is None:
                if os.path.exists(path):
                    os.unlink(path)
                continue
            with open(path, "wb") as f:
                f.write(self.content(inode, mode, rng))
        with open(os.path.join(folder, "tally.db-shm"), "wb") as f:  # shared memory: whatever
            f.write(rng.choice((b"", rng.randbytes(32768))))
        return mode

    @staticmethod
    def content(inode, mode, rng):
        out = bytearray(inode.durable)
        torn = rng.randrange(len(inode.pending)) if inode.pending else 0
        for i, (op, offset, data) in enumerate(inode.pending):
            if mode == "none" or (mode == "one torn" and i > torn) or (mode == "writes" and rng.random() < 0.5):
                continue
            if op == OP_TRUNCATE or mode in ("all", "writes") or (mode == "one torn" and i < torn):
                apply(out, op, offset, data)
                continue
            at = offset
            while at < offset + len(data):  # sectors, as the disk has them
                end = min(offset + len(data), (at // SECTOR + 1) * SECTOR)
                if rng.random() < 0.5:
                    apply(out, op, at, data[at - offset:end - offset])
                at = end
        return out


# ---- what was sent, and what was said ----
def record_of(key):
    """The record of (epoch, step, rank): its content follows from its key, so a wrong one is noticed."""
    epoch, step, rank = key
    return {"stage": "train", "epoch": epoch, "step": step, "rank": rank, "correct": (step + rank) % 7, "total": 7,
            "sums": {"loss": [step + 0.5, 7]}}


class Ledger:
    """Requests of one run: their keys, when they were sent and when they were acknowledged (in operations of the disk)."""

    def __init__(self, run):
        self.run, self.requests = run, []

    def send(self, server, keys, clock=lambda: 0):
        """Post one request.  True: acknowledged; the answer if it was refused; None: no answer."""
        entry = {"keys": keys, "sent": clock(), "acknowledged": None}
        self.requests.append(entry)
        return self.send_again(server, entry, clock)

    def send_again(self, server, entry, clock=lambda: 0):
        try:
            answer = server.log_batches(self.run, [record_of(k) for k in entry["keys"]])
        except OSError:
            return None
        except Exception as e:  # http.client: a torn answer
            if type(e).__module__ != "http.client":
                raise
            return None
        if answer.status != 200:
            return answer
        said = answer.json()
        if said["accepted"] + said["duplicates"] != len(entry["keys"]):
            raise AssertionError("an answer does not add up: %r" % answer)
        entry["acknowledged"] = clock()
        return True

    def check(self, server, until=None, whole=True):
        """What is stored is what was acknowledged, and whole requests of what was not; sums equal.
        until: the disk is that of after so many operations.  Returns the number of stored records."""
        stored = stored_keys(server, self.run)
        here = set(stored)
        require(len(here) == len(stored), "a record is stored twice")
        known = set()
        for r in self.requests:
            keys = set(r["keys"])
            if until is not None and r["sent"] > until:
                continue
            known |= keys
            if r["acknowledged"] is not None and (until is None or r["acknowledged"] <= until):
                require(keys <= here, "acknowledged and lost: %s" % sorted(keys - here)[:3])
            elif whole:
                require(len(keys & here) in (0, len(keys)), "half a request is stored")
        require(here <= known, "stored and never sent: %s" % sorted(here - known)[:3])
        check_sums(server, self.run, here)
        return len(here)


    def check_sums(self, server, until):
        """The same by the epochs' values alone, for one client that sends one request after the other: they are those of all
        that was acknowledged, without or with the one that was on its way."""
        sent = [r for r in self.requests if r["sent"] <= until]
        acknowledged = [r for r in sent if r["acknowledged"] is not None and r["acknowledged"] <= until]
        require(len(sent) - len(acknowledged) <= 1, "more than one on its way")
        try:
            check_sums(server, self.run, {k for r in acknowledged for k in r["keys"]})
        except AssertionError:
            if len(sent) == len(acknowledged):
                raise
            check_sums(server, self.run, {k for r in sent for k in r["keys"]})


def require(holds, message):
    if not holds:
        raise AssertionError(message)


def stored_keys(server, run):
    """(epoch, step, rank) of every stored record, by the export; their content is compared."""
    out, paths = [], ["/api/v1/runs/%s/batches?epoch=%d" % (run, epoch) for epoch in range(EPOCHS)]
    while paths:
        answer = server.request("GET", paths.pop())
        if answer.status == 404:
            return []
        require(answer.status == 200, repr(answer))
        for line in answer.text.splitlines():
            r = json.loads(line)
            key = (r["epoch"], r["step"], r.get("rank", 0))
            want = record_of(key)
            require((r["correct"], r["total"], r["sums"]["loss"][:2]) == (want["correct"], 7, want["sums"]["loss"]), "other content: " + line)
            out.append(key)
        link = answer.headers.get("link")
        if link:
            paths.append("/api" + link.split(">")[0].split("/api", 1)[1])
    return out


def check_sums(server, run, keys):
    """The epochs' values are those of the ledger's records."""
    answer = server.get("/api/v1/runs/%s/epochs" % run, metric="accuracy,loss:sum")
    if not keys:
        require(answer.status == 404, "stored and never sent: %r" % answer)
        return
    require(answer.status == 200, repr(answer))
    epochs = {e["epoch"]: e for e in answer.json()["epochs"]}
    require(set(epochs) == {k[0] for k in keys}, "epochs: %s" % sorted(epochs))
    for epoch, e in epochs.items():
        mine = [k for k in keys if k[0] == epoch]
        got = (e["batches"], e["samples"], e["metrics"]["loss:sum"]["value"], e["metrics"]["accuracy"]["value"])
        want = (len(mine), 7 * len(mine), sum(k[1] + 0.5 for k in mine), sum((k[1] + k[2]) % 7 for k in mine) / (7 * len(mine)))
        require(got == want, "epoch %d of %s: %s instead of %s" % (epoch, run, got, want))


def rng_of(name):
    """A generator whose seed is printed; TALLY_SEED repeats a run."""
    seed = size_of("TALLY_SEED", random.randrange(10 ** 9))
    print("%s: TALLY_SEED=%d" % (name, seed), file=sys.stderr)
    return random.Random(seed)
