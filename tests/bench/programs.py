"""The programs of the benchmark: the server under test, the limit programs, the load generators.  Each is ended by its pid."""
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time


class Places:
    """Where things are: the programs, and a folder for databases on a real disk (never a memory file system)."""

    def __init__(self, tally, programs, out):
        self.tally = os.path.abspath(tally)
        self.programs = os.path.abspath(programs)
        self.out = os.path.abspath(out)
        os.makedirs(self.out, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="run-", dir=self.out)

    def program(self, name):
        return os.path.join(self.programs, name)

    def new_folder(self, name):
        return tempfile.mkdtemp(prefix=name + "-", dir=self.folder)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("TALLY_")}


def run(*command):
    """Run one of our programs to its end; its line of JSON."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit("%s: %s" % (os.path.basename(command[0]), done.stderr.strip()))
    return json.loads(done.stdout)


def memory(pid):
    """Resident bytes: all, and those that are not of a file."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        kib = {k: int(v.split()[0]) for k, v in (line.split(":", 1) for line in f) if k in ("VmRSS", "RssAnon", "VmHWM")}
    return {"rss": kib["VmRSS"] * 1024, "anonymous": kib["RssAnon"] * 1024, "peak": kib["VmHWM"] * 1024}


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tally:
    """A server with a database of its own."""

    def __init__(self, places, name, db=None):
        self.places = places
        self.db = db or os.path.join(places.new_folder(name), "tally.db")
        self.process, self.port = None, 0
        self.start()

    def start(self):
        """Start it; seconds from the start of the process until it listens."""
        begin = time.monotonic()
        self.process = subprocess.Popen([self.places.tally, "serve", "--db", self.db, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment())
        for line in self.process.stdout:
            found = re.match(r"listening on http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found.group(1))
                return time.monotonic() - begin
        raise SystemExit("the server did not start")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def memory(self):
        return memory(self.process.pid)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def request(self, method, path, body=None, content_type="application/json"):
        """One request on a connection of its own: status, headers, body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, body=body, headers={"Content-Type": content_type} if body is not None else {})
        answer = c.getresponse()
        out = answer.status, answer.getheaders(), answer.read()
        c.close()
        return out

    def get(self, path):
        status, _, body = self.request("GET", path)
        if status != 200:
            raise SystemExit("%s: %d %s" % (path, status, body[:500]))
        return json.loads(body)

    def post(self, run_id, record):
        status, _, body = self.request("POST", "/api/v1/runs/%s/batches" % run_id, json.dumps(record))
        if status != 200:
            raise SystemExit("POST: %d %s" % (status, body[:500]))

    def load(self, *options):
        """Send batches, then compare what the server says is stored with what it acknowledged."""
        return self.compare(run(self.places.program("load"), "-p", self.port, *options))

    def finish_load(self, process):
        """The same of a load generator that was started beside something else."""
        text, _ = process.communicate()
        if process.returncode != 0:
            raise SystemExit("the load generator failed")
        return self.compare(json.loads(text))

    def compare(self, done):
        for expected in done["runs"]:
            self.check(expected)
        return done

    def check(self, expected, in_flight=0):
        """What is stored is what was acknowledged; after a kill, whole requests that were under way may be there too."""
        epochs = self.get("/api/v1/runs/%s/epochs?stage=train&metric=accuracy&mean_of_steps=false" % expected["run"])["epochs"] if expected["batches"] else []
        stored = {"run": expected["run"], "batches": sum(e["batches"] for e in epochs), "samples": sum(e["samples"] for e in epochs),
                  "correct": sum(round(e["metrics"]["accuracy"]["value"] * e["samples"]) for e in epochs)}
        if stored != expected and not (in_flight and expected["batches"] <= stored["batches"] <= expected["batches"] + in_flight):
            raise SystemExit("acknowledged %r, stored %r" % (expected, stored))

    def ask(self, path, seconds, pause_us=0, unchanged=False):
        """The same question again and again; unchanged: with the tag of its answer, so that each answer is 304."""
        tag = [dict(self.request("GET", path)[1])["ETag"]] if unchanged else []
        return run(self.places.program("ask"), self.port, path, seconds, pause_us, *tag)

    def settle(self):
        """Let the idle moment pass in which the server tidies up."""
        time.sleep(1.5)


class HttpLimit:
    """libmicrohttpd with nothing behind it, or one fdatasync a group; answers with the headers given."""

    def __init__(self, places, kind, headers):
        file = [] if kind == "bare" else [os.path.join(places.new_folder(kind), "log")]
        self.places = places
        self.process = subprocess.Popen([places.program("limit_http"), kind, *file, *("%s: %s" % h for h in headers)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def load(self, *options):
        return run(self.places.program("load"), "-p", self.port, *options)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
