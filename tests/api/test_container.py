"""The container: what its files say, and its program run as it would be there: another user, nothing to write to but its data, no rights."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tally_server import ROOT, TALLY_BIN, TallyServer, environment
from tls_server import TlsServer

DOCKERFILE = os.path.join(ROOT, "docker", "Dockerfile")
ENTRYPOINT = os.path.join(ROOT, "docker", "entrypoint.sh")


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as f:
        return f.read()


def health_check():
    """The script of HEALTHCHECK, as bash gets it."""
    words = re.search(r'(?m)^HEALTHCHECK .* CMD \["bash", "-c", "(.*)"\]$', read("docker", "Dockerfile")).group(1)
    return words.replace('\\"', '"').replace("\\\\", "\\")


class Files(unittest.TestCase):
    def test_the_image_runs_as_a_user_of_its_own(self):
        text = read("docker", "Dockerfile")
        last = text[text.rindex("\nFROM "):]
        self.assertRegex(last, r"(?m)^USER tally$")
        self.assertLess(last.index("USER tally"), last.index("ENTRYPOINT"))
        self.assertRegex(last, r"useradd --uid 10001 .*--shell /usr/sbin/nologin tally")
        self.assertNotRegex(last[last.index("USER tally"):], r"(?m)^(RUN|USER root|COPY)")
        self.assertNotRegex(last, r"--allow-host|--insecure|TOKEN=")

    def test_each_step_of_the_build_finds_what_it_needs(self):
        with tempfile.TemporaryDirectory(prefix="tally-image-") as folder:
            steps = re.findall(r"(?m)^(COPY|RUN) (.*)$", read("docker", "Dockerfile").split("\nFROM ")[1])
            self.assertGreater(len(steps), 8)
            for verb, words in steps:
                if verb == "COPY":
                    *sources, target = words.split()
                    for source in sources:
                        into = os.path.join(folder, target, os.path.basename(source)) if target.endswith("/") else os.path.join(folder, target)
                        os.makedirs(os.path.dirname(into), exist_ok=True)
                        whole = os.path.join(ROOT, source)
                        if os.path.isdir(whole):
                            shutil.copytree(whole, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
                        else:
                            shutil.copy(whole, into)
                elif "make " in words and "apt-get" not in words:
                    for targets in re.findall(r"make ([^&]*)", words):
                        done = subprocess.run(["make", "-n", *targets.split()], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
                        self.assertEqual(done.returncode, 0, done.stdout.decode()[-2000:])

    def test_compose_gives_it_nothing_to_write_to_and_no_rights(self):
        text = read("docker", "compose.yaml")
        for line in ('- "127.0.0.1:7070:7070"', "read_only: true", "cap_drop:\n      - ALL", "- no-new-privileges:true", "TALLY_TOKEN_FILE: /run/secrets/tally_token"):
            self.assertIn(line, text)
        self.assertNotRegex(text, r"privileged|network_mode|docker\.sock|cap_add")


@unittest.skipUnless(shutil.which("bash"), "bash is needed")
class Health(unittest.TestCase):
    def check(self, server, **env):
        script = health_check().replace("127.0.0.1/7070", "127.0.0.1/%d" % server.port)
        self.assertIn(str(server.port), script)
        return subprocess.run(["bash", "-c", script], env=environment(env), stderr=subprocess.DEVNULL, timeout=20, check=False).returncode

    def test_it_is_well_while_the_server_takes_writes(self):
        with TallyServer() as server:
            self.assertEqual(self.check(server), 0)
            server.stop()
            self.assertNotEqual(self.check(server), 0)
        with TlsServer() as server:
            self.assertEqual(self.check(server, TALLY_TLS_CERT=server.cert), 0)
            server.stop()
            self.assertNotEqual(self.check(server, TALLY_TLS_CERT=server.cert), 0)


def can_unshare():
    return os.geteuid() == 0 and shutil.which("unshare") and shutil.which("setpriv") and subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Confined(TallyServer):
    """The entrypoint on a file system that is read-only but for its data, as user 10001 without capabilities."""

    def __init__(self):
        super().__init__(listen="0.0.0.0:0")
        self.data = os.path.join(self.folder, "data")
        os.chmod(self.folder, 0o755)
        os.mkdir(self.data, 0o700)
        os.chown(self.data, 10001, 10001)
        self.db = os.path.join(self.data, "tally.db")
        self.secret = os.path.join(self.folder, "token")
        self.token = "a-token-of-more-than-thirty-two-characters"
        with open(self.secret, "w", encoding="ascii") as f:
            f.write(self.token + "\n")
        program = os.path.join(self.folder, "bin")
        os.mkdir(program)
        shutil.copy(TALLY_BIN, os.path.join(program, "tally"))  # the repository may lie where others may not look
        entry = shutil.copy(ENTRYPOINT, program)
        self.script = ("mount --bind '%s' '%s' && mount -o remount,bind,ro / && for m in /tmp /var /run /dev/shm; do mountpoint -q $m && mount -o remount,bind,ro $m; done; "
                       "cd / && exec setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs sh '%s' serve --listen 0.0.0.0:0" % (self.data, self.data, entry))
        self.path = program + ":" + os.environ.get("PATH", "/usr/bin:/bin")

    def start(self):
        import threading
        env = environment({"TALLY_DB": self.db, "TALLY_TOKEN_FILE": self.secret, "PATH": self.path})
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", self.script], stdout=subprocess.PIPE, stderr=log, env=env)
        ready = threading.Event()
        threading.Thread(target=self._read_stdout, args=(self.process.stdout, ready), daemon=True).start()
        if not ready.wait(20) or not self.port:
            raise RuntimeError("not started: " + self.log_text())
        return self

    def status(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@unittest.skipUnless(can_unshare(), "root is needed, to become less")
class AsInAContainer(unittest.TestCase):
    def test_it_serves_with_nothing_but_its_data(self):
        with Confined() as server:
            status = server.status()
            self.assertEqual(status["Uid"].split(), ["10001"] * 4)
            self.assertEqual(status["Groups"].split(), [])
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[name], 16), 0, name)
            self.assertEqual(status["NoNewPrivs"], "1")
            record = {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2}
            self.assertEqual(server.log_batches("r", [dict(record, step=i) for i in range(5000)]).status, 200)
            self.assertEqual(server.log_batches("r", record, token=False).status, 401)
            self.assertEqual(server.post("/api/v1/backup", None).status, 201)
            self.assertEqual(server.get("/api/v1/runs/r/epochs", metric="accuracy").json()["epochs"][0]["batches"], 5000)
            with open("/proc/%d/mounts" % server.process.pid, encoding="ascii") as f:
                mounts = {line.split()[1]: line.split()[3].split(",") for line in f}
            self.assertIn("ro", mounts["/"])
            self.assertIn("rw", mounts[server.data])
            self.assertEqual(server.stop(), 0)
            self.assertEqual({name for name in os.listdir(server.data) if not name.endswith(".backup")} - {"tally.db", "tally.db.lock"}, set())
            server.start()  # the token is there already
            self.assertEqual(server.get("/api/v1/runs/r").status, 200)


if __name__ == "__main__":
    unittest.main()
