"""One class a system: how it is started, fed, asked and ended.  Default settings, but for where its data lie."""
import glob
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse

from programs import memory, run

MIB = 1 << 20
CLASSES = 10
START_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class System:
    name, program, keeps_history = "", "", True

    def __init__(self, places, others):
        self.places, self.others = places, os.path.abspath(others)
        self.folder = places.new_folder(self.name.lower())
        self.port, self.process = 0, None
        # points of a time-series database need a time: yesterday, one a millisecond
        self.first_ms = int((time.time() - 86400) * 1000)
        self.start()

    # ---- life ----
    def command(self):
        raise NotImplementedError

    def environment(self):
        return None

    def ready_path(self):
        raise NotImplementedError

    def prepare(self):
        """After each start."""

    def start(self):
        self.port = free_port()
        command = self.command()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment(), cwd=self.folder)
        self.wait_for(lambda: self.request("GET", self.ready_path())[0] in (200, 204))
        self.prepare()

    def wait_for(self, is_there):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if is_there():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.002)
        raise SystemExit("%s does not answer" % self.name)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def memory(self):
        return memory(self.process.pid)

    def disk(self):
        return sum(os.lstat(os.path.join(top, f)).st_blocks * 512 for top, _, files in os.walk(self.folder) for f in files)

    def version(self):
        names = glob.glob(os.path.join(self.others, "..", self.package + "_*.deb"))
        return names[0].rsplit("_", 2)[1] if names else "?"

    # ---- requests ----
    def request(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, body=body)
        answer = c.getresponse()
        out = answer.status, answer.read()
        c.close()
        return out

    def get(self, path):
        status, body = self.request("GET", path)
        if status != 200:
            raise SystemExit("%s: %d %s" % (path, status, body[:300]))
        return json.loads(body)

    def load_options(self):
        raise NotImplementedError

    def load(self, *options, again=False):
        """again: the same batches as before, where nothing must be new."""
        return run(self.places.program("load"), "-p", self.port, *self.load_options(), *options, *(("-a",) if again else ()))

    def ask(self, path, seconds):
        return run(self.places.program("ask"), self.port, path, seconds)

    # ---- questions ----
    def accuracy_path(self, run_id, epoch=None):
        raise NotImplementedError

    def accuracy(self, run_id, epoch=None):
        raise NotImplementedError

    def count(self, run_id):
        """Stored batches of a run."""
        raise NotImplementedError

    def first_answer(self, run_id):
        self.wait_for(lambda: 0 < self.accuracy(run_id, 5) <= 1)


class TallySystem(System):
    name, keeps_history = "Tally", True

    def __init__(self, places, others):
        self.program = places.tally
        super().__init__(places, others)

    def command(self):
        return [self.program, "serve", "--db", os.path.join(self.folder, "tally.db"), "--listen", "127.0.0.1:%d" % self.port]

    def ready_path(self):
        return "/readyz"

    def version(self):
        return subprocess.run([self.program, "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[1]

    def load_options(self):
        return ()

    def accuracy_path(self, run_id, epoch=None):
        return "/api/v1/runs/%s/epochs?stage=train&metric=accuracy&mean_of_steps=false%s" % (run_id, "" if epoch is None else "&epoch=%d" % epoch)

    def accuracy(self, run_id, epoch=None):
        epochs = self.get(self.accuracy_path(run_id, epoch))["epochs"]
        return sum(round(e["metrics"]["accuracy"]["value"] * e["samples"]) for e in epochs) / sum(e["samples"] for e in epochs)

    def count(self, run_id):
        return sum(e["batches"] for e in self.get(self.accuracy_path(run_id))["epochs"])


class Victoria(System):
    name, package = "VictoriaMetrics", "victoria-metrics"

    def __init__(self, places, others):
        self.program = os.path.join(os.path.abspath(others), "usr", "bin", "victoria-metrics")
        super().__init__(places, others)

    def command(self):
        return [self.program, "-storageDataPath", os.path.join(self.folder, "data"), "-httpListenAddr", "127.0.0.1:%d" % self.port]

    def ready_path(self):
        return "/health"

    def load_options(self):
        return ("-F", "line", "-B", self.first_ms, "-T", "/write?precision=ms&run=%s")

    def value(self, expression):
        result = self.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    @staticmethod
    def expression(run_id, epoch):
        where = 'run="%s"%s' % (run_id, "" if epoch is None else ',epoch="%d"' % epoch)
        return 'sum(sum_over_time({__name__=~"batch_tp.",%s}[2d])) / sum(sum_over_time({__name__=~"batch_(tp|fn).",%s}[2d]))' % (where, where)

    def accuracy_path(self, run_id, epoch=None):
        return "/api/v1/query?" + urllib.parse.urlencode({"query": self.expression(run_id, epoch)})

    def accuracy(self, run_id, epoch=None):
        return self.value(self.expression(run_id, epoch))

    def count(self, run_id):
        return round(self.value('sum(count_over_time(batch_tp0{run="%s"}[2d]))' % run_id))

    def first_answer(self, run_id):
        self.wait_for(lambda: 0 < self.value(self.expression(run_id, 5)) <= 1)


class Influx(System):
    name, package = "InfluxDB", "influxdb"

    def __init__(self, places, others):
        self.program = os.path.join(os.path.abspath(others), "usr", "bin", "influxd")
        self.rpc_port = free_port()
        super().__init__(places, others)

    def command(self):
        config = os.path.join(self.folder, "influxdb.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write('reporting-disabled = true\nbind-address = "127.0.0.1:%d"\n[meta]\ndir = "%s/meta"\n[data]\ndir = "%s/data"\nwal-dir = "%s/wal"\n'
                    '[http]\nbind-address = "127.0.0.1:%d"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n'
                    % (self.rpc_port, self.folder, self.folder, self.folder, self.port))
        return [self.program, "run", "-config", config]

    def ready_path(self):
        return "/ping"

    def prepare(self):
        self.request("POST", "/query?" + urllib.parse.urlencode({"q": "CREATE DATABASE bench"}))

    def load_options(self):
        return ("-F", "line", "-B", self.first_ms, "-T", "/write?db=bench&precision=ms&run=%s")

    @staticmethod
    def path(query):
        return "/query?" + urllib.parse.urlencode({"db": "bench", "q": query})

    def value(self, path):
        series = self.get(path)["results"][0].get("series")
        return series[0]["values"][0][1] if series else 0

    def accuracy_path(self, run_id, epoch=None):
        tp, fn = ("+".join("sum(%s%d)" % (name, c) for c in range(CLASSES)) for name in ("tp", "fn"))
        return self.path("SELECT (%s)/(%s+%s) FROM batch WHERE run='%s'%s" % (tp, tp, fn, run_id, "" if epoch is None else " AND epoch='%d'" % epoch))

    def accuracy(self, run_id, epoch=None):
        return self.value(self.accuracy_path(run_id, epoch))

    def count(self, run_id):
        return self.value(self.path("SELECT count(tp0) FROM batch WHERE run='%s'" % run_id))


class Pushgateway(System):
    """Keeps the newest push of each group and nothing before it: there is no history to ask."""

    name, package, keeps_history = "Pushgateway", "prometheus-pushgateway", False

    def __init__(self, places, others):
        self.program = os.path.join(os.path.abspath(others), "usr", "bin", "prometheus-pushgateway")
        super().__init__(places, others)

    def command(self):
        return [self.program, "--web.listen-address=127.0.0.1:%d" % self.port, "--persistence.file=" + os.path.join(self.folder, "metrics")]

    def ready_path(self):
        return "/-/ready"

    def load_options(self):
        return ("-F", "push", "-T", "/metrics/job/train/run/%s")

    def count(self, run_id):
        """Whether the newest push of a run is there."""
        text = self.request("GET", "/metrics")[1].decode()
        return 1 if re.search(r'^tp\{.*run="%s"' % re.escape(run_id), text, re.M) else 0

    def first_answer(self, run_id):
        self.wait_for(lambda: self.request("GET", "/-/ready")[0] == 200)
