"""A damaged file is noticed: bits of the database and its log are flipped, sectors are overwritten; no answer is wrong in silence.

Every question that can be asked is asked of the whole database first.  Of a damaged one each answer is the same or an error that
says so, or the server does not start; `tally check` finds whatever was changed in bytes that count.
"""
import contextlib
import os
import shutil
import sqlite3
import struct
import sys
import threading
import time
import unittest

from faults import FaultTest, quick_folder, require, rng_of, run_tally, size_of
from plain import make_plain
from tally_server import SANITIZER, wait_until

FLIPS = size_of("FLIPS", 40)
PAGE, FRAME, HEADER = 4096, 4096 + 24, 32
DAMAGED = ("storage-damaged", "storage-failed")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def record(step, stage="train"):
    return {"stage": stage, "epoch": step // 100, "step": step, "rank": step % 2, "confusion": [[step % 5, 1, 0], [2, 3, step % 3], [0, 1, 4]],
            "sums": {"loss": [0.5 * step, 10]}, "values": {"lr": 0.001 * step}}


def page_sum(page, number):
    """The sum of a page, from its description in server/page_sum.h."""
    lanes, total, size = [number + i for i in range(4)], 0, 2 ** 64

    def mix(h, word):
        h ^= word
        return (h << 29 | h >> 35) % size * 0x9e3779b97f4a7c15 % size
    for k, (word,) in enumerate(struct.iter_unpack("<Q", page[:PAGE - 8])):
        lanes[k % 4] = mix(lanes[k % 4], word)
    for lane in lanes:
        total = mix(total, lane)
    return total ^ total >> 32


def questions():
    """Every kind of question, of two runs."""
    yield "/api/v1/runs?columns=test/accuracy@last,train/loss@min"
    yield "/api/v1/runs?q=config.lr%3E0&sort=-updated_at"
    yield "/api/v1/projects"
    for run in ("first", "second"):
        yield "/api/v1/runs/" + run
        for stage in ("train", "test"):
            for ask in ("epochs?metric=accuracy,f1.macro,loss", "epochs?metric=accuracy&rank=1", "steps?metric=accuracy,loss&points=1000",
                        "steps?metric=accuracy,lr&points=7", "classes?epoch=1", "confusion?epoch=0", "diagnosis?epoch=1"):
                what, _, query = ask.partition("?")
                yield "/api/v1/runs/%s/%s?stage=%s&%s" % (run, what, stage, query)
            for epoch in range(4):
                yield "/api/v1/runs/%s/batches?stage=%s&epoch=%d" % (run, stage, epoch)
    yield "/api/v1/compare?runs=first,second&stage=train&metric=accuracy"


class Disk:
    """The database and its log at one moment, and which of their bytes count."""

    def __init__(self, folder, label):
        self.label, self.files = label, {}
        for suffix in ("", "-wal"):
            path = os.path.join(folder, "tally.db" + suffix)
            if os.path.exists(path):
                self.files[suffix] = read(path)
        self.frames, self.pages, self.last_group = self.read_log()

    def read_log(self):
        """Frames until the last commit, the pages that they hold, and the first frame of the last two commits.  The log is whole: only salts are compared."""
        log, frames, commits, pages, all_pages = self.files.get("-wal", b""), 0, [0], set(), set()
        for i in range((len(log) - HEADER) // FRAME):
            page, commit = struct.unpack_from(">II", log, HEADER + i * FRAME)
            if log[HEADER + i * FRAME + 8:HEADER + i * FRAME + 16] != log[16:24]:
                break
            all_pages.add(page)
            if commit:
                frames, pages = i + 1, set(all_pages)
                commits.append(frames)
        return frames, pages, commits[-3] if len(commits) > 2 else 0

    def counts(self, suffix, at):
        """Is this byte read by whoever opens the database?"""
        if suffix == "-wal":
            return at < HEADER + self.frames * FRAME
        return at // PAGE + 1 not in self.pages

    def write(self, folder, suffix=None, at=0, mask=b""):
        """A folder with these files, one of them changed."""
        for name, content in self.files.items():
            if name == suffix:
                changed = bytearray(content)
                for i, bits in enumerate(mask):
                    changed[at + i] ^= bits
                content = bytes(changed)
            with open(os.path.join(folder, "tally.db" + name), "wb") as f:
                f.write(content)
            os.chmod(f.name, 0o600)


def fill(server, hold_at=None):
    """Two runs in some twenty commits.  hold_at: from this one on a reader keeps the log from being emptied; its connection."""
    holder, commits = None, 0
    for run in ("first", "second"):
        server.put("/api/v1/runs/" + run, {"project": "p", "config": {"lr": 0.1}, "notes": "n" * 300, "tags": ["t"]})
        for stage in ("train", "test"):
            for first in range(0, 400, 80):
                if commits == hold_at:
                    holder = sqlite3.connect("file:%s?mode=ro" % server.db, uri=True, isolation_level=None)
                    holder.execute("BEGIN")
                    holder.execute("SELECT count(*) FROM run").fetchone()
                require(server.log_batches(run, [record(s, stage) for s in range(first, first + 80)]).status == 200, "refused")
                commits += 1
        require(server.patch("/api/v1/runs/" + run, {"status": "finished"}).status == 200, "refused")
    return holder


def leaves_of_batches(path):
    db = sqlite3.connect(path)
    pages = [n for (n,) in db.execute("SELECT pageno FROM dbstat WHERE name = 'batch' AND pagetype = 'leaf'")]
    db.close()
    return pages


class Damage(FaultTest):
    def folder(self):
        folder = quick_folder()
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def disk(self, label, hold_at=None, kill=True):
        server = self.server(folder=self.folder())
        server.start()
        holder = fill(server, hold_at)
        if kill:
            server.kill()
        else:
            self.assertEqual(server.stop(), 0)
        disk = Disk(server.folder, label)
        if holder is not None:
            holder.close()
        return disk

    def disks(self):
        """The log holds nothing, the newest half, everything, a little behind a checkpoint."""
        out = [self.disk("stopped", kill=False), self.disk("half in the log", hold_at=10), self.disk("all in the log", hold_at=0), self.disk("last in the log", hold_at=18)]
        self.assertEqual(out[0].frames, 0)
        self.assertTrue(all(d.frames > 10 for d in out[1:]), [d.frames for d in out])
        return out

    def ask(self, server):
        out = {path: server.request("GET", path) for path in questions()}
        return {path: (r.status, r.body) for path, r in out.items()}, out

    def export(self, folder):
        return run_tally("export", "--db", os.path.join(folder, "tally.db"), "-", timeout=60)

    def truth(self, disk):
        """The answers of the whole database, and its export."""
        server = self.server(folder=self.folder())
        disk.write(server.folder)
        server.start()
        answers, full = self.ask(server)
        self.assertEqual({r.status for r in full.values()}, {200}, [(p, r) for p, r in full.items() if r.status != 200])
        self.assertEqual(server.stop(), 0)
        code, export, err = self.export(server.folder)
        self.assertEqual(code, 0, err)
        return answers, export

    def check_process(self, code, text, what):
        foreign = code == 3 and "is not a database: it is left alone" in text  # what says that it is one is gone
        require((code in (0, 1) or foreign) and not SANITIZER.search(text), "%s ended with %s:\n%s" % (what, code, text[-3000:]))

    def check_answers(self, server, truth):
        """Each is the true one or an error; was there one?"""
        answers, full = self.ask(server)
        found = False
        for path, answer in answers.items():
            if answer != truth[path]:
                found = True
                require(full[path].status in (500, 503) and full[path].json()["type"].split(":")[-1] in DAMAGED,
                        "%s: %r instead of %r" % (path, full[path], truth[path]))
        ready = server.get("/readyz")  # which also knows what the server met on its own, in tokens or deleted runs
        require(ready.status == 503 or not found, "%r" % ready)
        found = ready.status == 503
        answer = server.log_batches("third", record(0))
        require(answer.status == (503 if found else answer.status) and answer.status in (200, 503), repr(answer))
        return found

    def check_damaged(self, disk, suffix, at, mask, truth, export):
        """Did anybody notice?"""
        folder = self.folder()
        disk.write(folder, suffix, at, mask)
        server = self.server(folder=folder)
        try:
            server.start()
            found = self.check_answers(server, truth)
            self.check_process(server.stop(), server.log_text(), "the server")
        except RuntimeError:  # it did not start
            self.check_process(server.process.returncode, server.log_text(), "the server")
            require("tally: " in server.log_text(), "it does not say why it did not start")
            found = True
        self.end(server)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        disk.write(folder, suffix, at, mask)
        code, out, err = self.export(folder)
        self.check_process(code, err, "the export")
        require(code != 0 or out == export, "another export: " + out[:300])
        code, out, err = run_tally("check", "--db", os.path.join(folder, "tally.db"), timeout=60)
        self.check_process(code, out + err, "the check")
        if disk.counts(suffix, at):
            require(code != 0, "tally check says nothing of it: " + out)
        shutil.rmtree(folder)
        return found, code != 0

    def choose(self, rng, disk):
        """(suffix, at, mask): mostly one bit, sometimes a sector of noise."""
        suffix = rng.choices(list(disk.files), [len(content) for content in disk.files.values()])[0]
        size = len(disk.files[suffix])
        if rng.random() < 0.8:
            return suffix, rng.randrange(size), bytes([1 << rng.randrange(8)])
        if suffix == "-wal":  # noise in the last two commits looks as if they had been torn: see docs/operations.md
            size = HEADER + disk.last_group * FRAME
        at = rng.randrange(size // 512) * 512
        return suffix, at, rng.randbytes(512)

    def test_no_flipped_bit_gives_a_wrong_answer_in_silence(self):
        rng = rng_of("damage")
        disks = self.disks()
        truths = [self.truth(d) for d in disks]
        told = {d.label: [0, 0, 0] for d in disks}
        for i in range(FLIPS):
            disk, truth = disks[i % len(disks)], truths[i % len(disks)]
            suffix, at, mask = self.choose(rng, disk)
            try:
                found, checked = self.check_damaged(disk, suffix, at, mask, *truth)
            except BaseException as e:
                raise AssertionError("%s: byte %d of tally.db%s ^= %s...: %s" % (disk.label, at, suffix, mask[:4].hex(), e)) from e
            told[disk.label][0] += 1
            told[disk.label][1] += found
            told[disk.label][2] += checked
        print("damage: " + "; ".join("%s: %d, the server noticed %d, the check %d" % (k, *v) for k, v in told.items()), file=sys.stderr)

    def test_a_header_of_the_log_that_is_noise_is_noticed(self):
        rng = rng_of("header")
        for disk in self.disks()[1:]:
            for mask in (rng.randbytes(4), rng.randbytes(32), rng.randbytes(512), b"\0" * 16 + rng.randbytes(8), b"\0" * 24 + rng.randbytes(8)):
                self.assertEqual(self.check_damaged(disk, "-wal", 0, mask, *self.truth(disk)), (True, True), (disk.label, mask[:32]))

    def test_a_page_number_that_a_tear_left_alone_is_no_damage(self):
        """In one bit it may differ from what was there before; a bit anywhere else in the last commit is damage."""
        disk = self.disk("all in the log", hold_at=0)
        log = disk.files["-wal"]
        apart = next(i for i in range(disk.frames) if (HEADER + i * FRAME) % 512 == 504)
        end = next(i for i in range(apart, disk.frames) if struct.unpack_from(">I", log, HEADER + i * FRAME + 4)[0])
        disk.files["-wal"] = log[:HEADER + (end + 1) * FRAME]
        for at, code in ((HEADER + apart * FRAME + 3, 0), (HEADER + apart * FRAME + 24 + 99, 1)):
            folder = self.folder()
            disk.write(folder, "-wal", at, b"\x01")
            self.assertEqual(run_tally("check", "--db", os.path.join(folder, "tally.db"), timeout=60)[0], code, at)

    def is_in_both(self, disk):
        """Is what the log holds in the database too, but for the sums?"""
        log, newest = disk.files["-wal"], {}
        for i in range(disk.frames):
            newest[struct.unpack_from(">I", log, HEADER + i * FRAME)[0]] = log[HEADER + i * FRAME + 24:HEADER + i * FRAME + 24 + PAGE - 8]
        return len(newest) > 10 and all(disk.files[""][(n - 1) * PAGE:n * PAGE - 8] == page for n, page in newest.items())

    def test_a_header_that_a_power_cut_tore_where_the_log_starts_over_is_none(self):
        server = self.server(folder=self.folder())
        server.start()
        with contextlib.closing(fill(server, hold_at=0)) as holder:
            server.put("/api/v1/runs/last", {"project": "p"})
            holder.execute("COMMIT")
            holder.execute("BEGIN")  # of the newest: all can be moved into the database, and the log is kept
            holder.execute("SELECT count(*) FROM run").fetchone()
            wait_until(lambda: self.is_in_both(Disk(server.folder, "in both")), what="the idle moment")
            server.kill()
            disk = Disk(server.folder, "in both")
        truth, export = self.truth(disk)
        for mask in (bytes([255]), b"\xa5" * 24, b"\0" * 12 + b"\xa5" * 20):
            folder = self.folder()
            disk.write(folder, "-wal", 0, mask)
            server = self.server(folder=folder)
            server.start()
            self.assertEqual(self.ask(server)[0], truth)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(self.export(folder)[:2], (0, export))

    def test_a_page_that_is_damaged_under_a_running_server_stops_writes_and_spares_other_reads(self):
        disk = self.disk("stopped", kill=False)
        server = self.server(folder=self.folder())
        disk.write(server.folder)
        pages = leaves_of_batches(server.db)
        server.start()
        self.assertEqual(server.get("/readyz").status, 200)
        with open(server.db, "r+b") as f:
            for page in pages:
                f.seek((page - 1) * PAGE + 2000)
                byte = f.read(1)[0]
                f.seek(-1, os.SEEK_CUR)
                f.write(bytes([byte ^ 16]))
        for _ in range(3):
            answer = server.get("/api/v1/runs/first/batches", stage="train", epoch=0)
        self.assertEqual((answer.status, answer.json()["type"]), (500, "urn:tally:problem:storage-damaged"), answer)
        self.assertRegex(answer.json()["detail"], r"page \d+ of the database file is damaged")
        for path in ("/api/v1/runs", "/api/v1/runs/first/epochs?stage=train&metric=accuracy&mean_of_steps=false"):
            self.assertEqual(server.request("GET", path).status, 200, path)
        ready = server.get("/readyz")
        self.assertEqual((ready.status, ready.json()["type"]), (503, "urn:tally:problem:storage-failed"))
        self.assertRegex(ready.json()["detail"], r"damage was found \(page \d+ of the database file\)")
        answer = server.log_batches("first", record(999))
        self.assertEqual((answer.status, answer.json()["type"]), (503, "urn:tally:problem:storage-failed"), answer)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.log_text().count('"event":"storage-damaged"'), 1, server.log_text())
        code, out, _ = run_tally("check", "--db", server.db)
        self.assertEqual(code, 1)
        self.assertIn(": a part of table batch", out)
        self.assertIn("%d damaged pages: nothing else was looked at" % len(pages), out)

    def check_found_by_a_question(self, server, says):
        server.start()
        self.assertEqual(server.get("/readyz").status, 200)
        answer = server.get("/api/v1/runs/first/batches", stage="train", epoch=0)
        self.assertEqual((answer.status, answer.json()["type"]), (500, "urn:tally:problem:storage-damaged"), answer)
        self.assertIn(says, answer.json()["detail"])
        self.assertIn("damage was found", server.get("/readyz").json()["detail"])
        self.assertEqual(server.log_batches("first", record(999)).status, 503)
        self.assertEqual(server.get("/api/v1/runs").status, 200)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(run_tally("check", "--db", server.db)[0], 1)

    def test_a_whole_page_that_cannot_be_right_is_damage_too(self):
        disk = self.disk("stopped", kill=False)
        server = self.server(folder=self.folder())
        disk.write(server.folder)
        pages = leaves_of_batches(server.db)
        with open(server.db, "r+b") as f:
            for number in pages:
                f.seek((number - 1) * PAGE)
                page = bytearray(f.read(PAGE))
                self.assertEqual(struct.unpack_from("<Q", page, PAGE - 8)[0], page_sum(page, number))
                page[0] = 77  # no page of SQLite begins so
                struct.pack_into("<Q", page, PAGE - 8, page_sum(page, number))
                f.seek((number - 1) * PAGE)
                f.write(page)
        self.check_found_by_a_question(server, "the database file is damaged (code 11)")

    def test_a_state_that_cannot_be_read_is_damage_too(self):
        disk = self.disk("stopped", kill=False)
        folder = self.folder()
        disk.write(folder)
        server = self.server(folder=self.folder())
        db = make_plain(os.path.join(folder, "tally.db"), server.db)
        with db:
            db.execute("UPDATE batch SET state = x'7f0102' WHERE epoch = 0 AND step = 3")
        db.close()
        self.check_found_by_a_question(server, "a stored state is damaged")

    def test_a_log_that_is_damaged_before_its_last_two_commits_is_refused_and_left_alone(self):
        disk = self.disk("all in the log", hold_at=0)
        folder = self.folder()
        for at, mask in ((HEADER + 5 * FRAME + 100, b"\x08"), (HEADER + 5 * FRAME + 24, os.urandom(512)), (3, b"\x01"), (20, b"\x80"), (HEADER + 9, b"\x02"),
                         (HEADER + (disk.frames - 1) * FRAME + 24 + 77, b"\x01")):
            disk.write(folder, "-wal", at, mask)
            before = {name: read(os.path.join(folder, "tally.db" + name)) for name in ("", "-wal")}
            server = self.server(folder=folder)
            with self.assertRaises(RuntimeError):
                server.start()
            self.assertEqual(server.wait(), 1)
            for command in (("check",), ("export", "-"), ("backup", os.path.join(folder, "copy")), ("token", "create", "--scope", "read")):
                code, _, err = run_tally(*command, "--db", server.db)
                self.assertEqual(code, 1, command)
                self.assertRegex(err, r"tally\.db-wal is damaged \((its header|frame \d+)\)", command)
            self.assertFalse(os.path.exists(os.path.join(folder, "copy")))
            for name, content in before.items():
                self.assertEqual(read(os.path.join(folder, "tally.db" + name)), content, "the files are left alone")

    def test_a_log_whose_last_two_commits_were_torn_is_taken_without_them(self):
        disk = self.disk("all in the log", hold_at=0)
        answers, _ = self.truth(disk)
        server = self.server(folder=self.folder())
        log = bytearray(disk.files["-wal"])
        start = HEADER + disk.last_group * FRAME
        torn = slice(start + 512, start + 2048)
        log[torn] = bytes(b ^ 0xa5 for b in log[torn])  # sectors that were never written
        disk.files["-wal"] = bytes(log)
        disk.write(server.folder)
        server.start()
        self.assertEqual(server.get("/api/v1/runs/first").body, answers["/api/v1/runs/first"][1])
        self.assertEqual(server.get("/api/v1/runs/second").json()["status"], "running", "the last commit ended the run")
        self.assertEqual(server.stop(), 0)
        server.check()

    def test_after_durability_normal_several_torn_commits_are_no_damage(self):
        server = self.server(folder=self.folder())
        server.options = ["--durability", "normal"]
        server.start()
        holder = fill(server, 0)
        server.kill()
        disk = Disk(server.folder, "normal")
        holder.close()
        lock = read(server.db + ".lock")
        self.assertEqual(lock, b"normal\n")
        log = bytearray(disk.files["-wal"])
        torn = slice(HEADER + 40 * FRAME + 512, HEADER + 40 * FRAME + 1536)
        log[torn] = bytes(b ^ 0xa5 for b in log[torn])
        for mark, starts in ((lock, True), (b"", False)):
            folder = self.folder()
            disk.files["-wal"] = bytes(log)
            disk.write(folder)
            with open(os.path.join(folder, "tally.db.lock"), "wb") as f:
                f.write(mark)
            again = self.server(folder=folder)
            if starts:
                again.start()
                self.assertEqual(again.stop(), 0)
                again.start()
                self.assertEqual(read(again.db + ".lock"), b"", "its log was emptied, and all is synced from here on")
                self.assertEqual(again.stop(), 0)
                again.check()
            else:
                self.assertRaises(RuntimeError, again.start)


class OldDatabase(FaultTest):
    """What was made before pages had sums gets them when it is opened."""

    def make(self, folder, copies):
        server = self.server(folder=os.path.join(folder, "new"))
        os.mkdir(server.folder)
        server.start()
        for i in range(copies):
            self.assertEqual(server.log_batches("r%d" % (i % 3), [record(s) for s in range(i * 500, i * 500 + 500)]).status, 200)
        self.assertEqual(server.stop(), 0)
        code, export, err = run_tally("export", "--db", server.db, "-", timeout=60)
        self.assertEqual(code, 0, err)
        old = os.path.join(folder, "old.db")
        make_plain(server.db, old).close()
        return old, export

    def reserved(self, path):
        return read(path)[20]

    def test_it_gets_sums_and_can_be_killed_meanwhile(self):
        rng, folder = rng_of("sums"), quick_folder()
        self.addCleanup(shutil.rmtree, folder, True)
        old, export = self.make(folder, 12)
        self.assertEqual(self.reserved(old), 0)
        db = os.path.join(folder, "tally.db")
        seen = set()
        for i in range(max(8, FLIPS // 4)):
            for name in os.listdir(folder):
                if name.startswith("tally.db"):
                    os.unlink(os.path.join(folder, name))
            shutil.copy(old, db)
            if i % 2 == 0:  # with something in the log
                plain = sqlite3.connect(db)
                plain.execute("PRAGMA journal_mode = WAL")
                for change in (1, -1):  # nothing that shows
                    plain.execute("UPDATE generation SET runs = runs + ?", (change,))
                plain.commit()
                shutil.copy(db + "-wal", db + "-kept")
                shutil.copy(db, db + "-keptdb")
                plain.close()
                os.replace(db + "-keptdb", db)
                os.replace(db + "-kept", db + "-wal")
                if os.path.exists(db + "-shm"):
                    os.unlink(db + "-shm")
            server = self.server(folder=folder)
            killer = threading.Timer(rng.random() * 0.12, lambda: server.process and server.process.kill())
            killer.start()
            try:
                server.start()
            except RuntimeError:
                pass
            killer.join()
            server.kill()
            seen.add(self.reserved(db))
            server.start()
            self.assertEqual(self.reserved(db), 8)
            self.assertEqual(server.stop(), 0)
            server.check()
            self.assertEqual(run_tally("export", "--db", db, "-", timeout=60)[:2], (0, export))
            self.assertFalse([n for n in os.listdir(folder) if "summing" in n])
            self.assertEqual(os.stat(db).st_mode & 0o777, 0o600)
        print("sums: killed and found with %s reserved bytes" % sorted(seen), file=sys.stderr)

    def test_it_can_be_backed_up_and_exported_as_it_is(self):
        folder = quick_folder()
        self.addCleanup(shutil.rmtree, folder, True)
        old, export = self.make(folder, 3)
        before = read(old)
        self.assertEqual(run_tally("export", "--db", old, "-")[:2], (0, export))
        self.assertEqual(run_tally("backup", "--db", old, old + ".copy")[0], 0)
        self.assertEqual(read(old), before)
        self.assertEqual(run_tally("export", "--db", old + ".copy", "-")[:2], (0, export))

    def test_backups_have_sums(self):
        folder = quick_folder()
        self.addCleanup(shutil.rmtree, folder, True)
        self.make(folder, 2)
        copy = os.path.join(folder, "copy.db")
        self.assertEqual(run_tally("backup", "--db", os.path.join(folder, "new", "tally.db"), copy)[0], 0)
        with open(copy, "r+b") as f:
            f.seek(7 * PAGE + 99)
            f.seek(7 * PAGE + 99)
            byte = f.read(1)[0]
            f.seek(7 * PAGE + 99)
            f.write(bytes([byte ^ 1]))
        code, out, _ = run_tally("check", "--db", copy)
        self.assertEqual(code, 1)
        self.assertIn("page 8 is damaged", out)

    def test_what_sqlite_itself_writes_is_told_as_damage(self):
        folder = quick_folder()
        self.addCleanup(shutil.rmtree, folder, True)
        self.make(folder, 1)
        path = os.path.join(folder, "new", "tally.db")
        db = sqlite3.connect(path)
        self.assertEqual(db.execute("SELECT count(*) FROM run").fetchone()[0], 1, "reading goes on as ever")
        with db:
            db.execute("UPDATE run SET notes = 'by hand'")
        db.close()
        code, out, err = run_tally("check", "--db", path)
        self.assertEqual(code, 1)
        self.assertIn("damaged", out + err)


if __name__ == "__main__":
    unittest.main()
